"""The web app through its server: the endpoint `/describe`, the gate in front of it, the command
line.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from caption.errors import BusyError, Cancelled, CaptionError, ModelError
from caption.hub.background import BackgroundDownload, DownloadStatus
from caption.hub.find import DamagedModel
from caption.language.text import caption_stats
from caption.locale import messages
from caption.options import DescribeOptions
from caption.server.admission import Gate, Ticket
from caption.server.service import Service
from caption.web import components
from caption.web import main as main_module
from caption.web.app import next_seed
from caption.web.banner import banner_html
from caption.web.components import shown
from caption.web.main import main, shut_down
from caption.web.page import DEFAULT_STRATEGY, DESCRIPTION_GONE, note_html
from tests.support.browser import (
    EXAMPLES,
    FakeDescriber,
    Served,
    bad_files,
    encoded,
    free_port,
    grounded,
    picture_bytes,
    refused,
    serving,
    until,
)
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def app() -> Iterator[Served]:
    with serving(FakeDescriber()) as served:
        yield served


@pytest.fixture
def served(app: Served) -> Iterator[Served]:
    """The shared app, with a describer as new."""
    app.describer.hold_at = app.describer.fault = app.describer.grounded = None
    app.describer.images.clear()
    app.describer.options.clear()
    yield app
    app.describer.hold_at = None
    assert app.gate.wait_idle(10)


@pytest.fixture(scope="module")
def client(app: Served) -> Client:
    return Client(app.url, verbose=False)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    path.write_bytes(picture_bytes())
    return path


def statistics(text: str) -> str:
    stats = caption_stats(text)
    return f"字符数: {stats.characters}, 词数: {stats.words}"


def post(url: str, body: Any) -> Any:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def data_url(content: bytes) -> dict[str, Any]:
    return {
        "url": "data:image/png;base64," + base64.b64encode(content).decode(),
        "meta": {"_type": "gradio.FileData"},
    }


def started(served: Served, content: bytes) -> str:
    """Start a description over plain HTTP; returns the address of its events."""
    call = f"{served.url}/gradio_api/call/describe"
    return (
        f"{call}/{post(call, {'data': [data_url(content), 'high', True, 'forced', 0]})['event_id']}"
    )


# --------------------------------------------------------------------------------------------- the endpoint


def test_the_endpoint_gives_text_statistics_and_details(
    served: Served, client: Client, picture: Path
):
    text, stats, details = client.predict(handle_file(picture), api_name="/describe")
    assert text == FakeDescriber.text_of(3, 0)
    assert stats == statistics(text)
    assert (details["text"], details["seed"], details["model"]) == (text, 0, "demo")
    # the seed doesn't move here
    assert client.predict(handle_file(picture), api_name="/describe")[0] == text


def test_the_endpoint_takes_every_option(served: Served, client: Client, picture: Path):
    text, _, details = client.predict(
        handle_file(picture),
        detail_level="low",
        multi_round=False,
        strategy="plain",
        seed=7,
        api_name="/describe",
    )
    assert text == FakeDescriber.text_of(1, 7)
    chosen = served.describer.options[-1]
    assert (chosen.detail, chosen.multi_round, chosen.strategy, chosen.seed) == (
        "low",
        False,
        "plain",
        7,
    )
    assert details["options"] == {"detail": "low", "strategy": "plain"}


def test_the_endpoint_gives_a_grounded_description_with_its_evidence(
    served: Served, client: Client, picture: Path
):
    served.describer.grounded = grounded()
    text, stats, details = client.predict(
        handle_file(picture), strategy="grounded", min_support=0.5, api_name="/describe"
    )
    assert text == served.describer.grounded.text
    assert stats == statistics(text)
    assert served.describer.options[-1].min_support == 0.5
    assert details == served.describer.grounded.to_dict(heat=False)
    assert [len(one["words"]) for one in details["statements"]] == [3, 2, 1, 1]
    assert "heat" not in details["statements"][0]["words"][0]
    with_heat = client.predict(
        handle_file(picture), strategy="grounded", heatmaps=True, api_name="/describe"
    )[2]
    assert with_heat == served.describer.grounded.to_dict()
    assert len(with_heat["sentences"][0]["words"][0]["heat"]) == 8
    assert served.describer.options[-1].min_support is None


def test_the_endpoint_tells_a_refusal_in_chinese(served: Served, client: Client, picture: Path):
    served.describer.grounded = refused("foreign", 0.12)
    text, stats, details = client.predict(
        handle_file(picture), strategy="grounded", api_name="/describe"
    )
    assert text == messages.refusal("foreign", 0.12)
    assert "（可读度 12 %）" in text
    assert (stats, details["text"], details["refusal"], details["readability"]) == (
        "",
        "",
        "foreign",
        0.12,
    )


def test_every_later_value_may_be_left_out(served: Served, client: Client, picture: Path):
    parameters = client.view_api(return_format="dict")["named_endpoints"]["/describe"]["parameters"]
    assert [(one["parameter_name"], one.get("parameter_default")) for one in parameters if one["parameter_has_default"]] == [
        ("detail_level", "high"), ("multi_round", True), ("strategy", DEFAULT_STRATEGY), ("seed", 0),
        ("min_support", None), ("heatmaps", False),
    ]  # fmt: skip
    assert [one["parameter_name"] for one in parameters if not one["parameter_has_default"]] == [
        "image"
    ]
    client.predict(handle_file(picture), api_name="/describe")
    assert served.describer.options[-1] == DescribeOptions(strategy=DEFAULT_STRATEGY)
    client.predict(handle_file(picture), "low", False, "plain", 3, api_name="/describe")
    assert served.describer.options[-1] == DescribeOptions(
        detail="low", multi_round=False, strategy="plain", seed=3
    )


@pytest.mark.parametrize("count", [1, 5, 7])
def test_plain_http_calls_may_leave_out_later_values_too(served: Served, count: int):
    values = [data_url(picture_bytes()), "low", False, "grounded", 3, 0.25, True]
    call = f"{served.url}/gradio_api/call/describe"
    address = f"{call}/{post(call, {'data': values[:count]})['event_id']}"
    with urllib.request.urlopen(address, timeout=20) as events:
        assert "event: complete" in events.read().decode()
    wanted = {
        1: DescribeOptions(strategy=DEFAULT_STRATEGY),
        5: DescribeOptions(detail="low", multi_round=False, strategy="grounded", seed=3),
        7: DescribeOptions(
            detail="low", multi_round=False, strategy="grounded", seed=3, min_support=0.25
        ),
    }
    assert served.describer.options[-1] == wanted[count]


def test_the_slider_says_when_the_description_is_gone(served: Served):
    with urllib.request.urlopen(f"{served.url}/config", timeout=20) as answer:
        config = json.load(answer)
    (slider,) = (
        one["id"] for one in config["components"] if one["props"].get("elem_id") == "min-support"
    )
    (event,) = (one["id"] for one in config["dependencies"] if [slider, "input"] in one["targets"])
    body = {"data": [None, 50], "fn_index": event, "session_hash": "after-a-restart"}
    fields = post(f"{served.url}/gradio_api/run/predict", body)["data"]
    # nothing else changes
    assert [one for one in fields if isinstance(one, str)] == [note_html(DESCRIPTION_GONE)]


@pytest.mark.parametrize(
    "options",
    [
        {"detail_level": "extreme"},
        {"strategy": "wild"},
        {"seed": -1},
        {"seed": 1.5},
        {"seed": 2**31},
        {"min_support": 1.5, "strategy": "grounded"},
        {"min_support": "much", "strategy": "grounded"},
        {"min_support": 0.5, "strategy": "forced"},
        {"heatmaps": "yes"},
    ],
)
def test_bad_parameters_are_named(
    served: Served, client: Client, picture: Path, options: dict[str, Any]
):
    name = next(iter(options)).replace("detail_level", "detail")
    with pytest.raises(AppError, match=rf"参数 {name} 的值无效"):
        client.predict(handle_file(picture), **options, api_name="/describe")
    assert served.describer.options == []


@pytest.mark.parametrize(
    "code", ["image_invalid", "image_truncated", "too_many_pixels", "unsupported_format"]
)
def test_bad_pictures_are_told_in_chinese(
    served: Served, client: Client, tmp_path: Path, code: str
):
    with pytest.raises(AppError) as caught:
        client.predict(handle_file(bad_files(tmp_path)[code]), api_name="/describe")
    assert messages.message(CaptionError("x", code=code)) in str(caught.value)


def test_no_picture_is_told(served: Served, client: Client):
    with pytest.raises(AppError, match="没有收到图片"):
        client.predict(None, api_name="/describe")


def turned_jpeg() -> bytes:
    exif = Image.Exif()
    exif[274] = 6  # orientation: lies on its side
    return encoded(Image.new("RGB", (8, 4)), "JPEG", exif=exif)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("deep.png", encoded(Image.new("I;16", (8, 8), 40_000))),
        ("ink.jpg", encoded(Image.new("CMYK", (8, 8), (0, 200, 0, 0)), "JPEG")),
        ("turned.jpg", turned_jpeg()),
        ("odd name;%41.WEBP", encoded(Image.new("RGBA", (8, 8), (1, 2, 3, 4)), "WEBP", lossless=True)),
        ("palette.gif", encoded(Image.new("P", (8, 8)), "GIF")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_the_file_arrives_as_it_was_sent(
    served: Served, client: Client, tmp_path: Path, name: str, content: bytes
):
    path = tmp_path / name
    path.write_bytes(content)
    client.predict(handle_file(path), api_name="/describe")
    assert served.describer.images[-1] == content


def test_a_data_url_arrives_as_it_was_sent(served: Served):
    content = picture_bytes("blue")
    with urllib.request.urlopen(started(served, content), timeout=20) as events:
        assert "event: complete" in events.read().decode()
    assert served.describer.images[-1] == content


def test_only_describe_is_public(client: Client):
    assert list(client.view_api(return_format="dict")["named_endpoints"]) == ["/describe"]


# --------------------------------------------------------------------------------------------- the gate and faults


def test_a_full_gate_refuses_at_once_and_waiters_know_their_place(picture: Path):
    with serving(FakeDescriber(), gate=Gate(running=1, waiting=1)) as served:
        served.describer.hold_at = 1
        client = Client(served.url, verbose=False)
        first = client.submit(handle_file(picture), api_name="/describe")
        assert until(lambda: served.gate.running == 1)
        second = client.submit(handle_file(picture), api_name="/describe")
        assert until(lambda: served.gate.waiting == 1)
        assert until(lambda: any(output[2] == {"place": 1} for output in second.outputs()))
        began = time.monotonic()
        with pytest.raises(AppError, match="当前排队已满"):
            client.predict(handle_file(picture), api_name="/describe")
        assert time.monotonic() - began < 5
        served.describer.hold_at = None
        assert (
            first.result(timeout=20)[0]
            == second.result(timeout=20)[0]
            == FakeDescriber.text_of(3, 0)
        )
        assert served.describer.most_active == 1


def test_a_client_that_leaves_frees_the_model(served: Served):
    served.describer.hold_at = 2
    address = started(served, picture_bytes())
    with urllib.request.urlopen(address, timeout=20) as events:
        assert events.readline()
        assert until(lambda: served.describer.active == 1)
    assert until(lambda: served.describer.active == 0 and served.gate.running == 0)


def test_the_deadline_ends_a_description_and_a_wait(picture: Path):
    with serving(FakeDescriber(), deadline_s=1.0) as served:
        served.describer.hold_at = 1
        client = Client(served.url, verbose=False)
        jobs = [client.submit(handle_file(picture), api_name="/describe") for _ in range(2)]
        for job in jobs:
            with pytest.raises(AppError, match="处理时间超过了上限"):
                job.result(timeout=20)
        assert served.gate.wait_idle(5)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (RuntimeError("/secret/place broke"), "internal"),
        (ModelError("/secret/place is damaged"), "model_damaged"),
        (ModelError("/secret/place is full", code="out_of_memory"), "out_of_memory"),
    ],
    ids=["unforeseen", "model", "memory"],
)
def test_faults_are_told_without_their_secrets(
    served: Served, client: Client, picture: Path, fault: Exception, code: str
):
    served.describer.fault = fault
    with pytest.raises(AppError) as caught:
        client.predict(handle_file(picture), api_name="/describe")
    assert messages.message(CaptionError("x", code=code)) in str(caught.value)
    assert "secret" not in str(caught.value)


def test_shown_escapes_what_it_says(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(components, "message_zh", lambda error: "<img src=x>")
    assert shown(CaptionError("x")).message == "&lt;img src=x&gt;"


def test_a_closed_run_leaves_the_describer_before_the_gate():
    describer, gate = FakeDescriber(), Gate()
    describer.hold_at = 1
    active_when_left: list[int] = []
    leave = Ticket.leave

    def watched(ticket: Ticket) -> None:
        active_when_left.append(describer.active)
        leave(ticket)

    steps = Service(describer, gate).work(picture_bytes(), DescribeOptions(), lambda: False)  # type: ignore[arg-type]
    next(steps)
    assert (describer.active, gate.running) == (1, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ticket, "leave", watched)
        steps.close()
    assert active_when_left == [0]
    assert gate.running == 0


# --------------------------------------------------------------------------------------------- a real model


def test_a_real_model_through_the_endpoint(tiny_describer):
    with serving(tiny_describer) as served:
        client = Client(served.url, verbose=False)
        arguments = {"detail_level": "low", "strategy": "plain", "api_name": "/describe"}
        text, stats, details = client.predict(handle_file(EXAMPLES / "chelsea.png"), **arguments)
        assert details["text"] == text
        assert details["times"]["total"] > 0
        assert stats == (statistics(text) if text else "")
        assert client.predict(handle_file(EXAMPLES / "chelsea.png"), **arguments)[0] == text


# --------------------------------------------------------------------------------------------- the banner


class Download(BackgroundDownload):
    """One that stands still at a status."""

    def __init__(self, status: DownloadStatus) -> None:
        super().__init__("large")
        self._status = status


@pytest.mark.parametrize(
    ("describer", "status", "told", "untold"),
    [
        (FakeDescriber("large"), None, ["BLIP-large", "cpu", "float32"], ["download"]),
        (FakeDescriber("demo"), None, ["演示模型", "bash scripts/download_models.sh large", "--download large"], []),
        (FakeDescriber("demo"), DownloadStatus("looking"), ["download_models.sh"], ["下载完成"]),
        (FakeDescriber("demo"), DownloadStatus("running", 470_000_000, 1_880_000_000), ["正在下载", "25%", "470/1880 MB"], []),
        (FakeDescriber("demo"), DownloadStatus("done", 5, 5), ["下载完成，请重启"], ["download_models.sh"]),
        (FakeDescriber("demo"), DownloadStatus("failed", code="disk_full"), ["磁盘空间不足"], ["下载完成"]),
        (FakeDescriber("base", (DamagedModel("large", "/secret"),)), None, ["BLIP-base", "BLIP-large 的文件已损坏"], ["secret"]),
        (FakeDescriber("<my> model"), None, ["&lt;my&gt; model"], ["<my>"]),
    ],
)  # fmt: skip
def test_the_banner(
    describer: Any, status: DownloadStatus | None, told: list[str], untold: list[str]
):
    banner = banner_html(describer, Download(status) if status else None)
    assert all(one in banner for one in told)
    assert not any(one in banner for one in untold)


# --------------------------------------------------------------------------------------------- seeds


def test_seeds_go_on_per_picture_and_settings(tmp_path: Path):
    red, blue = picture_bytes("red"), picture_bytes("blue")
    key, seed = next_seed({}, red, ("high",))
    assert seed == 0
    assert next_seed({key: 0}, red, ("high",)) == (key, 1)
    assert next_seed({key: 0}, red, ("low",))[1] == 0
    assert next_seed({key: 0}, blue, ("high",))[1] == 0
    assert next_seed({key: 2**31 - 1}, red, ("high",))[1] == 0
    path = tmp_path / "elsewhere.png"
    path.write_bytes(red)
    assert next_seed({}, str(path), ("high",))[0] == key


# --------------------------------------------------------------------------------------------- the command line


def test_importing_the_app_leaves_torch_alone():
    code = "import sys, blip_gradio; sys.exit(any(name.split('.')[0] in ('torch', 'transformers') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=120).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
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
    arguments: list[str], told: str, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
):
    arguments = [str(tiny_folder) if one == "TINY" else one for one in arguments]
    if "--port" not in arguments:
        arguments = [*arguments, "--port", str(free_port())]
    code: object
    try:
        code = main(arguments)
    except SystemExit as exit_:
        code = exit_.code
    error = capsys.readouterr().err
    assert code == 2
    assert told in error
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


def test_shutting_down_lets_short_work_end_and_stops_the_rest(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(main_module, "SHUTDOWN_S", 1.0)
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
