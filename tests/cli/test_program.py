"""The program as a process: pipes, signals, closed and full streams."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Run, StubDescriber, in_a_process
from tests.support.paths import ROOT


@pytest.mark.parametrize(
    "line", ["describe red.png", "batch . --output out.jsonl", "alt-text page.html"]
)
def test_control_c_is_one_line(run: Run, describer: StubDescriber, folder: Path, line: str) -> None:
    (folder / "page.html").write_text("<img src=red.png>")
    describer.fault = KeyboardInterrupt()
    done = run(*line.split())
    assert (done.code, done.out) == (130, "")
    assert done.err.splitlines()[-1].startswith("已停止")
    assert "Traceback" not in done.err


# A program of its own whose model needs no torch; it tells when it is at work.
PROGRAM = """
import sys, time
sys.path.insert(0, {root!r})
from tests.support.cli import StubDescriber
from caption.cli.program import main as cli
from caption import loading

class Slow(StubDescriber):
    def stream(self, *args, **more):
        print("working", file=sys.stderr, flush=True)
        time.sleep({seconds})
        yield from super().stream(*args, **more)

loading.load_describer = lambda *args, **more: Slow()
sys.exit(cli(sys.argv[1:]))
"""


def program(seconds: float, *argv: object, **more: Any) -> subprocess.Popen[bytes]:
    return in_a_process("-c", PROGRAM.format(root=str(ROOT), seconds=seconds), *argv, **more)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("line", ["describe red.png", "batch . --output out.jsonl"])
def test_a_signal_ends_it_in_one_line(folder: Path, line: str) -> None:
    process = program(600, *line.split())
    assert process.stderr is not None
    for line_of_stderr in process.stderr:
        if b"working" in line_of_stderr:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (130, b"")
    assert err.decode().splitlines()[-1].startswith("已停止")
    assert b"Traceback" not in err


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_a_reader_that_has_gone_away(folder: Path) -> None:
    process = in_a_process("-m", "caption", "models", "list")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    assert (process.wait(300), err) == (141, b"")
    process.stderr.close()


def test_a_reader_that_goes_away_ends_the_work(folder: Path) -> None:
    process = program(0, "describe", *["red.png"] * 500)
    assert process.stdout is not None
    assert process.stdout.readline() == b"red.png: A red picture.\n"
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read().decode()
    assert process.wait(300) == 141
    assert err.count("编码图片") < 500
    assert "Traceback" not in err
    process.stderr.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_closed_and_full_streams(folder: Path) -> None:
    command = f"{sys.executable} -m caption models list"
    for redirection, code, expected in (
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">/dev/full", 4, "磁盘空间不足，请清理磁盘后再试。\n"),
    ):
        done = subprocess.run(
            ["bash", "-c", f"{command} {redirection}"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            timeout=300,
        )
        assert (done.returncode, done.stderr.decode()) == (code, expected)
