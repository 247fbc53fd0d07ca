"""linear: int8 products are close to those in float32."""

from __future__ import annotations

import pytest
import torch

from caption import Describer
from caption.decoding import generate
from caption.image.load import load_image
from caption.model.linear import Int8Linear, ManyRowsInt8Linear, int8_available, int8_levels
from caption.model.loading import load_model
from caption.options import DecodingOptions
from tests.support.paths import EXAMPLES

Kind = type[Int8Linear] | type[ManyRowsInt8Linear]


@pytest.mark.skipif(not int8_available(), reason="int8 products are for x86")
class TestInt8:
    KINDS = pytest.mark.parametrize("kind", [Int8Linear, ManyRowsInt8Linear])

    @KINDS
    @pytest.mark.parametrize("shape", [(1, 64), (7, 64), (2, 5, 64)])
    def test_product_is_close_to_float(self, kind: Kind, shape: tuple[int, ...]) -> None:
        generator = torch.Generator().manual_seed(0)
        weight = torch.randn(48, 64, generator=generator) * torch.rand(48, 1, generator=generator)
        bias = torch.randn(48, generator=generator)
        x = torch.randn(shape, generator=generator)
        expected = torch.nn.functional.linear(x, weight, bias)
        product = kind.from_float(weight, bias)(x)
        assert product.shape == expected.shape
        assert (product - expected).norm() / expected.norm() < 0.03

    def test_both_kinds_tell_the_same(self) -> None:
        generator = torch.Generator().manual_seed(0)
        weight, bias = (
            torch.randn(48, 64, generator=generator),
            torch.randn(48, generator=generator),
        )
        x = torch.randn(2, 300, 64, generator=generator)
        torch.testing.assert_close(
            Int8Linear.from_float(weight, bias)(x), ManyRowsInt8Linear.from_float(weight, bias)(x)
        )

    @KINDS
    def test_every_row_has_its_own_scale(self, kind: Kind) -> None:
        """A row gives the same alone and beside rows a thousand times as large; zeros give the
        bias.
        """
        generator = torch.Generator().manual_seed(0)
        linear = kind.from_float(torch.randn(16, 32, generator=generator), torch.ones(16))
        x = (
            torch.randn(6, 32, generator=generator)
            * torch.tensor([1e-3, 1, 1e3, 1e-6, 30, 0])[:, None]
        )
        together = linear(x)
        for i in range(len(x)):
            assert torch.equal(together[i], linear(x[i : i + 1])[0])
        assert torch.equal(together[5], torch.ones(16))

    @KINDS
    def test_sums_do_not_overflow(self, kind: Kind) -> None:
        """Without VNNI two products are summed in 16 bits: the largest inputs and weights must
        still come out right.
        """
        product = kind.from_float(torch.ones(8, 768), torch.zeros(8))(torch.ones(3, 768))
        torch.testing.assert_close(product, torch.full((3, 8), 768.0))

    @pytest.mark.parametrize(
        ("able", "levels"), [({}, 63), ({"avx_vnni": True}, 63), ({"avx512_vnni": True}, 127)]
    )
    def test_levels_are_what_the_slower_library_can_add(
        self, monkeypatch: pytest.MonkeyPatch, able: dict[str, bool], levels: int
    ) -> None:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
        assert int8_levels() == levels

    def test_model_says_much_the_same(self, demo_describer: Describer) -> None:
        """Embeddings and the log-probabilities of the float caption hardly change."""
        model = load_model(demo_describer.model.folder, "cpu", "int8")
        assert model.precision == "int8"
        pictures = [load_image(path) for path in sorted(EXAMPLES.glob("scene-*"))]
        options = DecodingOptions(max_new_tokens=20, num_beams=3)
        prompts, image_index = [model.prompt_ids("")] * len(pictures), range(len(pictures))
        features, quantized = demo_describer.model.encode(pictures), model.encode(pictures)
        cosine = torch.cosine_similarity(features.image_embeds, quantized.image_embeds, dim=-1)
        assert cosine.min() > 0.97
        assert cosine.mean() > 0.995
        expected = generate(
            demo_describer.model, features, prompts, options, image_index=image_index
        )
        in_int8 = generate(model, quantized, prompts, options, image_index=image_index)
        for (exact,), (rounded,) in zip(expected, in_int8, strict=True):
            assert exact.avg_logprob == pytest.approx(rounded.avg_logprob, abs=0.15)
