"""Every sentence that people read stands in `caption/locale`, under a key that is used, with the
values that its callers give.
"""

from __future__ import annotations

import ast
import importlib
import io
import pkgutil
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

import pytest

import caption.locale
from caption.errors import HTTP_STATUS
from caption.jobs.find import FAULTS
from caption.locale import has_text, text
from caption.locale.zh import TEXTS
from tests.support.paths import ROOT

PACKAGE = ROOT / "caption"
SOURCES = [
    path
    for path in (*sorted(PACKAGE.rglob("*.py")), ROOT / "blip_gradio.py")
    if PACKAGE / "locale" not in path.parents
]

IDEOGRAPH = re.compile(r"[\u4e00-\u9fff]")
CODES = {*HTTP_STATUS, *FAULTS}  # what `f"{place}.{code}"` may end with


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# ------------------------------------------------------------------------------------------------
# Where sentences stand


def ideographs(source: str) -> int:
    """How many stand in a program, comments aside."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return sum(
        len(IDEOGRAPH.findall(token.string)) for token in tokens if token.type != tokenize.COMMENT
    )


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_sentence_stands_in_the_code(path: Path) -> None:
    assert ideographs(path.read_text(encoding="utf-8")) == 0


def test_ideographs_are_counted_in_every_kind_of_literal() -> None:
    assert ideographs('"图" + f"片{1}" + """张\n"""  # 不算\n"\\u4e00"\n') == 3


# ------------------------------------------------------------------------------------------------
# Keys: what the code asks for, and what there is

EVERY_FILE = [*SOURCES, *(PACKAGE / "locale" / name for name in ("messages.py", "phrases.py"))]
TREES = {name_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in EVERY_FILE}
NODES = [node for tree in TREES.values() for node in ast.walk(tree)]
ANYTHING = "[^.]+"


def pattern_of(string: ast.Constant | ast.JoinedStr) -> str:
    """A regular expression for the keys that a literal or an f-string may give."""
    if isinstance(string, ast.Constant):
        return re.escape(str(string.value))
    return "".join(
        re.escape(str(part.value)) if isinstance(part, ast.Constant) else ANYTHING
        for part in string.values
    )


LITERALS = {
    node.value for node in NODES if isinstance(node, ast.Constant) and isinstance(node.value, str)
}
F_STRINGS = {pattern_of(node) for node in NODES if isinstance(node, ast.JoinedStr)}
# f"cli.batch.fault.{code}", and what f"{key}.help" puts behind a literal that is handed to it
MAKE_KEYS = {pattern for pattern in F_STRINGS if re.match(r"\w+\\\.", pattern)}
ENDS = {
    pattern.removeprefix(ANYTHING) for pattern in F_STRINGS if pattern.startswith(ANYTHING + r"\.")
}


def is_used(key: str) -> bool:
    start, _, end = key.rpartition(".")
    if key in LITERALS or any(re.fullmatch(pattern, key) for pattern in MAKE_KEYS):
        return True
    if start not in LITERALS:
        return False
    return end in (CODES | LITERALS) or any(
        re.fullmatch(pattern, f".{end}") for pattern in ENDS if ANYTHING not in pattern
    )


def test_every_key_is_used() -> None:
    assert not [key for key in TEXTS if not is_used(key)]


def test_a_key_that_nobody_uses_is_noticed() -> None:
    assert is_used("cli.stopped")
    assert is_used("cli.describe.fault.no_image")
    assert is_used("cli.describe.epilog")
    for key in ("cli.describe.unheard", "cli.unheard.epilog", "cli.describe.fault.unheard"):
        assert not is_used(key)


@dataclass(frozen=True)
class Call:
    """A call of `text` whose key is a literal or an f-string that begins with one. `values`: the
    names it gives, None where they come from a mapping.
    """

    where: str
    pattern: str
    is_literal: bool
    values: frozenset[str] | None

    def matches(self) -> list[str]:
        return [key for key in TEXTS if re.fullmatch(self.pattern, key)]


def strings_in(key: ast.expr) -> list[ast.Constant | ast.JoinedStr]:
    """What a key is; both sides of a condition; nothing for a name."""
    if isinstance(key, ast.IfExp):
        return strings_in(key.body) + strings_in(key.orelse)
    return [key] if isinstance(key, ast.Constant | ast.JoinedStr) else []


def names_of_text(tree: ast.AST) -> set[str]:
    """What a file calls `caption.locale.text`."""
    aliases = [
        alias
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "caption.locale"
        for alias in node.names
    ]
    return {alias.asname or alias.name for alias in aliases if alias.name == "text"}


def calls_of_text(where: str, tree: ast.AST) -> Iterator[Call]:
    names = names_of_text(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) in names:
            yield from calls_in(node, f"{where}:{node.lineno}")


def calls_in(node: ast.Call, where: str) -> Iterator[Call]:
    """One for each string that the key may be."""
    given = [keyword.arg for keyword in node.keywords]
    values = None if None in given else frozenset(filter(None, given))
    for string in strings_in(node.args[0]):
        pattern = pattern_of(string)
        if not pattern.startswith(ANYTHING):
            yield Call(where, pattern, isinstance(string, ast.Constant), values)


CALLS = [call for name, tree in TREES.items() for call in calls_of_text(name, tree)]


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


def test_the_calls_are_seen() -> None:
    assert len(CALLS) > 100


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.where)
def test_a_key_exists_and_gets_the_values_it_names(call: Call) -> None:
    matches = call.matches()
    assert matches
    for key in matches:
        if call.values is None:
            continue
        named = placeholders(TEXTS[key])
        assert named <= call.values, key
        assert named == call.values or not call.is_literal, key


def test_values_are_put_in_by_name_only() -> None:
    for key, sentence in TEXTS.items():
        assert all(name.isidentifier() for name in placeholders(sentence)), key


def test_text() -> None:
    assert text("start.model", model="x", message="m", error="e") == "模型 'x' 不能使用：m（e）"
    assert has_text("start.model")
    assert not has_text("start.nothing")
    with pytest.raises(KeyError, match="nothing"):
        text("start.nothing")
    with pytest.raises(KeyError, match="message"):
        text("start.model", model="x")


# ------------------------------------------------------------------------------------------------
# Languages


def languages() -> dict[str, Mapping[str, str]]:
    """The table of every file of `caption.locale` that has one."""
    modules = [
        importlib.import_module(f"caption.locale.{module.name}")
        for module in pkgutil.iter_modules(caption.locale.__path__)
    ]
    return {
        module.__name__.rpartition(".")[2]: module.TEXTS
        for module in modules
        if "text" not in vars(module)
    }


def differences(reference: Mapping[str, str], other: Mapping[str, str]) -> Iterable[str]:
    """Keys that only one of two languages has, and those with other placeholders."""
    yield from sorted(reference.keys() ^ other.keys())
    for key in sorted(reference.keys() & other.keys()):
        if placeholders(reference[key]) != placeholders(other[key]):
            yield key


def test_the_languages_say_the_same() -> None:
    assert "zh" in languages()
    for texts in languages().values():
        assert not list(differences(TEXTS, texts))


def test_a_second_language_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made.py").write_text(
        "from caption.locale.zh import TEXTS as zh\nTEXTS = zh | {}\n"
    )
    monkeypatch.setattr(caption.locale, "__path__", [*caption.locale.__path__, str(tmp_path)])
    made = dict(languages()["made"])
    assert not list(differences(TEXTS, made))
    del made["cli.stopped"]
    made["cli.begun"] = "begun"
    made["cli.about"] = "{name}: {sentense}"
    assert list(differences(TEXTS, made)) == ["cli.begun", "cli.stopped", "cli.about"]
