"""Which model is meant, and where models lie."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import platformdirs
import pytest

from caption.errors import ModelError
from caption.hub import find
from caption.hub.find import (
    FoundModel,
    find_model,
    folder_state,
    matcher_for,
    model_folder,
    models_root,
    staging_folder,
)
from caption.hub.specs import MATCHER, MODELS
from tests.support.hub import VOCAB, matcher_files, model_files, sha256, write_folder
from tests.support.paths import ROOT

MATCHERS = [spec.name for spec in MODELS.values() if spec.kind is MATCHER]


@pytest.fixture(autouse=True)
def _own_vocab(monkeypatch: pytest.MonkeyPatch) -> None:
    # The tiny folders' vocabulary isn't the published one.
    vocab = {"vocab.txt": sha256(VOCAB.encode())}
    for name, spec in MODELS.items():
        if spec.sha256:
            monkeypatch.setitem(MODELS, name, replace(spec, sha256=vocab))


def _install(root: Path, name: str, **changed: bytes) -> Path:
    return write_folder(root / MODELS[name].folder, {**model_files(), **changed})


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        (("large", "base", "demo"), "large"),
        (("base", "demo"), "base"),
        (("demo",), "demo"),
        (("demo", "large"), "large"),
    ],
)
def test_auto_takes_the_best_there_is(
    tmp_path: Path, installed: tuple[str, ...], expected: str
) -> None:
    for name in installed:
        _install(tmp_path, name)
    model = find_model("auto", tmp_path)
    assert model.name == expected
    assert model.folder == tmp_path / MODELS[expected].folder
    assert model.damaged == ()


def test_auto_names_the_damaged_and_goes_on(tmp_path: Path) -> None:
    _install(tmp_path, "large", **{"vocab.txt": b""})
    _install(tmp_path, "base", **{"vocab.txt": VOCAB.replace("dog", "cat").encode()})
    _install(tmp_path, "demo")
    model = find_model("auto", tmp_path)
    assert model.name == "demo"
    assert [damaged.name for damaged in model.damaged] == ["large", "base"]
    assert all("vocab.txt" in damaged.message for damaged in model.damaged)


def test_auto_without_any_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        find_model("auto", tmp_path)
    assert caught.value.code == "model_missing"
    _install(tmp_path, "demo", **{"config.json": b"{"})
    with pytest.raises(ModelError, match=r"demo: config\.json") as caught:
        find_model("auto", tmp_path)
    assert caught.value.code == "model_damaged"


def test_a_name_given_explicitly_must_be_there_and_whole(tmp_path: Path) -> None:
    _install(tmp_path, "demo")
    with pytest.raises(ModelError) as caught:
        find_model("large", tmp_path)
    assert caught.value.code == "model_missing"
    _install(tmp_path, "large", **{"config.json": b"{"})
    with pytest.raises(ModelError) as caught:
        find_model("large", tmp_path)
    assert caught.value.code == "model_damaged"
    assert find_model("demo", tmp_path).name == "demo"


def test_a_folder_may_lie_anywhere(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine", model_files())
    model = find_model(str(folder), tmp_path / "models")
    assert (model.name, model.folder) == ("mine", folder)
    (folder / "vocab.txt").unlink()
    with pytest.raises(ModelError, match=r"vocab\.txt") as caught:
        find_model(str(folder))
    assert caught.value.code == "model_damaged"


def test_a_known_folder_keeps_its_name_and_its_checks(tmp_path: Path) -> None:
    folder = _install(tmp_path, "large")
    assert find_model(str(folder), tmp_path).name == "large"
    (folder / "vocab.txt").write_text(VOCAB.replace("dog", "cat"))
    with pytest.raises(ModelError, match="SHA-256"):
        find_model(str(folder), tmp_path)


@pytest.mark.parametrize("name", ["huge", "", "Large", "no/such/folder"])
def test_an_unknown_name_lists_the_valid_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="large, base, demo") as caught:
        find_model(name, tmp_path)
    assert caught.value.code == "model_missing"


def test_a_download_in_progress_is_never_picked_up(tmp_path: Path) -> None:
    staging = staging_folder(tmp_path / MODELS["large"].folder)
    write_folder(staging, model_files())
    assert staging.name.startswith(".")
    for wanted in ("auto", "large", str(staging)):
        with pytest.raises(ModelError) as caught:
            find_model(wanted, tmp_path)
        assert caught.value.code == "model_missing"


# ---------------------------------------------------------------------------------------------- places


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The bundled models inside an installed package; returns their folder."""
    folder = tmp_path / "site-packages" / "caption" / "_models"
    write_folder(folder / MODELS["demo"].folder, model_files())
    write_folder(folder / MODELS["demo-itm"].folder, matcher_files())
    monkeypatch.setattr(find, "PACKED_MODELS", folder)
    return folder


def test_the_root_is_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BLIP_MODELS", str(tmp_path))
    assert models_root() == tmp_path
    _install(tmp_path, "demo")
    assert find_model().folder == tmp_path / MODELS["demo"].folder


def test_in_a_clone_the_root_lies_beside_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLIP_MODELS", raising=False)
    assert models_root() == ROOT / "models"
    assert model_folder(MODELS["demo"]) == ROOT / "models" / MODELS["demo"].folder


@pytest.mark.usefixtures("packed")
def test_installed_the_root_lies_among_the_users_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("BLIP_MODELS", raising=False)
    monkeypatch.setattr(
        platformdirs, "user_data_path", lambda name, appauthor: tmp_path / "data" / name
    )
    assert models_root() == tmp_path / "data" / "blip-caption" / "models"
    monkeypatch.setenv("BLIP_MODELS", str(tmp_path / "mine"))
    assert models_root() == tmp_path / "mine"


def test_packed_models_are_seen_from_any_root(packed: Path, tmp_path: Path) -> None:
    root = tmp_path / "not made yet"
    demo = find_model("demo", root)
    assert demo == FoundModel("demo", packed / MODELS["demo"].folder)
    assert find_model("auto", root) == demo
    assert find_model(str(demo.folder), root) == demo
    assert matcher_for(demo, root) == (
        FoundModel("demo-itm", packed / MODELS["demo-itm"].folder),
        (),
    )
    assert model_folder(MODELS["large"], root) == root / MODELS["large"].folder


def test_what_lies_in_the_root_goes_before_what_is_packed(
    packed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BLIP_MODELS", str(tmp_path / "mine"))
    assert folder_state(MODELS["demo"]) == "present"
    own = _install(tmp_path / "mine", "demo")
    _install(tmp_path / "mine", "large")
    assert find_model("demo").folder == own
    assert find_model("auto").name == "large"
    (own / "vocab.txt").write_bytes(b"")
    assert folder_state(MODELS["demo"]) == "damaged"


# ---------------------------------------------------------------------------------------------- matchers


def _install_matcher(root: Path, name: str, **changed: bytes) -> Path:
    return write_folder(root / MODELS[name].folder, {**matcher_files(), **changed})


def test_a_matcher_is_never_taken_for_a_captioner(tmp_path: Path) -> None:
    for name in MATCHERS:
        _install_matcher(tmp_path, name)
        with pytest.raises(ModelError) as caught:
            find_model(name, tmp_path)
        assert caught.value.code == "model_missing"
        with pytest.raises(ModelError, match="BlipForImageTextRetrieval"):
            find_model(str(tmp_path / MODELS[name].folder), tmp_path)
    with pytest.raises(ModelError) as caught:
        find_model("auto", tmp_path)
    assert caught.value.code == "model_missing"


@pytest.mark.parametrize(
    ("captioner", "installed", "expected"),
    [
        ("demo", (), None),
        ("demo", ("itm-large", "itm-base"), None),
        ("demo", ("itm-large", "demo-itm"), "demo-itm"),
        ("large", (), None),
        ("large", ("demo-itm",), None),
        ("large", ("itm-base", "demo-itm"), "itm-base"),
        ("large", ("itm-base", "itm-large"), "itm-large"),
        ("base", ("itm-base", "itm-large"), "itm-large"),
        ("base", ("itm-base",), "itm-base"),
    ],
)
def test_which_matcher_goes_with_a_captioner(
    tmp_path: Path, captioner: str, installed: tuple[str, ...], expected: str | None
) -> None:
    _install(tmp_path, captioner)
    for name in installed:
        _install_matcher(tmp_path, name)
    matcher = FoundModel(expected, tmp_path / MODELS[expected].folder) if expected else None
    assert matcher_for(find_model(captioner, tmp_path), tmp_path) == (matcher, ())


def test_a_damaged_matcher_is_told_and_passed_over(tmp_path: Path) -> None:
    captioner = find_model(str(_install(tmp_path, "large")), tmp_path)
    _install_matcher(tmp_path, "itm-large", **{"vocab.txt": VOCAB.replace("dog", "cat").encode()})
    _install_matcher(tmp_path, "itm-base")
    matcher, damaged = matcher_for(captioner, tmp_path)
    assert matcher == FoundModel("itm-base", tmp_path / MODELS["itm-base"].folder)
    assert [model.name for model in damaged] == ["itm-large"]
    assert "vocab.txt" in damaged[0].message
    # a captioner in a matcher's place
    write_folder(tmp_path / MODELS["itm-base"].folder, model_files())
    matcher, damaged = matcher_for(captioner, tmp_path)
    assert matcher is None
    assert [model.name for model in damaged] == ["itm-large", "itm-base"]
    assert "BlipForConditionalGeneration" in damaged[1].message


@pytest.mark.parametrize("name", ["mine", "demo"])  # a user's folder may have one of our names
def test_a_users_folder_may_bring_its_own_matcher(tmp_path: Path, name: str) -> None:
    root = tmp_path / "models"
    folder = write_folder(tmp_path / name, model_files())
    captioner = find_model(str(folder), root)
    for installed in MATCHERS:
        _install_matcher(root, installed)
    assert matcher_for(captioner, root) == (
        FoundModel("itm-large", root / MODELS["itm-large"].folder),
        (),
    )
    write_folder(folder / "itm", matcher_files())
    assert matcher_for(captioner, root) == (FoundModel("itm", folder / "itm"), ())
    (folder / "itm" / "vocab.txt").unlink()
    matcher, damaged = matcher_for(captioner, root)
    assert matcher == FoundModel("itm-large", root / MODELS["itm-large"].folder)
    assert [(model.name, model.message) for model in damaged] == [("itm", "vocab.txt is missing")]


def test_matchers_are_looked_for_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BLIP_MODELS", str(tmp_path))
    _install(tmp_path, "demo")
    folder = _install_matcher(tmp_path, "demo-itm")
    assert matcher_for(find_model("demo")) == (FoundModel("demo-itm", folder), ())


def test_registry_and_downloader_load_nothing_heavy() -> None:
    code = (
        "import sys, caption.hub.checkpoint, caption.hub.download;"
        "heavy = {'torch', 'transformers', 'modelscope', 'huggingface_hub', 'requests', 'httpx', 'gradio', 'numpy'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=ROOT,
        timeout=60,
    )
