"""What is installable: ranges and pins in step, console scripts, the wheel and what is in it."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
import urllib.request
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import caption
from caption.arguments import program_name
from caption.cli.parser import build_parser as cli_parser
from caption.jobs.ray import RAY_REQUIREMENT
from caption.locale import text
from caption.web.options import build_parser as web_parser
from tests.support.browser import free_port
from tests.support.paths import EXAMPLES, ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]
BUNDLED = ("blip-demo-scenes", "blip-demo-scenes-itm")
PARSER = "parser-en"
MAX_WHEEL_BYTES = 35_000_000


def pins(name: str) -> list[Requirement]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def ranges(lines: list[str]) -> dict[str, Requirement]:
    requirements = [Requirement(line) for line in lines]
    return {str(canonicalize_name(requirement.name)): requirement for requirement in requirements}


RANGES = ranges(PROJECT["dependencies"])
EXTRAS = ranges([line for lines in PROJECT["optional-dependencies"].values() for line in lines])


# ---------------------------------------------------------------------------------------------- requirements


def test_every_dependency_is_pinned_and_every_pin_a_dependency() -> None:
    assert {canonicalize_name(pin.name) for pin in pins("requirements.txt")} == set(RANGES)


@pytest.mark.parametrize("pin", pins("requirements.txt"), ids=str)
def test_a_pin_is_exact_and_within_its_range(pin: Requirement) -> None:
    (exact,) = pin.specifier
    assert exact.operator == "=="
    assert RANGES[canonicalize_name(pin.name)].specifier.contains(exact.version)


def test_extras_are_pinned_among_what_the_tests_need() -> None:
    tested = {str(canonicalize_name(pin.name)): pin for pin in pins("tests/requirements.txt")}
    for name, requirement in EXTRAS.items():
        (exact,) = tested[name].specifier
        assert requirement.specifier.contains(exact.version)
        assert requirement.extras == tested[name].extras


def test_the_ray_that_is_asked_for_is_the_one_that_is_tested() -> None:
    """The sentence of `--engine ray` without Ray, and the guide to a cluster."""
    assert Requirement(RAY_REQUIREMENT) in pins("tests/requirements.txt")
    guide = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    assert f"pip install '{RAY_REQUIREMENT}'" in guide


@pytest.mark.parametrize("requirement", [*RANGES.values(), *EXTRAS.values()], ids=str)
def test_a_range_has_both_ends(requirement: Requirement) -> None:
    assert sorted(bound.operator for bound in requirement.specifier) == ["<", ">="]


@pytest.mark.slow
def test_everything_imported_is_declared() -> None:
    """A package that only another one brings may be gone with that one's next release."""
    imported: set[str] = set()
    for path in (ROOT / "caption").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                imported.add(node.module.split(".")[0])
    others = imported - sys.stdlib_module_names - {"caption"}
    optional = {"torch_npu", "pyarrow"}  # of who has such a device; Ray's own
    providers = packages_distributions()
    undeclared = {
        name
        for name in others - optional
        if not {canonicalize_name(dist) for dist in providers.get(name, [])} & {*RANGES, *EXTRAS}
    }
    assert not undeclared


# ---------------------------------------------------------------------------------------------- console scripts


def test_usage_names_the_program_that_was_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/blip-caption"])
    assert "usage: blip-caption " in cli_parser().format_help()
    assert "blip-caption describe photo.jpg" in cli_parser().format_help()
    assert "python -m caption" not in cli_parser().format_help()
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/blip-gradio"])
    assert web_parser().format_usage().startswith("usage: blip-gradio ")
    monkeypatch.setattr(sys, "argv", ["/somewhere/caption/__main__.py"])
    assert "usage: python -m caption " in cli_parser().format_help()
    assert "python -m caption describe photo.jpg" in cli_parser().format_help()
    monkeypatch.setattr(sys, "argv", ["blip_gradio.py"])
    assert web_parser().format_usage().startswith("usage: blip_gradio.py ")


def test_a_console_script_has_an_ending_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["blip-caption.exe"])
    assert program_name("blip-caption", "python -m caption") == "blip-caption"


# ---------------------------------------------------------------------------------------------- the wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="tests/requirements.txt brings it")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        timeout=120,
    )
    (file,) = folder.iterdir()
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel is installed to; the packages it needs are the tests' own."""
    folder = tmp_path_factory.mktemp("elsewhere") / "site-packages"
    command = ["install", "--quiet", "--no-deps", "--no-index", "--target", str(folder), str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", *command], check=True, timeout=120)
    return folder


def environment(installed: Path) -> dict[str, str]:
    """Of a user without settings."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("BLIP_")}
    return own | {
        "PYTHONPATH": str(installed),
        "XDG_DATA_HOME": str(installed.parent / "data"),
        "OMP_NUM_THREADS": "1",
    }


def run(installed: Path, *arguments: str) -> str:
    """What a console script writes that is started outside the clone."""
    script, *rest = arguments
    done = subprocess.run(
        [sys.executable, str(installed / "bin" / script), *rest],
        cwd=installed.parent,
        env=environment(installed),
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_what_the_wheel_holds(wheel: Path) -> None:
    assert wheel.stat().st_size <= MAX_WHEEL_BYTES
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = next(name.rpartition("/")[0] for name in names if name.endswith("/METADATA"))
        head = archive.read(f"{metadata}/METADATA").decode()
        scripts = archive.read(f"{metadata}/entry_points.txt").decode()
        assert archive.read(f"{metadata}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert f"{metadata}/licenses/THIRD_PARTY_NOTICES.md" in names
    assert f"\nVersion: {caption.__version__}\n" in head
    assert "\nLicense-Expression: BSD-3-Clause\n" in head
    assert "blip-caption = caption.cli:main" in scripts
    assert "blip-gradio = caption.web:main" in scripts

    program = {name for name in names if not name.startswith((metadata, "caption/_models/"))}
    assert program == {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "caption").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if name.startswith("caption/_models/")} == {
        f"caption/_models/{path.relative_to(ROOT / 'models').as_posix()}"
        for folder in (*BUNDLED, PARSER)
        for path in (ROOT / "models" / folder).rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="scripts lie elsewhere")
def test_installed_it_has_models_and_puts_others_among_the_users_data(installed: Path) -> None:
    output = run(installed, "blip-caption", "models", "list", "--json")
    rows = {row["name"]: row for row in map(json.loads, output.splitlines())}
    packed = installed / "caption" / "_models"
    assert {row["folder"] for row in rows.values() if row["state"] == "present"} == {
        str(packed / folder) for folder in BUNDLED
    }
    if sys.platform == "linux":
        assert Path(rows["large"]["folder"]).parent == (
            installed.parent / "data" / "blip-caption" / "models"
        )


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="scripts lie elsewhere")
def test_installed_it_describes_a_drawn_scene(installed: Path) -> None:
    output = run(installed, "blip-caption", "describe", str(EXAMPLES / "scene-1.png"), "--json")
    row = json.loads(output)
    assert row["model"] == "demo"
    assert row["text"]
    assert "usage: blip-gradio " in run(installed, "blip-gradio", "--help")


@pytest.mark.slow
def test_installed_it_reads_captions(installed: Path) -> None:
    code = "from caption.language.parse import parse; print(parse(['a dog runs'])[0].root.text)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=installed.parent,
        env=environment(installed),
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.stdout == "runs\n", done.stderr


def get(url: str) -> str:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as page:
        body: bytes = page.read()
    return body.decode("utf-8")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="scripts lie elsewhere")
def test_installed_it_serves_the_page(installed: Path) -> None:
    port = free_port()
    command = [sys.executable, str(installed / "bin" / "blip-gradio"), "--demo"]
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        cwd=installed.parent,
        env=environment(installed),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == f"地址：http://127.0.0.1:{port}\n"
        assert server.stdout.readline().startswith("模型：演示模型")
        get(f"http://127.0.0.1:{port}/readyz")  # else `HTTPError`
        assert text("page.title") in get(f"http://127.0.0.1:{port}/")
        server.terminate()
        assert server.wait(timeout=30) == 0
    finally:
        server.kill()
        server.communicate()
