"""The command line of the web app: options from arguments and from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from caption.arguments import start_fault
from caption.errors import CaptionError, ModelError, OptionsError
from caption.web.options import build_parser

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
    ("error", "expected"),
    [
        (OptionsError("x", name="device"), "设备 'auto' 不存在"),
        (OptionsError("x", name="precision"), "精度 'auto' 不存在"),
        (OptionsError("x", name="calibration"), "--calibration 的文件"),
        (ModelError("vocab.txt is empty"), "模型文件已损坏"),
        (ModelError("nothing", code="model_missing"), "没有找到模型文件"),
        (CaptionError("x"), "程序内部出错"),
    ],
)
def test_faults_of_the_start_in_words(error: CaptionError, expected: str):
    assert expected in start_fault(error, build_parser().parse_args([]))
