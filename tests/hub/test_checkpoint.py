"""What a model folder must hold."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from caption.errors import ModelError
from caption.hub.checkpoint import check_folder
from caption.hub.specs import CAPTIONER
from tests.support.hub import (
    CONFIG,
    PREPROCESSOR,
    VOCAB,
    model_files,
    safetensors,
    sha256,
    write_folder,
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
        check_folder(folder, CAPTIONER)
    return caught.value


def test_a_whole_folder_passes(tmp_path: Path) -> None:
    check_folder(_folder(tmp_path), CAPTIONER)
    check_folder(_folder(tmp_path), CAPTIONER, {"vocab.txt": sha256(VOCAB.encode())})


def test_optional_files_may_be_absent(tmp_path: Path) -> None:
    check_folder(_folder(tmp_path, special_tokens_map_json=None), CAPTIONER)


def test_fields_left_at_their_defaults_count_as_such(tmp_path: Path) -> None:
    # transformers writes only what differs: 384 pixels, 16 a patch, 30524 tokens
    config = {"model_type": "blip", "text_config": {"num_attention_heads": 12}, "vision_config": {}}
    folder = _folder(
        tmp_path, config_json=json.dumps(config).encode(), preprocessor_config_json=b"{}"
    )
    check_folder(folder, CAPTIONER)


@pytest.mark.parametrize("make", ["nothing", "empty", "hidden"])
def test_nothing_there_is_missing(tmp_path: Path, make: str) -> None:
    folder = tmp_path / "folder"
    if make != "nothing":
        folder.mkdir()
    if make == "hidden":
        (folder / ".DS_Store").write_bytes(b"x")
    assert _refusal(folder).code == "model_missing"


@pytest.mark.parametrize("name", CAPTIONER.required_files)
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
    check_folder(_folder(tmp_path, preprocessor_config_json=_preprocessor(size=32)), CAPTIONER)


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
    check_folder(_folder(tmp_path, vocab_txt=(VOCAB + "\u2028\n" + "x\n" * 7).encode()), CAPTIONER)
    check_folder(_folder(tmp_path, vocab_txt=VOCAB.replace("\n", "\r\n").encode()), CAPTIONER)


def test_a_changed_file_shows_in_its_hash(tmp_path: Path) -> None:
    folder = _folder(tmp_path, vocab_txt=VOCAB.replace("dog", "cat").encode())
    check_folder(folder, CAPTIONER)
    with pytest.raises(ModelError, match=r"vocab\.txt.*SHA-256"):
        check_folder(folder, CAPTIONER, {"vocab.txt": sha256(VOCAB.encode())})


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
    check_folder(_folder(tmp_path, model_safetensors=data), CAPTIONER)


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
        check_folder(folder, CAPTIONER)
    except ModelError as error:
        outcome = error.code
    assert outcome in (("whole", "model_damaged") if data is not None else ("whole",))
