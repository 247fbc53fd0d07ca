"""floor: the arithmetic of floors, held to the network's own weights and operations."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BlipForConditionalGeneration

from benchmarks.floor import Counter, Product, Shape, Work, floor_of
from benchmarks.sides import Theirs, fixed
from benchmarks.speed.workloads import (
    noise,
)
from caption.options import DecodingOptions

SMALL = Shape(
    width=2,
    inner=3,
    layers=1,
    vocabulary=5,
    image_width=4,
    image_inner=6,
    image_layers=1,
    patch=2,
    image_tokens=5,
)


class FixedSpeeds:
    bandwidth = 100.0

    def rate(self, precision: str, product: Product) -> float:
        return {"int8": 1000.0}.get(precision, 10.0) * product.rows


class TestFloor:
    counter = Counter(SMALL, weight_bytes=1, cache_bytes=4)

    def test_weights(self) -> None:
        assert SMALL.layer_weights == 6 * 4 + 2 * 6
        assert SMALL.head_weights == 4 + 10
        assert SMALL.image_key_weights == 2 * 2 * 4
        assert SMALL.image_layer_weights == 4 * 16 + 2 * 24
        assert SMALL.patch_weights == 3 * 4 * 4

    def test_encoding(self) -> None:
        operations = 2 * (2 * 5 * 112 + 4 * 25 * 4 + 2 * 4 * 48)
        assert self.counter.encoding(2) == Work(160, operations, Product(5, 4, 6, few_rows=False))

    def test_image_keys(self) -> None:
        assert self.counter.image_keys(3) == Work(
            16, 2 * 3 * 5 * 16, Product(5, 4, 6, few_rows=False)
        )

    def test_prefill(self) -> None:
        seen = 5 * 5 + (1 + 2) + (1 + 2 + 3)  # the picture by every token, each prompt by itself
        operations = 2 * 5 * 36 + 4 * 2 * seen + 2 * 2 * 14
        assert self.counter.prefill([2, 3], 1) == Work(
            50 + 2 * 2 * 5 * 4, operations, Product(5, 2, 3)
        )

    def test_step(self) -> None:
        # prompt, one older step in common, what the four rows have just written
        columns = (2 + 1 + 4) + (3 + 1 + 4)
        seen = 8 * 5 + 4 * (2 + 2) + 4 * (3 + 2)
        read = 50 + 2 * 2 * columns * 4 + 2 * 2 * 5 * 4
        assert self.counter.step([2, 3], 4, 2, 1) == Work(
            read, 2 * 8 * 50 + 4 * 2 * seen, Product(8, 2, 3)
        )

    def test_decoding_takes_its_first_token_from_the_prefill(self) -> None:
        assert self.counter.decoding([2], 1, 3) == [
            self.counter.prefill([2], 1),
            self.counter.step([2], 1, 1, 1),
            self.counter.step([2], 1, 2, 1),
        ]

    def test_seconds(self) -> None:
        works = [Work(300, 40, Product(2, 3, 4)), Work(200, 60, Product(3, 3, 4))]
        least = floor_of(works, "float32", FixedSpeeds())
        assert (least.read_bytes, least.operations) == (500, 100)
        assert (least.reading_s, least.computing_s) == (5.0, 40 / 20 + 60 / 30)
        assert least.seconds == 9.0
        assert floor_of(works, "int8", FixedSpeeds()).computing_s == pytest.approx(0.04)

    def test_product(self) -> None:
        assert Product(2, 3, 4).operations == 48


@pytest.fixture(scope="module")
def network(tiny_folder: Path) -> BlipForConditionalGeneration:
    return BlipForConditionalGeneration.from_pretrained(tiny_folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def counter(network: BlipForConditionalGeneration) -> Counter:
    return Counter(Shape.of(network.config), 4, 4)


class TestFloorAgainstTheNetwork:
    """The counts are those of the real thing."""

    def test_weights(self, network: BlipForConditionalGeneration, counter: Counter) -> None:
        shape = counter.shape
        text = [
            p.numel()
            for name, p in network.text_decoder.named_parameters()
            if p.ndim == 2 and "position" not in name
        ]
        assert (
            sum(text)
            == shape.layers * shape.layer_weights + shape.head_weights + shape.image_key_weights
        )
        vision = [p.numel() for p in network.vision_model.parameters() if p.ndim in (2, 4)]
        assert sum(vision) == shape.image_layers * shape.image_layer_weights + shape.patch_weights

    def test_encoder_operations(
        self, network: BlipForConditionalGeneration, counter: Counter
    ) -> None:
        with torch.no_grad(), FlopCounterMode(display=False) as counted:
            network.vision_model(torch.zeros(2, 3, 32, 32))
        assert counted.get_total_flops() == counter.encoding(2).operations

    def test_step_operations(self, tiny_folder: Path, counter: Counter) -> None:
        """What one more token costs."""
        theirs = Theirs(tiny_folder, "cpu", "float32")
        image_embeds = theirs.encode(noise(1, 32))

        def total(tokens: int) -> int:
            with FlopCounterMode(display=False) as counted:
                theirs.continue_prompts(
                    image_embeds, ["a red ball"], fixed(DecodingOptions(), tokens), batched=False
                )
            return int(counted.get_total_flops())

        assert total(6) - total(5) == counter.step([4], 1, 5, 1).operations
