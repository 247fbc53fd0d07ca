"""What a model folder must hold, and which model is picked."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from caption.errors import ModelError
from caption.hub.checkpoint import check_folder
from caption.hub.find import FoundModel, find_model, matcher_for, models_root, staging_folder
from caption.hub.specs import MATCHER, MATCHERS, MODELS, REQUIRED_FILES, model_spec
from tests.support.hub import (
    CONFIG,
    PREPROCESSOR,
    VOCAB,
    matcher_files,
    model_files,
    safetensors,
    sha256,
    write_folder,
)


@pytest.fixture(autouse=True)
def _own_vocab(monkeypatch: pytest.MonkeyPatch) -> None:
    # The tiny folders' vocabulary isn't the published one.
    for table in (MODELS, MATCHERS):
        for name, spec in table.items():
            if spec.sha256:
                monkeypatch.setitem(
                    table, name, replace(spec, sha256={"vocab.txt": sha256(VOCAB.encode())})
                )


def _folder(tmp_path: Path, **changed: bytes | None) -> Path:
    """The good folder with files replaced (`config_json=…`) or left out (None)."""
    files = model_files()
    for key, data in changed.items():
        name = (
            key.replace("_json", ".json")
            .replace("_txt", ".txt")
            .replace("_safetensors", ".safetensors")
        )
        if data is None:
            del files[name]
        else:
            files[name] = data
    return write_folder(tmp_path / "folder", files)


def _config(change: Callable[[dict[str, Any]], object]) -> bytes:
    config = copy.deepcopy(CONFIG)
    change(config)
    return json.dumps(config).encode()


def _preprocessor(**changed: object) -> bytes:
    return json.dumps({**PREPROCESSOR, **changed}).encode()


def _header(entries: object, body: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(entries).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


def _refusal(folder: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        check_folder(folder)
    return caught.value


def test_a_whole_folder_passes(tmp_path: Path) -> None:
    check_folder(_folder(tmp_path))
    check_folder(_folder(tmp_path), {"vocab.txt": sha256(VOCAB.encode())})


def test_optional_files_may_be_absent(tmp_path: Path) -> None:
    check_folder(_folder(tmp_path, special_tokens_map_json=None))


def test_fields_left_at_their_defaults_count_as_such(tmp_path: Path) -> None:
    # transformers writes only what differs: 384 pixels, 16 a patch, 30524 tokens
    config = {"model_type": "blip", "text_config": {"num_attention_heads": 12}, "vision_config": {}}
    folder = _folder(
        tmp_path, config_json=json.dumps(config).encode(), preprocessor_config_json=b"{}"
    )
    check_folder(folder)


@pytest.mark.parametrize("make", ["nothing", "empty", "hidden"])
def test_nothing_there_is_missing(tmp_path: Path, make: str) -> None:
    folder = tmp_path / "folder"
    if make != "nothing":
        folder.mkdir()
    if make == "hidden":
        (folder / ".DS_Store").write_bytes(b"x")
    assert _refusal(folder).code == "model_missing"


@pytest.mark.parametrize("name", REQUIRED_FILES)
@pytest.mark.parametrize("data", [None, b""])
def test_every_required_file_is_asked_for(tmp_path: Path, name: str, data: bytes | None) -> None:
    folder = _folder(tmp_path)
    (folder / name).unlink()
    if data is not None:
        (folder / name).write_bytes(data)
    error = _refusal(folder)
    assert error.code == "model_damaged"
    assert name in str(error)


def test_pickled_weights_alone_are_refused_with_the_reason(tmp_path: Path) -> None:
    folder = _folder(tmp_path, model_safetensors=None)
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04")
    error = _refusal(folder)
    assert error.code == "model_damaged"
    assert "pytorch_model.bin" in str(error)
    assert "safetensors" in str(error)


def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder").write_bytes(b"x")
    assert _refusal(tmp_path / "folder").code == "model_damaged"


CONFIG_FAULTS: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda c: c.update(model_type="bert"), "model_type"),
    (lambda c: c.pop("model_type"), "model_type"),
    (lambda c: c.update(architectures=["BlipForQuestionAnswering"]), "BlipForQuestionAnswering"),
    (lambda c: c.pop("text_config"), "text_config"),
    (lambda c: c.update(vision_config=[]), "vision_config"),
    (lambda c: c["text_config"].update(hidden_size=0), "hidden_size"),
    (lambda c: c["text_config"].update(hidden_size=-8), "hidden_size"),
    (lambda c: c["text_config"].update(hidden_size="8"), "hidden_size"),
    (lambda c: c["text_config"].update(num_hidden_layers=True), "num_hidden_layers"),
    (lambda c: c["text_config"].update(num_hidden_layers=10**9), "num_hidden_layers"),
    (lambda c: c["text_config"].update(num_attention_heads=3), "attention heads"),
    (lambda c: c["vision_config"].update(num_attention_heads=3), "attention heads"),
    (lambda c: c["vision_config"].update(image_size=33), "patch_size"),
    (lambda c: c["vision_config"].update(image_size=32.0), "image_size"),
    (lambda c: c["text_config"].update(bos_token_id=16), "bos_token_id"),
    (lambda c: c["text_config"].update(bos_token_id=None), "bos_token_id"),
    (lambda c: c["text_config"].update(sep_token_id=-1), "sep_token_id"),
    # the default, 102, is beyond 16 tokens
    (lambda c: c["text_config"].pop("sep_token_id"), "sep_token_id"),
    (lambda c: c["text_config"].update(pad_token_id=99), "pad_token_id"),
    (lambda c: c["text_config"].update(eos_token_id=16), "eos_token_id"),
]


@pytest.mark.parametrize(("change", "word"), CONFIG_FAULTS)
def test_settings_must_be_sane(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], word: str
) -> None:
    error = _refusal(_folder(tmp_path, config_json=_config(change)))
    assert error.code == "model_damaged"
    assert "config.json" in str(error)
    assert word in str(error)


@pytest.mark.parametrize(
    "name",
    ["config.json", "preprocessor_config.json", "tokenizer_config.json", "special_tokens_map.json"],
)
@pytest.mark.parametrize("data", [b"{", b"[]", b"\xff\xfe{}", b"[" * 100_000, b"null"])
def test_settings_must_be_json_objects(tmp_path: Path, name: str, data: bytes) -> None:
    folder = _folder(tmp_path)
    (folder / name).write_bytes(data)
    error = _refusal(folder)
    assert error.code == "model_damaged"
    assert str(error).startswith(name)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (_preprocessor(size={"height": 32, "width": 48}), "size"),
        (_preprocessor(size=48), "size"),
        (_preprocessor(size={"shortest_edge": 32}), "size"),
        (_preprocessor(image_mean=[0.5, 0.5]), "image_mean"),
        (_preprocessor(image_mean=[0.5, 0.5, float("nan")]), "image_mean"),
        (_preprocessor(image_std=[0.5, 0.5, "0.5"]), "image_std"),
        (_preprocessor(image_std=[0.5, 0.5, 0]), "image_std"),
    ],
)
def test_the_preprocessor_must_fit(tmp_path: Path, data: bytes, word: str) -> None:
    error = _refusal(_folder(tmp_path, preprocessor_config_json=data))
    assert "preprocessor_config.json" in str(error)
    assert word in str(error)


def test_an_old_preprocessor_names_one_side(tmp_path: Path) -> None:
    check_folder(_folder(tmp_path, preprocessor_config_json=_preprocessor(size=32)))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (VOCAB.encode() + b"x\n" * 9, "17 lines"),
        (VOCAB.replace("[SEP]\n", "").encode(), "[SEP]"),
        (b"\xff\xfe" + VOCAB.encode(), "UTF-8"),
    ],
)
def test_the_vocabulary_must_fit(tmp_path: Path, text: bytes, word: str) -> None:
    error = _refusal(_folder(tmp_path, vocab_txt=text))
    assert "vocab.txt" in str(error)
    assert word in str(error)


def test_the_vocabulary_may_fill_the_table_and_hold_odd_separators(tmp_path: Path) -> None:
    # 8 + 8 tokens; U+2028 is a token of real vocabularies, not a line end
    check_folder(_folder(tmp_path, vocab_txt=(VOCAB + "\u2028\n" + "x\n" * 7).encode()))
    check_folder(_folder(tmp_path, vocab_txt=VOCAB.replace("\n", "\r\n").encode()))


def test_a_changed_file_shows_in_its_hash(tmp_path: Path) -> None:
    folder = _folder(tmp_path, vocab_txt=VOCAB.replace("dog", "cat").encode())
    check_folder(folder)
    with pytest.raises(ModelError, match=r"vocab\.txt.*SHA-256"):
        check_folder(folder, {"vocab.txt": sha256(VOCAB.encode())})


def _tensor(
    dtype: object = "F32", shape: object = (2,), offsets: object = (0, 8)
) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


WEIGHT_FAULTS = [
    (b"\0\0\0", "cut off"),
    (b"\0" * 64, "cut off"),
    (_header({"w": _tensor()}, bytes(8), length=1 << 60), "cut off"),
    (model_files()["model.safetensors"][:-1], "cut off"),
    (model_files()["model.safetensors"] + b"x", "too long"),
    (b"\x80\x04PK pickled weights, renamed", "cut off"),
    ((20).to_bytes(8, "little") + b"<html>sign in</html>", "JSON"),
    (_header({}), "no weights"),
    (_header({"__metadata__": {}}), "no weights"),
    (_header({"w": "F32"}), "no tensor"),
    (_header({"w": _tensor(dtype="I64", shape=[1])}, bytes(8)), "no weights"),
    (_header({"w": _tensor(dtype="F64", shape=[1])}, bytes(8)), "float32"),
    (_header({"w": _tensor(dtype="I8", shape=[8])}, bytes(8)), "float32"),
    (_header({"w": _tensor(dtype=["F32"])}, bytes(8)), "float32"),
    (_header({"w": _tensor(shape=[3])}, bytes(8)), "shape"),
    (_header({"w": _tensor(shape=[-2])}, bytes(8)), "shape"),
    (_header({"w": _tensor(shape="2")}, bytes(8)), "shape"),
    (_header({"w": _tensor(offsets=[0])}, bytes(8)), "offsets"),
    (_header({"w": _tensor(offsets=[-8, 0])}, bytes(8)), "offsets"),
    (_header({"w": _tensor(offsets=[4, 12])}, bytes(12)), "gaps"),
    (_header({"w": _tensor(), "v": _tensor(offsets=[12, 20])}, bytes(20)), "gaps"),
    (_header({"w": _tensor(), "v": _tensor(offsets=[4, 12])}, bytes(12)), "overlap"),
]


@pytest.mark.parametrize(("data", "word"), WEIGHT_FAULTS)
def test_the_weights_header_must_be_whole(tmp_path: Path, data: bytes, word: str) -> None:
    error = _refusal(_folder(tmp_path, model_safetensors=data))
    assert error.code == "model_damaged"
    assert "model.safetensors" in str(error)
    assert word in str(error)


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
def test_the_three_float_formats_pass(tmp_path: Path, dtype: str) -> None:
    data = safetensors(
        {"w": (dtype, [2, 0], b""), "scalar": (dtype, [], bytes(4 if dtype == "F32" else 2))}
    )
    check_folder(_folder(tmp_path, model_safetensors=data))


@given(st.data())
@example(data=None)
def test_damage_anywhere_never_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    """Any file, cut or overwritten at any place: accepted, or a ModelError; nothing else."""
    files = model_files()
    if data is not None:
        name = data.draw(st.sampled_from(sorted(files)))
        at = data.draw(st.integers(0, len(files[name]) - 1))
        files[name] = files[name][:at] + data.draw(st.binary(max_size=12)) + files[name][at + 4 :]
    folder = write_folder(tmp_path_factory.mktemp("damage"), files)
    outcome = "whole"
    try:
        check_folder(folder)
    except ModelError as error:
        outcome = error.code
    assert outcome in (("whole", "model_damaged") if data is not None else ("whole",))


# ---------------------------------------------------------------------------------------------- finding


def _install(root: Path, name: str, **changed: bytes) -> Path:
    return write_folder(root / MODELS[name].folder, {**model_files(), **changed})


def test_the_table_is_in_the_order_of_preference() -> None:
    assert list(MODELS) == ["large", "base", "demo"]
    assert len({spec.folder for spec in MODELS.values()}) == len(MODELS)
    for name, spec in MODELS.items():
        assert spec.name == name
        assert all(len(value) == 64 and int(value, 16) for value in spec.sha256.values())
    assert not MODELS["demo"].repos
    assert [repo.source for repo in MODELS["large"].repos] == [
        "modelscope",
        "modelscope",
        "huggingface",
    ]


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
    found = find_model("auto", tmp_path)
    assert found.name == expected
    assert found.folder == tmp_path / MODELS[expected].folder
    assert found.damaged == ()


def test_auto_names_the_damaged_and_goes_on(tmp_path: Path) -> None:
    _install(tmp_path, "large", **{"vocab.txt": b""})
    _install(tmp_path, "base", **{"vocab.txt": VOCAB.replace("dog", "cat").encode()})
    _install(tmp_path, "demo")
    found = find_model("auto", tmp_path)
    assert found.name == "demo"
    assert [model.name for model in found.damaged] == ["large", "base"]
    assert all("vocab.txt" in model.message for model in found.damaged)


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
    found = find_model(str(folder), tmp_path / "models")
    assert (found.name, found.folder) == ("mine", folder)
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


def test_the_root_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BLIP_MODELS", raising=False)
    assert models_root() == Path(__file__).resolve().parents[2] / "models"
    monkeypatch.setenv("BLIP_MODELS", str(tmp_path))
    assert models_root() == tmp_path
    _install(tmp_path, "demo")
    assert find_model().folder == tmp_path / MODELS["demo"].folder


# ---------------------------------------------------------------------------------------------- matchers


def _install_matcher(root: Path, name: str, **changed: bytes) -> Path:
    return write_folder(root / MATCHERS[name].folder, {**matcher_files(), **changed})


def test_the_matchers_stand_apart() -> None:
    assert list(MATCHERS) == ["itm-large", "itm-base", "demo-itm"]
    assert not set(MATCHERS) & set(MODELS)
    folders = [spec.folder for spec in (*MODELS.values(), *MATCHERS.values())]
    assert len(set(folders)) == len(folders)
    for name, spec in MATCHERS.items():
        assert (spec.name, spec.architecture, model_spec(name)) == (name, MATCHER, spec)
    assert not MATCHERS["demo-itm"].repos
    for name in ("itm-large", "itm-base"):
        assert [repo.source for repo in MATCHERS[name].repos] == [
            "modelscope",
            "modelscope",
            "huggingface",
        ]


def test_a_matcher_is_never_taken_for_a_captioner(tmp_path: Path) -> None:
    for name in MATCHERS:
        _install_matcher(tmp_path, name)
        with pytest.raises(ModelError) as caught:
            find_model(name, tmp_path)
        assert caught.value.code == "model_missing"
        with pytest.raises(ModelError, match="BlipForImageTextRetrieval"):
            find_model(str(tmp_path / MATCHERS[name].folder), tmp_path)
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
    found = FoundModel(expected, tmp_path / MATCHERS[expected].folder) if expected else None
    assert matcher_for(find_model(captioner, tmp_path), tmp_path) == (found, ())


def test_a_damaged_matcher_is_told_and_passed_over(tmp_path: Path) -> None:
    captioner = find_model(str(_install(tmp_path, "large")), tmp_path)
    _install_matcher(tmp_path, "itm-large", **{"vocab.txt": VOCAB.replace("dog", "cat").encode()})
    _install_matcher(tmp_path, "itm-base")
    found, damaged = matcher_for(captioner, tmp_path)
    assert found == FoundModel("itm-base", tmp_path / MATCHERS["itm-base"].folder)
    assert [one.name for one in damaged] == ["itm-large"]
    assert "vocab.txt" in damaged[0].message
    # a captioner in a matcher's place
    write_folder(tmp_path / MATCHERS["itm-base"].folder, model_files())
    found, damaged = matcher_for(captioner, tmp_path)
    assert found is None
    assert [one.name for one in damaged] == ["itm-large", "itm-base"]
    assert "BlipForConditionalGeneration" in damaged[1].message


@pytest.mark.parametrize("name", ["mine", "demo"])  # a user's folder may have one of our names
def test_a_users_folder_may_bring_its_own_matcher(tmp_path: Path, name: str) -> None:
    root = tmp_path / "models"
    folder = write_folder(tmp_path / name, model_files())
    captioner = find_model(str(folder), root)
    for installed in MATCHERS:
        _install_matcher(root, installed)
    assert matcher_for(captioner, root) == (
        FoundModel("itm-large", root / MATCHERS["itm-large"].folder),
        (),
    )
    write_folder(folder / "itm", matcher_files())
    assert matcher_for(captioner, root) == (FoundModel("itm", folder / "itm"), ())
    (folder / "itm" / "vocab.txt").unlink()
    found, damaged = matcher_for(captioner, root)
    assert found == FoundModel("itm-large", root / MATCHERS["itm-large"].folder)
    assert [(one.name, one.message) for one in damaged] == [("itm", "vocab.txt is missing")]


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
        cwd=Path(__file__).resolve().parents[2],
        timeout=60,
    )
