"""What both front doors ask: numbers, model options with their variables, faults of the start."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from caption.arguments import Parser, add_model_options, seconds, share, start_fault, whole
from caption.errors import CaptionError, ModelError, OptionsError

VARIABLES = ("MODEL", "DEVICE", "PRECISION", "CALIBRATION", "THREADS")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(f"BLIP_{name}", raising=False)


@pytest.mark.parametrize(
    ("parse", "value", "number"),
    [
        (whole(1, 5), "1", 1),
        (whole(1, 5), "05", 5),
        (share, "0", 0.0),
        (share, "1", 1.0),
        (share, "2.5e-1", 0.25),
        (seconds, "0.5", 0.5),
        (seconds, "86400", 86_400.0),
    ],
)
def test_numbers(parse: Callable[[str], float], value: str, number: float) -> None:
    assert parse(value) == number


@pytest.mark.parametrize("value", ["", "x", "nan", "inf", "-1", "1e9"])
@pytest.mark.parametrize(
    ("parse", "fault"),
    [
        (whole(1, 5), "不是 1 到 5 之间的整数"),
        (share, "不是 0 到 1 之间的数"),
        (seconds, "不是 0 到 86400 之间的秒数"),
    ],
)
def test_what_is_no_such_number(parse: Callable[[str], float], fault: str, value: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        parse(value)
    assert str(caught.value) == f"{value!r} {fault}"


@pytest.mark.parametrize("value", ["0", "6", "1.0", "+1", "\u0661"])
def test_whole_numbers_are_plain_digits_within_their_range(value: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        whole(1, 5)(value)


def test_zero_seconds_are_none() -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        seconds("0")


def model_parser(place: str = "options") -> Parser:
    parser = Parser(prog="program", allow_abbrev=False)
    add_model_options(parser, place)
    return parser


@pytest.mark.parametrize("place", ["options", "cli.model_options"])
def test_model_options_and_their_variables(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert vars(model_parser(place).parse_args([])) == {
        "model": "auto",
        "device": "auto",
        "precision": "auto",
        "calibration": None,
        "threads": None,
    }
    monkeypatch.setenv("BLIP_THREADS", "3")
    monkeypatch.setenv("BLIP_CALIBRATION", "c.json")
    monkeypatch.setenv("BLIP_DEVICE", "")  # set and empty: as if unset
    monkeypatch.setenv("BLIP_PRECISION", "int8")
    args = model_parser(place).parse_args(["--precision", "float32"])
    assert (args.threads, args.calibration) == (3, Path("c.json"))
    assert (args.device, args.precision) == ("auto", "float32")
    for name in VARIABLES:
        assert f"BLIP_{name}" in model_parser(place).format_help()


def test_a_fault_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        model_parser().parse_args(["--threads", "0"])
    assert caught.value.code == 2
    assert capsys.readouterr().err == (
        "参数错误：argument --threads: '0' 不是 1 到 1024 之间的整数\n"
    )


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            OptionsError("x", name="device"),
            "设备 'auto' 不存在，或这台机器上没有；请用 --device auto 或 cpu。",
        ),
        (
            OptionsError("x", name="precision"),
            "精度 'auto' 不存在，或设备不支持；请用 --precision auto 或 float32。",
        ),
        (
            OptionsError("x", name="calibration"),
            "--calibration 的文件 'c.json' 不是这个模型的校准文件。",
        ),
        (OptionsError("x", name="threads"), "参数 threads 的值无效，请检查后再试。"),
        (
            ModelError("vocab.txt is empty"),
            "模型 'auto' 不能使用：模型文件已损坏，请重新下载模型，再重新启动程序。"
            "（vocab.txt is empty）",
        ),
        (CaptionError("x"), "程序内部出错，请重试；如果仍然出错，请把请求编号告诉管理员。"),
    ],
)
def test_faults_of_the_start(error: CaptionError, sentence: str) -> None:
    args = model_parser().parse_args(["--calibration", "c.json"])
    assert start_fault(error, args) == sentence
