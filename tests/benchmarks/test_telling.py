"""telling: every figure on captions where it is plain to see, the files, and the command line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import parsed, telling
from benchmarks.telling import Captions, Told, returned
from caption.types import Sentence

TOLD = Told(("a dog",), ("A dog.",), 0.001, is_fixed=True, is_stable=True)


def told(*sentences: str) -> Told:
    return dataclasses.replace(TOLD, sentences=sentences)


def figure(rows: Sequence[Sequence[str]], what: str) -> str:
    return {row[0]: row[1] for row in rows}[what]


def write(path: Path, *records: object) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


# -------------------------------------------------------------------------- the code that is measured


def test_what_captions_state_is_told_once() -> None:
    sentences = telling.paragraph_of(["a dog on a sofa", "a dog on a sofa"])
    assert telling.texts(sentences) == ("A dog on a sofa.",)
    assert telling.paragraph_of([]) == ()


# ------------------------------------------------------------------------------------ single captions


@pytest.mark.parametrize(
    ("caption", "text", "kind"),
    [
        ("A dog on a sofa", "A dog on a sofa.", "word for word"),
        ("a dog on a sofa.", "A dog on a sofa.", "word for word"),
        ("a dog sitting on a sofa", "A dog is sitting on a sofa.", "itself"),
        (
            "dogs parked and a cat made of clay",
            "Dogs are parked and a cat is made of clay.",
            "itself",
        ),
        ("a dog quietly sleeping", "A dog is quietly sleeping.", "itself"),
        ("large dog on sofa", "A large dog on a sofa.", "itself"),
        ("a elephant in a zoo", "An elephant in a zoo.", "itself"),
        ("a dog on a sofa", "There is a dog on a sofa.", "itself"),
        ("there is a dog", "There is there is a dog.", "changed"),
        ("a dog on a sofa", "A dog is on a sofa.", "changed"),
        ("a dog on a sofa", "A dog on the sofa.", "changed"),
        ("a dog and a cat", "A dog. There is a cat.", "changed"),
        ("a dog, a cat", "A dog. A cat.", "changed"),
        ("a large dog", "A dog.", "changed"),
        ("a dog", "A large dog.", "changed"),
        ("a dog", "", "nothing"),
    ],
)
def test_returned(caption: str, text: str, kind: telling.Return) -> None:
    assert returned(caption, text) == kind


def test_single_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        "a dog": "A dog.",
        "a cat sitting": "A cat is sitting.",
        "a cow": "A bull.",
        "a pig": None,
    }

    def paragraph_of(captions: Sequence[str]) -> tuple[Sentence, ...]:
        (text,) = (texts[caption] for caption in captions)
        return () if text is None else (Sentence(text, "", 1),)

    monkeypatch.setattr(telling, "paragraph_of", paragraph_of)
    rows = telling.single_rows(list(texts))
    assert figure(rows, "single captions") == "4"
    assert figure(rows, "… that return as themselves") == "50.0% (2)"
    assert figure(rows, "… of these word for word") == "25.0% (1)"
    assert figure(rows, "… changed") == "25.0% (1)"
    assert figure(rows, "… as nothing") == "25.0% (1)"


# ----------------------------------------------------------------------------------------- paragraphs


@pytest.mark.parametrize(
    ("sentences", "repeats"),
    [
        (["A large dog on a sofa.", "The dog is on the sofa."], 1),
        (["A large dog on a sofa.", "The large dog is sleeping near a cat."], 0),  # two of four
        (["A large dog.", "The large dog is sleeping."], 1),  # two of three
        (["A dog.", "It is there."], 0),  # no content at all
        (["A dog.", "The dog.", "The dogs."], 2),
        ([], 0),
    ],
)
def test_mostly_said_before(sentences: list[str], repeats: int) -> None:
    assert telling.mostly_said_before(sentences) == repeats


def test_doubled_words() -> None:
    sentences = ["A dog is is on a sofa.", "A cat cat.", "A dog, a dog.", "A catcat cat."]
    assert telling.doubled_words(sentences) == 2


def test_there_is() -> None:
    sentences = ["There is a dog.", "There are dogs.", "A dog is there.", "There isn't one."]
    assert telling.there_is(sentences) == 2


def test_paragraph_rows() -> None:
    rows = telling.paragraph_rows(
        [
            told("A large dog.", "There is a dog.", "There is a cat cat."),
            dataclasses.replace(TOLD, seconds=0.003, is_fixed=False),
            dataclasses.replace(TOLD, seconds=0.009, is_stable=False),
        ]
    )
    assert figure(rows, "paragraphs") == "3"
    assert figure(rows, "sentences a paragraph") == "1.67"
    assert figure(rows, "words a paragraph") == "5.3"
    assert figure(rows, "sentences mostly said before") == "20.0% (1)"
    assert figure(rows, "sentences with a doubled word") == "20.0% (1)"
    assert figure(rows, 'paragraphs with two or more "There is"') == "33.3% (1)"
    assert figure(rows, "… not a fixed point") == "33.3% (1)"
    assert figure(rows, "… not stable under the captions' order") == "33.3% (1)"
    assert figure(rows, "milliseconds a paragraph, median") == "3.0"


def test_a_text_that_isnt_fixed_and_one_that_follows_the_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    captions = ("a dog", "a cat", "a cow")
    assert telling.tell(captions).is_fixed
    assert telling.tell(captions).is_stable
    monkeypatch.setattr(
        telling, "paragraph_of", lambda captions: (Sentence(f"{captions[0]}.", "", 1),)
    )
    monkeypatch.setattr(telling, "told_again", lambda sentences: sentences * 2)
    assert not telling.tell(captions).is_fixed
    assert not telling.tell(captions).is_stable
    assert telling.tell(captions[:1]).is_stable


def test_fault_rows() -> None:
    pytest.importorskip(parsed.MODEL)
    parser = parsed.load_parser()
    assert parser is not None
    captions = ("a man at a desk with a red lamp", "a person and a red lamp")
    faulty = dataclasses.replace(
        told("A man at a desk.", "There is person at the desk."), captions=captions
    )
    clashing = dataclasses.replace(
        told("A man at a desk with a red lamp.", "The lamp is blue.", "There is a person."),
        captions=captions,
    )
    rows = telling.fault_rows([telling.faults_of(parser, each) for each in (faulty, clashing)])
    assert figure(rows, "paragraphs ungrammatical by the parser's rules") == "50.0% (1)"
    assert figure(rows, "… one thing told as several (at least)") == "50.0% (1)"
    assert figure(rows, "… contradictions kept (at least)") == "50.0% (1)"
    assert figure(rows, "… that lack what two captions agree on") == "50.0% (1)"
    assert figure(rows, "words that it lacks, a paragraph") == "1.00"  # "lamp", "red"


# --------------------------------------------------------------------------------- files and command


def test_files_hold_groups_or_captions(tmp_path: Path) -> None:
    path = write(
        tmp_path / "captions.jsonl",
        {"captions": ["A dog .", "a cat"], "picture": 1},
        {"caption": "a photography of a cow", "model": "any"},
        {"captions": [""]},
    )
    assert telling.read_captions(path) == Captions((("A dog.", "A cat"),), ("A cow",))


@pytest.mark.parametrize(
    "record", [{}, [], {"captions": "a dog"}, {"captions": [1]}, {"caption": 1}]
)
def test_a_line_without_captions_is_named(tmp_path: Path, record: object) -> None:
    path = write(tmp_path / "captions.jsonl", {"caption": "a dog"}, record)
    with pytest.raises(ValueError, match="line 2"):
        telling.read_captions(path)


def test_evenly() -> None:
    assert telling.evenly(4, 8) == [0, 2, 4, 6]
    assert telling.evenly(3, 8) == [0, 2, 5]
    assert telling.evenly(9, 2) == [0, 1]
    assert telling.evenly(9, 0) == []


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    records = ({"captions": [f"a dog on a {place}", "a dog"]} for place in ("sofa", "bed", "mat"))
    return write(tmp_path / "groups.jsonl", *records)


def test_the_table(groups: Path, capsys: pytest.CaptureFixture[str]) -> None:
    telling.main([str(groups)])
    text = capsys.readouterr().out
    assert "paragraphs " in text
    assert "single captions " in text  # those of the groups
    telling.main([str(groups), "--markdown", "--start", "1"])
    text = capsys.readouterr().out
    assert "| paragraphs | 2 |" in text
    assert "| single captions | 4 |" in text


def test_single_captions_of_another_file(
    groups: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    singles = write(tmp_path / "singles.jsonl", {"caption": "a cat"})
    telling.main([str(groups), "--singles", str(singles), "--markdown"])
    assert "| single captions | 1 |" in capsys.readouterr().out
    telling.main([str(singles), "--markdown"])
    assert "| paragraphs" not in capsys.readouterr().out


def test_rows_that_need_a_parser_are_left_out_without_it(
    groups: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsed, "load_parser", lambda: None)
    telling.main([str(groups), "--markdown"])
    text = capsys.readouterr().out
    assert "| paragraphs | 3 |" in text
    assert not any(f"| {row} |" in text for row in telling.FAULTS.values())
    assert f"left out, for {parsed.MODEL} isn't installed" in text


def test_groups_to_read(groups: Path, capsys: pytest.CaptureFixture[str]) -> None:
    telling.main([str(groups), "--read", "2", "--start", "1"])
    first, second = capsys.readouterr().out.split("\n\n")
    assert first.splitlines() == ["[1]", "  · A dog on a bed", "  · A dog", "A dog is on a bed."]
    assert second.startswith("[2]\n")


@pytest.mark.parametrize("content", ["", "{}\n"])
def test_a_file_without_captions_ends_the_program(tmp_path: Path, content: str) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit) as end:
        telling.main([str(path)])
    assert end.value.code == 2
