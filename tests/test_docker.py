"""The image, as far as it goes without an engine: what `COPY` and `.dockerignore` take is laid out
in a folder and started there.
"""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from caption.web.options import DEFAULT_PORT, build_parser
from caption.web.program import SHUTDOWN_S
from tests.support.paths import ROOT

yaml: Any = pytest.importorskip("yaml")  # huggingface-hub needs it, and brings it


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's lines as (word, rest), continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [
        (line.split(maxsplit=1)[0], " ".join(line.split(maxsplit=1)[1].split())) for line in joined
    ]


def the_only(word: str) -> str:
    (rest,) = (rest for name, rest in instructions() if name == word)
    return rest


def is_sent(path: str) -> bool:
    """Whether a file goes to the engine: of the rules that match it or a folder it lies in, the
    last decides.
    """
    sent = True
    for rule in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if not rule or rule.startswith("#"):
            continue
        pattern = (
            re.escape(rule.removeprefix("!")).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
        )
        sent_path = PurePosixPath(path)
        if any(re.fullmatch(pattern, str(part)) for part in (sent_path, *sent_path.parents)):
            sent = rule.startswith("!")
    return sent


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's working folder after its COPY steps."""
    folder = tmp_path_factory.mktemp("image") / "app"
    folder.mkdir()
    for word, rest in instructions():
        if word != "COPY":
            continue
        source, target = (path for path in rest.split() if not path.startswith("--"))
        copied = ROOT / source
        files = [copied]
        if copied.is_dir():
            files = [path for path in copied.rglob("*") if path.is_file()]
        for file in files:
            if is_sent(file.relative_to(ROOT).as_posix()):
                to = folder / target / (file.name if copied.is_file() else file.relative_to(copied))
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, to)
    return folder


def run(app: Path, *arguments: str) -> str:
    """What a Python program writes that finds nothing but the image's files and the installed
    packages.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BLIP_", "PYTHONPATH"))
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=app,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("requirements.txt", True),
        ("caption/web/examples/chelsea.png", True),
        ("models/blip-demo-scenes/model.safetensors", True),
        ("models/blip-demo-scenes-itm/config.json", True),
        ("models/blip-image-captioning-large/model.safetensors", False),
        ("models/.blip-image-captioning-large.part/model.safetensors", False),
        ("caption/__pycache__/cli.cpython-312.pyc", False),
        ("LICENSE", True),
        ("tests/conftest.py", False),
        (".git/config", False),
        (".env", False),
    ],
)
def test_what_goes_to_the_engine(path: str, sent: bool) -> None:
    assert is_sent(path) is sent


@pytest.mark.slow
def test_the_app_starts_from_what_was_copied(app: Path) -> None:
    program = json.loads(the_only("ENTRYPOINT"))
    assert program[0] == "python"
    assert "--port" in run(app, *program[1:], "--help")
    assert "batch" in run(app, "-m", "caption", "--help")
    requirements = (app / "requirements.txt").read_bytes()
    assert requirements == (ROOT / "requirements.txt").read_bytes()


def test_the_demo_models_are_in_the_image(app: Path) -> None:
    rows = [
        json.loads(line)
        for line in run(app, "-m", "caption", "models", "list", "--json").splitlines()
    ]
    ready = {row["name"] for row in rows if row["state"] == "present"}
    assert ready == {"demo", "demo-itm"}
    assert {Path(row["folder"]).parent for row in rows} == {app.resolve() / "models"}


@pytest.mark.parametrize("name", ["LICENSE", "THIRD_PARTY_NOTICES.md"])
def test_the_licences_are_in_the_image(app: Path, name: str) -> None:
    assert (app / name).read_bytes() == (ROOT / name).read_bytes()


def test_it_doesnt_run_as_root_and_may_download() -> None:
    user = the_only("USER")
    assert int(user) > 0
    setup = " ".join(rest for word, rest in instructions() if word == "RUN")
    assert f"useradd --create-home --uid {user} blip" in setup
    assert "install --directory --owner=blip --group=blip models" in setup
    assert "--chown=blip:blip models ./models" in [
        rest for word, rest in instructions() if word == "COPY"
    ]


class _Health(http.server.BaseHTTPRequestHandler):
    """Ready the first time, then not."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200 if len(self.asked) == 1 else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_the_healthcheck_tells_ready_from_not_ready(
    app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # an engine hands its proxy settings on to containers
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    command = json.loads(the_only("HEALTHCHECK").partition("CMD ")[2])
    assert command[:2] == ["python", "-c"]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Health) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            code = command[2].replace(f":{DEFAULT_PORT}/", f":{server.server_port}/")
            assert code != command[2]
            _Health.asked.clear()
            run(app, "-c", code)
            with pytest.raises(AssertionError, match="503"):
                run(app, "-c", code)
        finally:
            server.shutdown()
            thread.join()
    assert _Health.asked == ["/readyz", "/readyz"]
    routes = ROOT / "caption" / "server" / "api" / "status.py"
    assert '"/readyz"' in routes.read_text(encoding="utf-8")


def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


def test_the_port_is_the_apps_own() -> None:
    assert the_only("EXPOSE") == str(DEFAULT_PORT)
    for service in compose()["services"].values():
        (port,) = service["ports"]
        assert port == f"${{BLIP_PUBLISH:-{DEFAULT_PORT}}}:{DEFAULT_PORT}"


def test_compose_names_only_settings_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")  # no name is broken off at a line's end
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    known = set(re.findall(r"BLIP_[A-Z_]+", build_parser().format_help()))
    declared = {rest.partition("=")[0] for word, rest in instructions() if word == "ARG"}
    for service in compose()["services"].values():
        assert set(service["environment"]) <= known
        assert set(service["build"]["args"]) == declared
    # Whatever the shell that starts it may set: the app's own settings, where it is published,
    # pip's arguments.
    assert set(re.findall(r"\$\{(\w+):-", text)) <= known | {"BLIP_PUBLISH"} | declared


def test_an_empty_setting_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = {
        name: "" for service in compose()["services"].values() for name in service["environment"]
    }
    for name in empty:
        monkeypatch.delenv(name, raising=False)
    usual = build_parser().parse_args([])
    for name, value in empty.items():
        monkeypatch.setenv(name, value)
    assert build_parser().parse_args([]) == usual


def test_only_the_service_with_a_gpu_reserves_one() -> None:
    cpu, gpu = compose()["services"]["cpu"], compose()["services"]["gpu"]
    assert "deploy" not in cpu
    (device,) = gpu["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert gpu["profiles"] == ["gpu"]
    assert gpu["environment"] == cpu["environment"] | {"BLIP_DEVICE": "cuda"}


def test_downloads_outlive_the_container_and_work_in_hand_its_stop() -> None:
    work_folder = the_only("WORKDIR")
    for service in compose()["services"].values():
        assert service["volumes"] == [f"models:{work_folder}/models"]
        assert float(service["stop_grace_period"].removesuffix("s")) > SHUTDOWN_S + 2
    assert "models" in compose()["volumes"]
    assert the_only("STOPSIGNAL") == "SIGTERM"
