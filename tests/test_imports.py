"""The rooms and their doors: which file may import what. A new file must be entered here."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import caption

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "caption"

# What each room may import from caption.
ALLOWED: dict[str, set[str]] = {
    "types": set(),
    "errors": set(),
    "background": set(),
    "options": {"errors"},
    "prompts": {"options"},
    "text": {"types"},
    "cleanup": {"text", "prompts"},
    "claims": {"text"},
    "wording": {"claims", "text"},
    "compose": {"claims", "wording", "text", "types"},
    "messages": {"errors"},
    "image": {"errors"},
    "readable": set(),
    "registry": {"errors"},
    "hub": {"registry", "errors"},
    "download": {"hub", "registry", "errors", "messages"},
    "startup": {"admission", "download", "registry", "messages", "errors"},
    "page": {"messages", "registry", "types"},
    "network": {"errors"},
    "model": {"network", "registry", "image", "options", "types", "errors"},
    "filters": {"options"},
    "decoding": {"model", "network", "filters", "options", "types", "errors"},
    "calibration": {"errors"},
    "verify": {"calibration", "claims", "model", "prompts", "text", "types", "wording"},
    "draft": {"decoding", "errors", "model", "options", "prompts", "types"},
    "admission": {"errors"},
    "guard": {"errors", "messages"},
}
ALLOWED["forced"] = {
    "cleanup",
    "compose",
    "decoding",
    "draft",
    "model",
    "options",
    "prompts",
    "text",
    "types",
}
ALLOWED["grounded"] = (ALLOWED["forced"] - {"model"}) | {"claims", "image", "readable", "verify", "wording"}
ALLOWED["describe"] = set(ALLOWED) - {"hub", "download", "startup", "page", "messages", "admission", "guard"}
ALLOWED["metadata"] = {"errors"}
ALLOWED["writers"] = {"errors"}
ALLOWED["batch"] = {"describe", "errors", "image", "metadata", "options", "types", "writers"}
ALLOWED["alttext"] = {"errors", "image", "options", "text", "types"}
ALLOWED["fetch"] = {"errors"}
ALLOWED["metrics"] = {"admission", "errors"}
ALLOWED["service"] = {"admission", "describe", "errors", "metrics", "options", "types"}
ALLOWED["api_schema"] = {"errors", "fetch", "options", "types"}
ALLOWED["api"] = {"api_schema", "errors", "guard", "image", "messages", "options", "registry", "service", "types"}
ALLOWED["batch_ray"] = {"batch", "describe", "errors", "registry", "writers"}
ALLOWED["commands/common"] = {"describe", "errors", "options", "page", "registry", "startup"}
ALLOWED["commands/describe"] = {"commands", "describe", "errors", "image", "messages", "options", "page", "types"}
ALLOWED["commands/batch"] = {"batch", "batch_ray", "commands", "errors", "messages", "registry", "startup", "writers"}
ALLOWED["commands/alt_text"] = {"alttext", "commands", "describe", "errors", "fetch", "messages", "options", "page"}
ALLOWED["commands/alt_text"] |= {"startup", "types", "writers"}
ALLOWED["commands/models"] = {
    "calibration",
    "commands",
    "describe",
    "download",
    "errors",
    "hub",
    "messages",
    "model",
    "registry",
}
ALLOWED["commands/info"] = {"commands", "page"}
ALLOWED["commands/__init__"] = set()
ALLOWED["cli"] = {"commands", "errors", "messages", "startup"}
ALLOWED["__main__"] = {"cli"}
# The public names, for type checkers only.
ALLOWED["__init__"] = {"cleanup", "describe", "errors", "image", "options", "text", "types"}

HEAVY = {"torch", "transformers"}
OPENS_HEAVY = {"network", "filters", "model", "decoding"}  # at module level
OPENS_HEAVY_INSIDE_A_FUNCTION = {"describe"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported(path: Path, *, module_level: bool = False) -> set[str]:
    """Dotted names that a file imports; with `module_level` only what importing it opens: nothing inside functions or for type checkers."""
    names: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(filter(None, (path.parent.name if node.level else "", node.module or "")))
            names.update(f"{base}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            is_typing = isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING"
            if not (module_level and (is_function or is_typing)):
                visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return names


def top_levels(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def rooms(names: set[str]) -> set[str]:
    """The files of caption among dotted names."""
    return {name.split(".")[1] for name in names if name.startswith("caption.")}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").as_posix()


def test_every_room_is_in_the_table() -> None:
    assert set(map(room, modules())) <= set(ALLOWED)


@pytest.mark.parametrize("path", modules(), ids=room)
def test_rooms_import_what_the_table_allows(path: Path) -> None:
    assert rooms(imported(path)) <= ALLOWED[room(path)]


@pytest.mark.parametrize("path", modules(), ids=room)
def test_only_model_and_decoding_open_torch(path: Path) -> None:
    if room(path) not in OPENS_HEAVY:
        assert HEAVY.isdisjoint(top_levels(imported(path, module_level=True)))
        assert rooms(imported(path, module_level=True)).isdisjoint(OPENS_HEAVY)
    if room(path) not in OPENS_HEAVY | OPENS_HEAVY_INSIDE_A_FUNCTION:
        assert HEAVY.isdisjoint(top_levels(imported(path)))


@pytest.mark.parametrize("path", modules(), ids=room)
def test_no_room_knows_gradio(path: Path) -> None:
    assert {"gradio", "gradio_client", "blip_gradio"}.isdisjoint(top_levels(imported(path)))


def test_the_app_loads_nothing_heavy_itself() -> None:
    names = imported(ROOT / "blip_gradio.py", module_level=True)
    assert HEAVY.isdisjoint(top_levels(names))
    assert rooms(names).isdisjoint(OPENS_HEAVY)


def test_the_reader_of_imports_sees_every_form(tmp_path: Path) -> None:
    path = tmp_path / "caption" / "room.py"
    path.parent.mkdir()
    path.write_text(
        "import caption.text\nfrom caption import types\nfrom . import errors\nfrom .options import DescribeOptions\n"
        "if True:\n    import torch.nn as nn\ndef f():\n    from transformers import pipeline\n"
        "if TYPE_CHECKING:\n    import gradio\n"
    )
    assert rooms(imported(path)) == {"text", "types", "errors", "options"}
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
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert HEAVY.isdisjoint(json.loads(done.stdout.splitlines()[-1]))


def test_public_names() -> None:
    assert set(caption.__all__) <= set(dir(caption))
    for name in caption.__all__:
        assert getattr(caption, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        caption.nothing  # noqa: B018


def test_every_error_is_public() -> None:
    from caption import errors

    family = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.CaptionError)
    }
    assert family <= set(caption.__all__)
