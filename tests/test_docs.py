"""The documents agree with the tree, and the Chinese ones with the English ones."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

DOCUMENTS = sorted(
    path
    for pattern in (
        "*.md",
        "docs/*.md",
        "benchmarks/*.md",
        "models/README.md",
        "models/blip-demo-scenes*/README.md",
        "models/parser-en/README.md",
        "caption/**/*.md",
    )
    for path in ROOT.glob(pattern)
)
SOURCES = sorted(
    path
    for folder in ("caption", "benchmarks", "scripts", "tests")
    for suffix in ("py", "sh", "js", "css")
    for path in (ROOT / folder).rglob(f"*.{suffix}")
)
TWINS = [("README.md", "README.zh-CN.md"), ("docs/usage.md", "docs/usage.zh-CN.md")]

FOLDERS = r"(?:caption|tests|scripts|benchmarks|docs|models)"
LINK = re.compile(r"\]\(([^)\s]+)\)")
QUOTED = re.compile(r"`([^`\n]+)`")
ROOT_FILES = r"(?:blip_gradio\.py|requirements\.txt|pyproject\.toml|docker-compose\.yml)"
REPOSITORY_PATH = re.compile(rf"{FOLDERS}/[\w./-]*|{ROOT_FILES}")
SOURCE_PATH = re.compile(rf"(?<![\w./-]){FOLDERS}/[\w/-]+\.(?:py|md|sh|js|css)\b")
MODULE = re.compile(r"python -m ((?:caption|benchmarks|scripts|tests)(?:\.\w+)*)")
NAME = re.compile(r"caption(?:\.\w+)+")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def exists(path: str) -> bool:
    return (ROOT / path).exists()


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def headings(path: Path) -> list[str]:
    return re.findall(r"^#+ .+$", without_code(path.read_text(encoding="utf-8")), re.MULTILINE)


def anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    title = heading.lstrip("#").strip().lower()
    return re.sub(r"[^\w\- ]", "", title).replace(" ", "-")


def code_blocks(path: Path) -> list[str]:
    """The code of a document that names its language, without comments and spaces."""
    blocks = re.findall(
        r"^```\w+\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return [re.sub(r"\s", "", re.sub(r"#.*$", "", block, flags=re.MULTILINE)) for block in blocks]


def table_figures(path: Path) -> list[list[str]]:
    """The numbers of every table row."""
    text = without_code(path.read_text(encoding="utf-8"))
    return [re.findall(r"\d[\d.,]*", row) for row in re.findall(r"^\|.*\|$", text, re.MULTILINE)]


def quoted(path: Path) -> Iterator[str]:
    for code in QUOTED.findall(without_code(path.read_text(encoding="utf-8"))):
        yield from code.split()


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        file, _, fragment = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        assert linked.exists() or exists(linked.relative_to(ROOT).as_posix()), target
        if fragment and linked.exists():
            assert fragment in map(anchor, headings(linked)), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_paths_are_there(path: Path) -> None:
    for word in filter(REPOSITORY_PATH.fullmatch, quoted(path)):
        assert exists(word), word


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_commands_name_modules(path: Path) -> None:
    for module in MODULE.findall(path.read_text(encoding="utf-8")):
        file = ROOT.joinpath(*module.split("."))
        assert file.with_suffix(".py").is_file() or (file / "__main__.py").is_file(), module


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_names_can_be_imported(path: Path) -> None:
    for name in filter(NAME.fullmatch, quoted(path)):
        assert is_importable(name), name


def is_importable(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[count:]:
            if not hasattr(value, attribute):
                return False
            value = getattr(value, attribute)
        return True
    return False


def test_comments_name_files_that_are_there() -> None:
    stale = {
        (name_of(path), word)
        for path in SOURCES
        for word in SOURCE_PATH.findall(path.read_text(encoding="utf-8"))
        if not exists(word)
    }
    assert not stale


@pytest.mark.parametrize(("english", "chinese"), TWINS)
def test_both_languages_are_in_step(english: str, chinese: str) -> None:
    levels = [
        [heading.split()[0] for heading in headings(ROOT / name)] for name in (english, chinese)
    ]
    assert levels[0] == levels[1]
    assert code_blocks(ROOT / english) == code_blocks(ROOT / chinese)
    assert table_figures(ROOT / english) == table_figures(ROOT / chinese)


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_a_readme_is_short(name: str) -> None:
    assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) < 170
