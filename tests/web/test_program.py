"""The program: what it refuses at its start, and how it serves and ends."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from caption.errors import BusyError, Cancelled
from caption.options import DescribeOptions
from caption.server.service import Service
from caption.web.options import build_parser
from caption.web.program import main, serve, shut_down
from tests.support.browser import FakeDescriber, Served, free_port, picture_bytes, until
from tests.support.paths import ROOT


@pytest.mark.slow
def test_importing_the_app_leaves_torch_alone():
    code = "import sys, blip_gradio; sys.exit(any(name.split('.')[0] in ('torch', 'transformers') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=120).returncode == 0


def test_what_ends_before_the_page_does_without_gradio():
    code = (
        "import atexit, sys, blip_gradio\n"
        "atexit.register(lambda: print('gradio' in sys.modules, file=sys.stderr))\n"
        "blip_gradio.main(['--help'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "False\n")


@pytest.mark.parametrize("module", ["blip_gradio", "caption.web"])
def test_the_page_is_looked_up_when_it_is_asked_for(module: str):
    from caption.web.app import build_demo

    assert importlib.import_module(module).build_demo is build_demo
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        importlib.import_module(module).nothing  # noqa: B018


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--port", "0"], "--port"),
        (["--port", "web"], "--port"),
        (["--threads", "0"], "--threads"),
        (["--deadline-s", "nan"], "--deadline-s"),
        (["--download", "demo"], "不能下载"),
        (["--demo", "--model", "large"], "--demo"),
        (["--demo", "--download"], "--demo"),
        (["--host", "192.0.2.7"], "192.0.2.7"),
        (["--model", "/no/such/folder"], "'/no/such/folder'"),
        (["--wrong"], "--wrong"),
        (["--model", "TINY", "--allowed-hosts", "a b"], "--allowed-hosts"),
    ],
)
def test_a_fault_at_the_start_is_one_sentence(
    arguments: list[str], expected: str, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
):
    arguments = [str(tiny_folder) if value == "TINY" else value for value in arguments]
    if "--port" not in arguments:
        arguments = [*arguments, "--port", str(free_port())]
    code: object
    try:
        code = main(arguments)
    except SystemExit as exit_:
        code = exit_.code
    error = capsys.readouterr().err
    assert code == 2
    assert expected in error
    assert error.count("\n") == 1


def test_a_used_port_an_unknown_device_and_a_damaged_model(
    app: Served, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["--host", "127.0.0.1", "--port", str(app.port)]) == 2
    assert f"端口 {app.port} 已被占用" in capsys.readouterr().err
    port = ["--host", "127.0.0.1", "--port", str(free_port())]
    for device in ("toaster", "cuda:99"):
        assert main([*port, "--model", str(tiny_folder), "--device", device]) == 2
        assert f"设备 '{device}'" in capsys.readouterr().err
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for path in tiny_folder.iterdir():
        (damaged / path.name).write_bytes(
            path.read_bytes()[: -8 if path.suffix == ".safetensors" else None]
        )
    assert main([*port, "--model", str(damaged)]) == 2
    error = capsys.readouterr().err
    assert "模型文件已损坏" in error
    assert error.count("\n") == 1


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send")
def test_the_app_starts_says_so_and_ends_on_sigterm(tiny_folder: Path):
    port = free_port()
    command = [
        sys.executable,
        "blip_gradio.py",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--model",
        str(tiny_folder),
    ]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"地址：http://127.0.0.1:{port}\n"
        assert process.stdout.readline().startswith(f"模型：{tiny_folder.name}，设备：")
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20).read().decode()
        assert "BLIP超详细图片描述生成器" in page
        api = f"http://127.0.0.1:{port}/api/v1/describe?strategy=plain"
        with urllib.request.urlopen(
            urllib.request.Request(api, picture_bytes()), timeout=20
        ) as answer:
            assert json.load(answer)["model"] == tiny_folder.name
        with urllib.request.urlopen(
            f"http://127.0.0.1:{port}/gradio_api/heartbeat/abc", timeout=20
        ) as tab:
            assert tab.readline()  # a page is open
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 0
            assert time.monotonic() - began < 12
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_shutting_down_lets_short_work_end_and_stops_the_rest(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("caption.web.program.SHUTDOWN_S", 1.0)
    describer = FakeDescriber()
    service = Service(describer)  # type: ignore[arg-type]
    describer.hold_at = 1
    closed: list[bool] = []
    ended: list[str] = []

    class Page:
        def close(self, *, verbose: bool) -> None:
            closed.append(service.gate.running == 0)

    def visitor() -> None:
        with service.runs.flag("one page") as flag:
            steps = service.work(picture_bytes(), DescribeOptions(), flag.is_set)
            with pytest.raises(Cancelled):
                list(steps)
            ended.append("stopped")

    thread = threading.Thread(target=visitor)
    thread.start()
    assert until(lambda: describer.active == 1)
    shut_down(Page(), service, None)
    thread.join(10)
    assert (ended, closed, service.gate.draining) == (["stopped"], [True], True)
    with pytest.raises(BusyError):
        service.gate.enter()


def test_the_parser_is_loaded_once_the_page_answers(monkeypatch: pytest.MonkeyPatch):
    steps: list[str] = []
    monkeypatch.setattr("caption.web.app.build_demo", lambda *_, **__: None)
    monkeypatch.setattr("caption.web.app.launch", lambda *_, **__: steps.append("answers"))
    monkeypatch.setattr(
        "caption.web.program.load_in_background", lambda: steps.append("loads the parser")
    )
    monkeypatch.setattr("caption.web.program.announce", lambda *_: steps.append("says so"))
    monkeypatch.setattr("caption.web.program.signal.signal", lambda _, end: end())
    monkeypatch.setattr("caption.web.program.shut_down", lambda *_: steps.append("ends"))
    args = build_parser().parse_args(["--demo"])
    assert serve(FakeDescriber(), args) == 0  # type: ignore[arg-type]
    assert steps == ["answers", "loads the parser", "says so", "ends"]
