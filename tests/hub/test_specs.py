"""The table of models."""

from __future__ import annotations

import pytest

from caption.errors import ModelError
from caption.hub.specs import (
    CAPTIONER,
    DEMO,
    MATCHER,
    MODELS,
    RECOMMENDED,
    captioners,
    model_spec,
    suits_photographs,
)


def test_captioners_stand_in_the_order_of_preference() -> None:
    assert [spec.name for spec in captioners()] == ["large", "base", "demo"]
    assert list(MODELS) == ["large", "base", "demo", "itm-large", "itm-base", "demo-itm"]


def test_names_folders_and_hashes_are_well_formed() -> None:
    assert len({spec.folder for spec in MODELS.values()}) == len(MODELS)
    for name, spec in MODELS.items():
        assert spec.name == name
        assert model_spec(name) is spec
        assert all(len(value) == 64 and int(value, 16) for value in spec.sha256.values())


def test_every_published_model_has_the_same_three_addresses() -> None:
    for name in ("large", "base", "itm-large", "itm-base"):
        assert [repo.source for repo in MODELS[name].repos] == [
            "modelscope",
            "modelscope",
            "huggingface",
        ]
    assert not MODELS["demo"].repos
    assert not MODELS["demo-itm"].repos


def test_every_model_is_of_its_kind() -> None:
    kinds = {name: spec.kind for name, spec in MODELS.items()}
    assert kinds == {
        "large": CAPTIONER,
        "base": CAPTIONER,
        "demo": CAPTIONER,
        "itm-large": MATCHER,
        "itm-base": MATCHER,
        "demo-itm": MATCHER,
    }


def test_a_captioner_needs_matchers_that_suit_the_same_pictures() -> None:
    for spec in MODELS.values():
        needed = [MODELS[name] for name in spec.needs]
        assert bool(needed) is (spec.kind is CAPTIONER)
        assert {(other.kind, other.suits) for other in needed} <= {(MATCHER, spec.suits)}


def test_which_models_suit_photographs() -> None:
    assert {name for name in MODELS if not suits_photographs(name)} == {"demo", "demo-itm"}
    assert suits_photographs("a users folder")
    assert (DEMO, RECOMMENDED) == ("demo", "large")


def test_an_unknown_name_lists_the_valid_ones() -> None:
    with pytest.raises(
        ModelError, match="large, base, demo, itm-large, itm-base, demo-itm"
    ) as caught:
        model_spec("huge")
    assert caught.value.code == "model_missing"
