"""Paragraphs made of captions whose statements are all supported: what telling does to true text.

    python -m benchmarks.telling groups.jsonl --singles captions.jsonl --markdown
    python -m benchmarks.telling groups.jsonl --read 20 --start 7

A line of a file is a group of captions of one picture, `{"captions": [...]}`, or one caption as a
model wrote it, `{"caption": "..."}`; other keys are ignored. No model looks at a picture. Rows that
need a parser are left out where it isn't installed (`benchmarks.parsed`).
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmarks import parsed
from benchmarks.console import positive, say
from benchmarks.quality import Rows, natural, percent, table
from caption.language.cleanup import clean_caption
from caption.language.parse import parse
from caption.language.statements import statements
from caption.language.text import content_words, is_verb_form, word_set
from caption.strategies.threshold import supported_text
from caption.types import Candidate, Origin, Sentence

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

SUPPORT = 0.9  # of every statement
MIN_SUPPORT = 0.5
SAID_BEFORE = 0.6  # this share of a sentence's content words
PROMPTS = ("a photo of", "a photography of")  # that captions of a model's may begin with

# ------------------------------------------------------------------------- the code that is measured


def paragraph_of(captions: Sequence[str]) -> tuple[Sentence, ...]:
    """The text that clean captions of one picture make where all they state is supported."""
    origins: dict[str, list[Origin]] = {}
    for number, tree in enumerate(parse(captions)):
        for statement in statements(tree):
            origins.setdefault(statement.text, []).append(Origin(number, statement.tokens))
    return supported_text(
        [
            Sentence(text, "", 1, None, SUPPORT, origins=tuple(said_by))
            for text, said_by in origins.items()
        ],
        MIN_SUPPORT,
        calibrated=True,
        candidates=[
            Candidate(caption, "", "prompts", 1, kept=True, reason="supported")
            for caption in captions
        ],
    )


def told_again(sentences: Sequence[Sentence]) -> tuple[Sentence, ...]:
    """The text made of a text, which should be the same."""
    return paragraph_of((" ".join(sentence.text for sentence in sentences),))


# --------------------------------------------------------------------------------- captions in files


@dataclass(frozen=True)
class Captions:
    """Clean captions: of one picture each, or alone."""

    groups: tuple[tuple[str, ...], ...] = ()
    singles: tuple[str, ...] = ()


def cleaned(caption: str) -> str:
    """A caption that a model wrote behind a prompt, which goes first."""
    prompt = next((prompt for prompt in PROMPTS if caption.startswith(prompt)), None)
    return clean_caption(caption, prompt)


def read_captions(path: Path) -> Captions:
    """ValueError, with the line, where a line is neither a group nor a caption."""
    groups: list[tuple[str, ...]] = []
    singles = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match _record(line):
            case {"captions": [*captions]} if all(isinstance(text, str) for text in captions):
                groups.append(tuple(filter(None, map(clean_caption, captions))))
            case {"caption": str(caption)}:
                singles.append(cleaned(caption))
            case _:
                raise ValueError(f"{path}, line {number}: no captions")
    return Captions(tuple(filter(None, groups)), tuple(filter(None, singles)))


def _record(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def evenly(count: int, total: int) -> list[int]:
    """`count` indices below `total`, or all of them where there are fewer."""
    count = min(count, total)
    return [number * total // count for number in range(count)]


# ----------------------------------------------------------------------------------- single captions

Return = Literal["word for word", "itself", "changed", "nothing"]

_TOKEN = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")
_PARTICIPLES = word_set(
    "made seen shown held worn taken cut lit built torn broken written drawn eaten driven blown thrown "
    "grown bitten frozen woven hung laid set spread split left done"
)


def returned(caption: str, text: str) -> Return:
    """How a single caption comes back: word for word but for capitals and the full stop; as itself,
    with an article, "is" before its participle or "There is" at the beginning supplied; otherwise.
    """
    if not text:
        return "nothing"
    if text.rstrip(".").lower() == caption.rstrip(".").lower():
        return "word for word"
    return "itself" if _is_completed(_tokens(caption), _tokens(text)) else "changed"


def _tokens(text: str) -> list[str]:
    """Words and marks in small letters, without the full stop; "an" is "a"."""
    tokens = _TOKEN.findall(text.lower().rstrip("."))
    return ["a" if token == "an" else token for token in tokens]


def _is_completed(caption: list[str], text: list[str]) -> bool:
    """Whether all that the text adds to a caption are the words it may lack."""
    if text[:1] == ["there"] and text[1:2] in (["is"], ["are"]) and caption[:1] != ["there"]:
        text = text[2:]
    position = 0
    for number, token in enumerate(text):
        if position < len(caption) and token == caption[position]:
            position += 1
        elif not _may_be_added(token, text[number + 1 : number + 3]):
            return False
    return position == len(caption)


def _may_be_added(token: str, following: Sequence[str]) -> bool:
    if token in ("is", "are"):
        behind = [word for word in following if not word.endswith("ly")]
        return bool(behind) and (is_verb_form(behind[0]) or behind[0] in _PARTICIPLES)
    return token == "a"


# ---------------------------------------------------------------------------------------- paragraphs


@dataclass(frozen=True)
class Told:
    """A group's paragraph. `is_fixed`: told again it is the same; `is_stable`: so it is of the
    captions in other orders.
    """

    captions: tuple[str, ...]
    sentences: tuple[str, ...]
    seconds: float
    is_fixed: bool
    is_stable: bool

    @property
    def text(self) -> str:
        return " ".join(self.sentences)


def texts(sentences: Iterable[Sentence]) -> tuple[str, ...]:
    return tuple(sentence.text for sentence in sentences)


def tell(captions: tuple[str, ...]) -> Told:
    began = time.perf_counter()
    sentences = paragraph_of(captions)
    seconds = time.perf_counter() - began
    lines = texts(sentences)
    shuffled = random.Random(0).sample(captions, len(captions))
    return Told(
        captions,
        lines,
        seconds,
        is_fixed=texts(told_again(sentences)) == lines,
        is_stable=all(
            texts(paragraph_of(order)) == lines for order in (captions[::-1], tuple(shuffled))
        ),
    )


def mostly_said_before(sentences: Iterable[str]) -> int:
    """How many sentences have most of their content words from those before them."""
    repeats = 0
    seen: set[str] = set()
    for sentence in sentences:
        names = set(content_words(sentence))
        repeats += bool(names) and len(names & seen) / len(names) >= SAID_BEFORE
        seen |= names
    return repeats


def doubled_words(sentences: Iterable[str]) -> int:
    """How many sentences have a word twice in a row."""
    return sum(bool(re.search(r"\b(\w+) \1\b", sentence)) for sentence in sentences)


def there_is(sentences: Iterable[str]) -> int:
    return sum(bool(re.match(r"There (?:is|are)\b", sentence)) for sentence in sentences)


@dataclass(frozen=True)
class Faults:
    """What a parser finds wrong in a paragraph."""

    ungrammatical: tuple[str, ...]
    told_as_several: tuple[str, ...]
    contradictions: tuple[str, ...]
    missing: tuple[str, ...]


def faults_of(parser: Language, told: Told) -> Faults:
    *captions, text = parser.pipe([*told.captions, told.text])
    sentences = list(parser.pipe(told.sentences))
    things = [mention for sentence in sentences for mention in parsed.mentions(sentence)]
    captioned = list(map(parsed.mentions, captions))
    return Faults(
        _broken(sentences),
        parsed.told_as_several(things, captioned),
        parsed.contradictions(things, captioned),
        parsed.agreed_but_missing(text, captions),
    )


def _broken(sentences: Iterable[Doc]) -> tuple[str, ...]:
    rules = map(parsed.ungrammatical, sentences)
    return tuple(rule for rule in rules if rule is not None)


# --------------------------------------------------------------------------------------- the figures


def of_all(count: int, total: int) -> str:
    return f"{percent(count / total)} ({count})" if total else "none"


def single_rows(singles: Sequence[str]) -> Rows:
    """How captions come back that are alone."""
    kinds = [returned(caption, " ".join(texts(paragraph_of((caption,))))) for caption in singles]
    verbatim, completed = kinds.count("word for word"), kinds.count("itself")
    return [
        ("single captions", str(len(singles))),
        ("… that return as themselves", of_all(verbatim + completed, len(singles))),
        ("… of these word for word", of_all(verbatim, len(singles))),
        ("… changed", of_all(kinds.count("changed"), len(singles))),
        ("… as nothing", of_all(kinds.count("nothing"), len(singles))),
    ]


def paragraph_rows(paragraphs: Sequence[Told]) -> Rows:
    """Figures that need no parser."""
    total = len(paragraphs)
    sentences = sum(len(told.sentences) for told in paragraphs)
    words = sum(len(told.text.split()) for told in paragraphs)
    milliseconds = 1000 * statistics.median(told.seconds for told in paragraphs)

    def summed(count: Callable[[Iterable[str]], int]) -> int:
        return sum(count(told.sentences) for told in paragraphs)

    return [
        ("paragraphs", str(total)),
        ("sentences a paragraph", f"{sentences / total:.2f}"),
        ("words a paragraph", f"{words / total:.1f}"),
        ("sentences mostly said before", of_all(summed(mostly_said_before), sentences)),
        ("sentences with a doubled word", of_all(summed(doubled_words), sentences)),
        (
            'paragraphs with two or more "There is"',
            of_all(sum(there_is(told.sentences) >= 2 for told in paragraphs), total),
        ),
        ("… not a fixed point", of_all(sum(not told.is_fixed for told in paragraphs), total)),
        (
            "… not stable under the captions' order",
            of_all(sum(not told.is_stable for told in paragraphs), total),
        ),
        ("milliseconds a paragraph, median", f"{milliseconds:.1f}"),
    ]


FAULTS = {
    "ungrammatical": "paragraphs ungrammatical by the parser's rules",
    "told_as_several": "… one thing told as several (at least)",
    "contradictions": "… contradictions kept (at least)",
    "missing": "… that lack what two captions agree on",
}


def fault_rows(faults: Sequence[Faults]) -> Rows:
    """Figures that need the parser: paragraphs with each kind of fault."""
    rows = [
        (words, of_all(sum(bool(getattr(each, kind)) for each in faults), len(faults)))
        for kind, words in FAULTS.items()
    ]
    words_missing = sum(len(each.missing) for each in faults) / len(faults)
    return [*rows, ("words that it lacks, a paragraph", f"{words_missing:.2f}")]


def figures(captions: Captions) -> tuple[Rows, list[str]]:
    """The table, its heading first, and notes on what it lacks."""
    rows: list[Sequence[str]] = [("what", "figure")]
    notes = []
    # before the single captions, which would leave what they have in common in caches
    if captions.groups:
        say(f"{len(captions.groups)} groups of captions")
        paragraphs = list(map(tell, captions.groups))
        rows += paragraph_rows(paragraphs)
        parser = parsed.load_parser()
        if parser is None:
            notes.append(
                f"left out, for {parsed.MODEL} isn't installed: {', '.join(FAULTS.values())}"
            )
        else:
            say("parsing")
            rows += fault_rows([faults_of(parser, told) for told in paragraphs])
    if captions.singles:
        say(f"{len(captions.singles)} single captions")
        rows += single_rows(captions.singles)
    return rows, notes


def readings(captions: Captions, count: int, start: int = 0) -> Iterator[str]:
    """Groups (single captions where there are none), evenly spaced, each with its paragraph.
    `start`: the number of the first.
    """
    groups = captions.groups or tuple((caption,) for caption in captions.singles)
    for number in evenly(count, len(groups)):
        text = " ".join(texts(paragraph_of(groups[number]))) or "(nothing)"
        bullets = (f"  · {caption}" for caption in groups[number])
        yield "\n".join([f"[{start + number}]", *bullets, text])


# ------------------------------------------------------------------------------------ command line


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.telling",
        description="What becomes of captions that are all supported.",
    )
    parser.add_argument("file", type=Path, help="JSON lines: a group or a caption each")
    parser.add_argument(
        "--singles",
        type=Path,
        metavar="FILE",
        help="single captions; default: FILE's, or all those of its groups",
    )
    parser.add_argument(
        "--start", type=natural, default=0, metavar="K", help="pass over the first K of FILE"
    )
    parser.add_argument(
        "--read", type=positive, metavar="N", help="print N groups and their paragraphs instead"
    )
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    return parser


def chosen(args: argparse.Namespace) -> Captions:
    captions = read_captions(args.file)
    groups = captions.groups[args.start :]
    singles = captions.singles[args.start :]
    if args.singles is not None:
        others = read_captions(args.singles)
        singles = others.singles or sum(others.groups, ())
    return Captions(groups, singles or sum(groups, ()))


def main(argv: Sequence[str] | None = None) -> None:
    parser = build_parser()
    args = parser.parse_args(argv)
    try:
        captions = chosen(args)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if not (captions.groups or captions.singles):
        parser.error(f"{args.file}: no captions")
    if args.read:
        print("\n\n".join(readings(captions, args.read, args.start)))
        return
    rows, notes = figures(captions)
    print(table(rows, args.markdown))
    for note in notes:
        print(f"\n{note}")


if __name__ == "__main__":
    main()
