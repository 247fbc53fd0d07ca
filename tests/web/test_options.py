"""How the app starts: options from the command line and the environment, the background download,
ports and addresses.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from caption.arguments import start_fault
from caption.errors import Cancelled, CaptionError, ModelError, OptionsError
from caption.hub import background
from caption.hub.background import BackgroundDownload, DownloadStatus
from caption.web.options import addresses, build_parser, port_is_free
from tests.support.browser import free_port, until

VARIABLES = [
    "HOST",
    "PORT",
    "MODEL",
    "DEVICE",
    "PRECISION",
    "THREADS",
    "DEADLINE_S",
    "ALLOWED_HOSTS",
    "ALLOW_URLS",
    "DOWNLOAD",
    "DEMO",
]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(f"BLIP_{name}", raising=False)


def test_the_defaults():
    args = build_parser().parse_args([])
    assert vars(args) == {
        "host": "0.0.0.0", "port": 29999, "model": "auto", "device": "auto", "precision": "auto", "threads": None, "calibration": None,
        "deadline_s": 900.0, "allowed_hosts": (), "allow_urls": False, "download": None, "demo": False,
    }  # fmt: skip


VALUES = [
    ("host", "127.0.0.1", "127.0.0.1"),
    ("port", "8080", 8080),
    ("model", "base", "base"),
    ("device", "cuda:1", "cuda:1"),
    ("precision", "bfloat16", "bfloat16"),
    ("calibration", "/tmp/mine.json", Path("/tmp/mine.json")),
    ("threads", "3", 3),
    ("deadline-s", "2.5", 2.5),
    ("allowed-hosts", "Blip.local, 10.0.0.5", ("blip.local", "10.0.0.5")),
    ("allow-urls", "1", True),
    ("download", "base", "base"),
    ("demo", "1", True),
]


@pytest.mark.parametrize(("name", "value", "parsed"), VALUES)
def test_every_option_has_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, parsed: object
):
    field = name.replace("-", "_")
    assert getattr(build_parser().parse_args([f"--{name}", value]), field) == parsed
    monkeypatch.setenv(f"BLIP_{field.upper()}", value)
    assert getattr(build_parser().parse_args([]), field) == parsed


def test_the_command_line_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BLIP_PORT", "8080")
    monkeypatch.setenv("BLIP_HOST", "")  # set and empty: as if unset
    args = build_parser().parse_args(["--port", "9090"])
    assert (args.port, args.host) == (9090, "0.0.0.0")


def test_flags_need_no_value():
    args = build_parser().parse_args(["--download", "--allow-urls"])
    assert (args.download, args.allow_urls, build_parser().parse_args(["--demo"]).demo) == (
        "large",
        True,
        True,
    )


def test_a_bad_variable_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("BLIP_PORT", "99999")
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args([])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert "'99999' 不是 1 到 65535 之间的整数" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OptionsError("x", name="device"), "设备 'auto' 不存在"),
        (OptionsError("x", name="precision"), "精度 'auto' 不存在"),
        (OptionsError("x", name="calibration"), "--calibration 的文件"),
        (ModelError("vocab.txt is empty"), "模型文件已损坏"),
        (ModelError("nothing", code="model_missing"), "没有找到模型文件"),
        (CaptionError("x"), "程序内部出错"),
    ],
)
def test_faults_of_the_start_in_words(error: CaptionError, told: str):
    assert told in start_fault(error, build_parser().parse_args([]))


# --------------------------------------------------------------------------------------------- the download


def test_no_hub_no_download(monkeypatch: pytest.MonkeyPatch):
    asked: list[float] = []
    monkeypatch.setattr(background, "probe_hub", lambda timeout_s, name: asked.append(timeout_s))
    monkeypatch.setattr(
        background,
        "download_model",
        lambda *_, **__: pytest.fail("nothing answered, nothing is fetched"),
    )
    download = BackgroundDownload()
    assert download.status == DownloadStatus("looking")
    assert not download.status.settled
    download.start()
    assert until(lambda: download.status.settled)
    assert (download.status, asked) == (DownloadStatus("off"), [5.0])


@pytest.mark.parametrize("wanted", [False, True])
def test_a_download_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch, wanted: bool):
    go_on = threading.Event()
    sources: list[str] = []

    def fetch(
        name: str, *, source: str, on_progress: Callable[[int, int], None], stop: Callable[[], bool]
    ) -> Path:
        sources.append(source)
        on_progress(3, 10)
        go_on.wait(10)
        on_progress(10, 10)
        return Path(name)

    monkeypatch.setattr(background, "probe_hub", lambda timeout_s, name: "huggingface")
    monkeypatch.setattr(background, "download_model", fetch)
    download = BackgroundDownload("large", wanted=wanted)
    download.start()
    assert until(lambda: download.status == DownloadStatus("running", 3, 10))
    go_on.set()
    assert until(lambda: download.status == DownloadStatus("done", 10, 10))
    assert sources == ["auto" if wanted else "huggingface"]


@pytest.mark.parametrize(
    ("error", "code"),
    [(CaptionError("x", code="disk_full"), "disk_full"), (ValueError("unforeseen"), "internal")],
)
def test_a_failed_download_is_told(monkeypatch: pytest.MonkeyPatch, error: Exception, code: str):
    def fetch(*_: object, **__: object) -> Path:
        raise error

    monkeypatch.setattr(background, "download_model", fetch)
    download = BackgroundDownload(wanted=True)
    download.start()
    assert until(lambda: download.status == DownloadStatus("failed", code=code))


def test_a_stopped_download_ends(monkeypatch: pytest.MonkeyPatch):
    def fetch(name: str, *, source: str, on_progress: object, stop: Callable[[], bool]) -> Path:
        assert until(stop)
        raise Cancelled("stopped")

    monkeypatch.setattr(background, "download_model", fetch)
    download = BackgroundDownload(wanted=True)
    download.start()
    download.stop(10)
    assert download.status == DownloadStatus("off")
    BackgroundDownload().stop()  # one that never started


# --------------------------------------------------------------------------------------------- port and addresses


def test_a_used_port_is_not_free():
    with socket.socket() as used:
        used.bind(("127.0.0.1", 0))
        used.listen(1)
        port = used.getsockname()[1]
        assert not port_is_free("127.0.0.1", port)
        assert not port_is_free("0.0.0.0", port)
    assert port_is_free("0.0.0.0", free_port())


@pytest.mark.parametrize("host", ["192.0.2.7", "no such host"])
def test_a_foreign_address_is_another_fault(host: str):
    with pytest.raises(OSError, match=r".+"):
        port_is_free(host, free_port())


def test_addresses():
    assert addresses("127.0.0.1", 80) == ["http://127.0.0.1:80"]
    assert addresses("::1", 80) == ["http://[::1]:80"]
    everywhere = addresses("0.0.0.0", 29999)
    assert everywhere[0] == "http://127.0.0.1:29999"
    assert all(one.endswith(":29999") and "0.0.0.0" not in one for one in everywhere)
