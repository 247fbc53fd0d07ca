"""Who may import whom: one list of layers, and where torch, gradio and the users' language may
appear.
"""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import caption
from tests.support.paths import ROOT

PACKAGE = ROOT / "caption"

# A file imports its own package and lower layers; packages on one line don't know each other.
LAYERS: list[set[str]] = [
    {"types", "errors", "paths"},
    {"options", "flow"},
    {"prompts"},
    {"image", "language", "locale"},
    {"hub"},
    {"model"},
    {"decoding"},
    {"evidence"},
    {"strategies"},
    {"describe"},
    {"loading"},
    {"jobs"},
    {"server"},
    {"arguments"},
    {"web", "cli"},
    # public names, and names kept for older callers
    {"__init__", "__main__", "alttext", "batch", "download"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

HEAVY = {"torch", "transformers"}  # spaCy imports torch too
OPENS_HEAVY = {"model", "decoding"}  # when they are imported
OPENS_HEAVY_INSIDE_A_FUNCTION = {"loading"}
MAY_IMPORT_LOCALE = {"server", "arguments", "web", "cli"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported(path: Path, *, module_level: bool = False) -> set[str]:
    """Dotted names that a file imports; with `module_level` only what importing it opens: nothing
    inside functions or for type checkers.
    """
    names: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(
                filter(None, (path.parent.name if node.level else "", node.module or ""))
            )
            names.update(f"{base}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            is_typing = (
                isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING"
            )
            if not (module_level and (is_function or is_typing)):
                visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return names


def top_levels(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def packages_among(names: set[str]) -> set[str]:
    """The packages and files directly below caption among dotted names."""
    return {name.split(".")[1] for name in names if name.startswith("caption.")} & LEVEL.keys()


def package_of(path: Path) -> str:
    """The package, or the file directly below caption, that a file belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").as_posix()


def test_the_layers_name_what_there_is() -> None:
    assert sum(map(len, LAYERS)) == len(LEVEL)
    assert set(map(package_of, modules())) == set(LEVEL)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_files_import_lower_layers(path: Path) -> None:
    own = package_of(path)
    above = {
        other
        for other in packages_among(imported(path))
        if other != own and LEVEL[other] >= LEVEL[own]
    }
    assert not above


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_what_is_private_stays_in_its_file(path: Path) -> None:
    private = {name for name in imported(path) if name.startswith("caption.") and "._" in name}
    assert not {name for name in private if not name.rpartition(".")[2].startswith("__")}


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_only_model_and_decoding_open_torch(path: Path) -> None:
    if package_of(path) not in OPENS_HEAVY:
        assert HEAVY.isdisjoint(top_levels(imported(path, module_level=True)))
        assert packages_among(imported(path, module_level=True)).isdisjoint(OPENS_HEAVY)
    if package_of(path) not in OPENS_HEAVY | OPENS_HEAVY_INSIDE_A_FUNCTION:
        assert HEAVY.isdisjoint(top_levels(imported(path)))


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_only_the_page_knows_gradio(path: Path) -> None:
    if package_of(path) != "web":
        assert {"gradio", "gradio_client", "blip_gradio"}.isdisjoint(top_levels(imported(path)))


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_only_the_parser_knows_spacy_and_at_first_use(path: Path) -> None:
    names = imported(path, module_level=name_of(path) == "language/parse/parser")
    assert "spacy" not in top_levels(names)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_only_the_doors_know_the_users_language(path: Path) -> None:
    if package_of(path) not in MAY_IMPORT_LOCALE | {"locale"}:
        assert "locale" not in packages_among(imported(path))


def test_the_reader_of_imports_sees_every_form(tmp_path: Path) -> None:
    path = tmp_path / "caption" / "reader.py"
    path.parent.mkdir()
    path.write_text(
        "import caption.language.text\nfrom caption import types\nfrom caption.image import crop\n"
        "if True:\n    import torch.nn as nn\ndef f():\n    from transformers import pipeline\n"
        "if TYPE_CHECKING:\n    import gradio\n"
    )
    assert packages_among(imported(path)) == {"language", "types", "image"}
    assert top_levels(imported(path)) == {"caption", "torch", "transformers", "gradio"}
    assert top_levels(imported(path, module_level=True)) == {"caption", "torch"}


@pytest.mark.parametrize(
    "statement",
    [
        "import blip_gradio",
        "from caption import DescribeOptions, clean_caption",
        "from caption import DecodingOptions, caption_stats, CaptionError, Description, load_image",
        "import caption; dir(caption)",
    ],
)
def test_torch_stays_out(statement: str) -> None:
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert HEAVY.isdisjoint(json.loads(done.stdout.splitlines()[-1]))


def test_public_names() -> None:
    assert set(caption.__all__) <= set(dir(caption))
    for name in caption.__all__:
        assert getattr(caption, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        caption.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (
            "caption.batch",
            {"BatchOptions", "BatchProgress", "BatchReport", "find_pictures", "run_batch"},
        ),
        ("caption.alttext", {"AltEntry", "AltOptions", "AltReport", "fill_alt_texts", "shortened"}),
        (
            "caption.download",
            {"DownloadPlan", "download_model", "is_whole", "main", "plan", "probe_hub"},
        ),
        (
            "caption.download",
            {"EXIT_OK", "EXIT_USAGE", "EXIT_NETWORK", "EXIT_DISK_FULL", "EXIT_CORRUPT"},
        ),
    ],
)
def test_older_places_hand_names_on(module: str, names: set[str]) -> None:
    older = importlib.import_module(module)
    assert names <= set(older.__all__)
    assert all(hasattr(older, name) for name in older.__all__)


def test_every_error_is_public() -> None:
    from caption import errors

    family = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.CaptionError)
    }
    assert family <= set(caption.__all__)
