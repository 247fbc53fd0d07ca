"""Captions as trees: tokens, phrases, and what captions need on top of the parser."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caption.language.parse import Tree, is_word, parse
from caption.language.parse import parser as parse_module
from caption.language.text import word_set
from tests.support.paths import ROOT


def tree(text: str) -> Tree:
    return parse([text])[0]


# ---------------------------------------------------------------------------------------------- trees


def test_a_tree_has_the_tokens_of_the_given_text() -> None:
    parsed = tree("Smiling  woman in front of a lake .")
    assert [token.text for token in parsed.tokens] == (
        ["Smiling", "woman", "in", "front", "of", "a", "lake", "."]
    )
    assert parsed.text == "Smiling  woman in front of a lake ."
    assert [token.space for token in parsed.tokens[-2:]] == [" ", ""]
    assert parsed.root.text == "woman"
    assert [token.index for token in parsed.tokens] == list(range(8))


def test_children_and_subtrees() -> None:
    parsed = tree("a man in a hat is riding a horse")
    riding = parsed.root
    assert riding.text == "riding"
    assert [child.text for child in parsed.children(riding.index)] == [
        "man",
        "is",
        "horse",
    ]
    assert parsed.subtree(riding.index) == tuple(range(9))
    assert parsed.phrase(parsed.subtree(1)) == "a man in a hat"


def test_a_phrase_is_spaced_as_given_and_by_one_space_across_gaps() -> None:
    parsed = tree("A man's hat, a coat  and a half-open door .")
    every = range(len(parsed.tokens))
    assert parsed.phrase(every) == "A man's hat, a coat and a half-open door."
    words = [token.text for token in parsed.tokens]
    left_out = {words.index("hat"), words.index("coat")}
    assert parsed.phrase(set(every) - left_out) == "A man's, a and a half-open door."
    assert parsed.phrase([]) == ""


def test_a_text_without_words_has_no_root() -> None:
    for text in ("", "  \n"):
        assert tree(text).tokens == ()
        with pytest.raises(ValueError, match="no root"):
            _ = tree(text).root


def test_several_sentences_are_one_tree() -> None:
    parsed = tree("A dog runs. Two cats sleep.")
    assert parsed.root.text == "runs"
    sleep = parsed.tokens[parsed.clauses[1]]
    assert (sleep.text, sleep.relation, sleep.head) == ("sleep", "parataxis", parsed.root.index)
    assert parsed.subtree(parsed.root.index) == tuple(range(len(parsed.tokens)))


def test_texts_come_in_their_order_and_once_parsed_are_kept() -> None:
    texts = ["a red kite", "two dogs", "a red kite"]
    first = parse(texts)
    assert [parsed.text for parsed in first] == texts
    assert first[0] is first[2] is parse(["a red kite"])[0]


def test_alone_and_in_a_batch_a_text_is_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [
        "a man with a backpack standing on a bus",
        "sunset over a mountain range",
        "a girl in pink dances with her hands up",
        "a red ball and the ball is on the left",
        "man picking tea leaves. It is raining",
    ]
    together = parse(texts)
    monkeypatch.setattr(parse_module, "_parser", parse_module._Parser())
    assert [tree(text) for text in texts] == together


def is_whole(parsed: Tree) -> Iterator[bool]:
    count = len(parsed.tokens)
    yield [token.index for token in parsed.tokens] == list(range(count))
    yield "".join(token.text for token in parsed.tokens) == "".join(parsed.text.split())
    roots = [token for token in parsed.tokens if token.head == token.index]
    yield len(roots) == min(count, 1)
    yield not roots or parsed.subtree(roots[0].index) == tuple(range(count))
    of_clauses = [index for root in parsed.clauses for index in parsed.clause(root)]
    yield of_clauses == list(range(count))


WORDS = st.sampled_from(
    sorted(
        word_set(
            "a the two man dogs in with and , . 's on holding standing wearing hat snow runs is there photo of red down are; ! it"
        )
    )
)


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.text(max_size=40), st.lists(WORDS, max_size=14).map(" ".join)))
def test_every_string_has_a_tree(text: str) -> None:
    parsed = tree(text)
    assert parsed.phrase(range(len(parsed.tokens))) is not None
    assert all(is_whole(parsed))


@pytest.mark.parametrize(
    "text", ["\ud800 a dog", "a \x00 dog", "🐶 runs", "一只狗", "." * 50, "a\u3000dog"]
)
def test_strange_strings_have_trees(text: str) -> None:
    assert tree(text).tokens


# ---------------------------------------------------------------------------------------------- loading


def test_spacy_is_imported_at_first_use() -> None:
    code = (
        "import json, sys\nimport caption\nfrom caption.language.parse import parse\n"
        "before = 'spacy' in sys.modules\nparse(['a dog'])\n"
        "print(json.dumps([before, 'spacy' in sys.modules]))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [False, True]


@pytest.mark.parametrize(
    ("text", "lemma"),
    [
        ("a man riding a wave", "ride"),
        ("a man rides a wave", "ride"),
        ("the sun shines", "shine"),
        ("a girl is staring at a cat", "stare"),
        ("a dog biting a ball", "bite"),
        ("a cat is sitting on a mat", "sit"),
        ("a boy goes to school", "go"),
        ("a girl is visiting a zoo", "visit"),
        ("a man is opening a door", "open"),
    ],
)
def test_lemmas_of_verbs(text: str, lemma: str) -> None:
    assert lemma in [token.lemma for token in tree(text).tokens if token.tag[:2] == "VB"]


def test_a_failure_in_the_background_is_logged_and_comes_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr(parse_module, "_parser", parse_module._Parser())
    monkeypatch.setattr(parse_module, "bundled_folder", tmp_path.joinpath)
    parse_module.load_in_background().join(60)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    with pytest.raises(OSError, match="parser-en"):
        parse(["a dog"])


def test_loaded_in_the_background_it_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = parse_module._Parser()
    monkeypatch.setattr(parse_module, "_parser", parser)
    parse_module.load_in_background().join(60)
    assert parser._pipeline is not None


def test_the_parsers_data_are_those_that_its_readme_lists() -> None:
    folder = ROOT / "models" / "parser-en"
    readme = (folder / "README.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| (\S+) \| ([0-9a-f]{64}) \|$", readme, re.MULTILINE))
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "README.md"]
    assert listed == {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("a smal dog runs on a sidwalk", ["smal", "sidwalk"]),
        ("the mice were quickly eating frozen broccoli", []),
        ("a man in a Frizzebe shirt at 10 o'clock", []),  # a name
        ("a tv on top of it", []),
    ],
)
def test_what_is_no_word(text: str, unknown: list[str]) -> None:
    assert [token.text for token in tree(text).tokens if not is_word(token)] == unknown


def test_it_multiplies_by_numpys_library() -> None:
    layers = parse_module._parser.pipeline().get_pipe("tok2vec").model.walk()
    assert {layer.ops.use_blis for layer in layers} == {False}
