"""How the app starts: its options, a model's download in the background, a free port, the addresses to print."""

from __future__ import annotations

import argparse
import logging
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from caption.admission import DEADLINE_S
from caption.download import download_model, probe_hub
from caption.errors import Cancelled, CaptionError, ModelError, OptionsError
from caption.messages import message_zh
from caption.registry import MODELS

logger = logging.getLogger(__name__)

DEFAULT_HOST, DEFAULT_PORT = "0.0.0.0", 29999
PROBE_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class DownloadStatus:
    """How far a background download is. `code` is the error's code when `phase` is "failed"."""

    phase: str = "off"  # off | looking | running | done | failed
    done_bytes: int = 0
    total_bytes: int = 0
    code: str | None = None

    @property
    def settled(self) -> bool:
        """Whether nothing will change any more."""
        return self.phase in ("off", "done", "failed")


class BackgroundDownload:
    """Fetches the model `name` in a thread of its own.

    `wanted` skips the look whether a hub answers (at most `PROBE_TIMEOUT_S`); without it a silent network means that
    nothing happens at all. What was fetched before a `stop` is taken up by the next run.
    """

    def __init__(self, name: str = "large", *, wanted: bool = False) -> None:
        self.name = name
        self._wanted = wanted
        self._stopped = threading.Event()
        self._status = DownloadStatus("looking")
        self._thread = threading.Thread(target=self._run, name=f"download-{name}", daemon=True)

    @property
    def status(self) -> DownloadStatus:
        return self._status

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> None:
        """Ask the thread to end at its next chunk and wait for it, at most `timeout_s` seconds."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            source = "auto" if self._wanted else probe_hub(PROBE_TIMEOUT_S, self.name)
            if source is None:
                self._status = DownloadStatus("off")
                return
            self._status = DownloadStatus("running")
            download_model(self.name, source=source, on_progress=self._progress, stop=self._stopped.is_set)
            self._status = replace(self._status, phase="done")
        except Cancelled:
            self._status = DownloadStatus("off")
        except CaptionError as error:
            logger.warning("the download of %s failed: %s", self.name, error)
            self._status = replace(self._status, phase="failed", code=error.code)
        except Exception:  # the app speaks on with the model it has; the traceback is for the log
            logger.exception("the download of %s failed", self.name)
            self._status = replace(self._status, phase="failed", code="internal")

    def _progress(self, done_bytes: int, total_bytes: int) -> None:
        self._status = DownloadStatus("running", done_bytes, total_bytes)


def port_is_free(host: str, port: int) -> bool:
    """Whether a server can listen at `host`:`port` now. Raises `OSError` when `host` is no address of this machine."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows, where SO_REUSEADDR would share a used port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:  # a server that ended a moment ago doesn't hold the port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError:
            # A foreign address can't be bound at any port: that is another fault than a used one.
            with socket.socket(family, kind, protocol) as other:
                other.bind((address[0], 0, *address[2:]))
            return False
    return True


def addresses(host: str, port: int) -> list[str]:
    """Where a browser finds a server that listens at `host`:`port`: on this machine first, then from the LAN."""
    if host not in ("0.0.0.0", "::", ""):
        return [f"http://{f'[{host}]' if ':' in host else host}:{port}"]
    found = [f"http://127.0.0.1:{port}"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        try:
            route.connect(("192.0.2.1", 9))  # TEST-NET-1 (RFC 5737): picks the outgoing interface, sends nothing
            lan = route.getsockname()[0]
        except OSError:  # no network at all
            return found
    return found if lan.startswith("127.") else [*found, f"http://{lan}:{port}"]


# ------------------------------------------------------------------------------------------------- the command line


class Parser(argparse.ArgumentParser):
    """Faults in one sentence."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"参数错误：{message}\n")


def whole(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            raise argparse.ArgumentTypeError(f"{value!r} 不是 {low} 到 {high} 之间的整数")
        return int(value)

    return parse


def seconds(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number <= 86_400:
        raise argparse.ArgumentTypeError(f"{value!r} 不是 0 到 86400 之间的秒数")
    return number


def downloadable(value: str) -> str:
    names = [name for name, spec in MODELS.items() if spec.repos]
    if value not in names:
        raise argparse.ArgumentTypeError(f"{value!r} 不能下载，只有 {'、'.join(names)}")
    return value


def flag(value: str) -> bool:
    if value.lower() not in ("", "0", "1", "false", "true", "no", "yes"):
        raise argparse.ArgumentTypeError(f"{value!r} 不是 0 或 1")
    return value.lower() in ("1", "true", "yes")


def hosts(value: str) -> tuple[str, ...]:
    return tuple(one.strip().lower() for one in value.split(",") if one.strip())


def build_parser() -> argparse.ArgumentParser:
    """Every option's default comes from its environment variable, `BLIP_` and its name."""
    parser = Parser(prog="blip_gradio.py", description="用 BLIP 描述图片的网页", allow_abbrev=False)

    def add(name: str, default: str | None, text: str, **more: Any) -> None:
        variable = "BLIP_" + name.upper().replace("-", "_")
        value = os.environ.get(variable) or default
        parser.add_argument(
            f"--{name}", default=value, help=f"{text}（环境变量 {variable}，默认 {default or '无'}）", **more
        )

    add("host", DEFAULT_HOST, "监听地址")
    add("port", str(DEFAULT_PORT), "监听端口", type=whole(1, 65535))
    add("model", "auto", "模型：auto、large、base、demo 或一个文件夹")
    add("device", "auto", "设备：auto、cpu、cuda、cuda:1 等")
    add("precision", "auto", "精度：auto、float32、bfloat16、float16、int8")
    add("calibration", None, "支持度的校准文件；默认用模型文件夹里的", type=Path, metavar="FILE")
    add("threads", None, "CPU 线程数", type=whole(1, 1024))
    add("deadline-s", str(DEADLINE_S), "一次生成最多用多少秒，包括排队", type=seconds)
    add("allowed-hosts", "", "允许的 Host，用逗号分隔，默认不限制", type=hosts)
    add("allow-urls", "0", "HTTP 接口可以用网址读取公网上的图片", nargs="?", const="1", type=flag, metavar="0|1")
    add("download", None, "启动时在后台下载的模型", nargs="?", const="large", type=downloadable, metavar="MODEL")
    add("demo", "0", "只用演示模型，不下载", nargs="?", const="1", type=flag, metavar="0|1")
    return parser


def start_fault(error: CaptionError, args: argparse.Namespace) -> str:
    """One sentence for a model that can't be loaded."""
    name = error.details.get("name")
    if isinstance(error, OptionsError) and name == "device":
        return f"设备 {args.device!r} 不存在，或这台机器上没有；请用 --device auto 或 cpu。"
    if isinstance(error, OptionsError) and name == "calibration":
        return f"--calibration 的文件 {str(args.calibration)!r} 不是这个模型的校准文件。"
    if isinstance(error, OptionsError) and name == "precision":
        return f"精度 {args.precision!r} 不存在，或设备不支持；请用 --precision auto 或 float32。"
    if isinstance(error, ModelError):
        return f"模型 {args.model!r} 不能使用：{message_zh(error)}（{error}）"
    return message_zh(error)
