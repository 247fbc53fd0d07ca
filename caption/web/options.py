"""How the app starts: its options, a model's download in the background, a free port, the addresses
to print.
"""

from __future__ import annotations

import argparse
import os
import socket
from pathlib import Path
from typing import Any

from caption.arguments import Parser, program_name, whole
from caption.hub.download import CAPTIONERS
from caption.server.admission import DEADLINE_S

DEFAULT_HOST, DEFAULT_PORT = "0.0.0.0", 29999


def port_is_free(host: str, port: int) -> bool:
    """Whether a server can listen at `host`:`port` now. Raises `OSError` when `host` is no address
    of this machine.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        # Windows, where SO_REUSEADDR would share a used port
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
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
    """Where a browser finds a server that listens at `host`:`port`: on this machine first, then
    from the LAN.
    """
    if host not in ("0.0.0.0", "::", ""):
        return [f"http://{f'[{host}]' if ':' in host else host}:{port}"]
    found = [f"http://127.0.0.1:{port}"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        try:
            # TEST-NET-1 (RFC 5737): picks the outgoing interface, sends nothing
            route.connect(("192.0.2.1", 9))
            lan = route.getsockname()[0]
        except OSError:  # no network at all
            return found
    return found if lan.startswith("127.") else [*found, f"http://{lan}:{port}"]


def seconds(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number <= 86_400:
        raise argparse.ArgumentTypeError(f"{value!r} 不是 0 到 86400 之间的秒数")
    return number


def downloadable(value: str) -> str:
    if value not in CAPTIONERS:
        raise argparse.ArgumentTypeError(f"{value!r} 不能下载，只有 {'、'.join(CAPTIONERS)}")
    return value


def flag(value: str) -> bool:
    if value.lower() not in ("", "0", "1", "false", "true", "no", "yes"):
        raise argparse.ArgumentTypeError(f"{value!r} 不是 0 或 1")
    return value.lower() in ("1", "true", "yes")


def hosts(value: str) -> tuple[str, ...]:
    return tuple(one.strip().lower() for one in value.split(",") if one.strip())


def build_parser() -> argparse.ArgumentParser:
    """Every option's default comes from its environment variable, `BLIP_` and its name."""
    parser = Parser(
        prog=program_name("blip-gradio", "blip_gradio.py"),
        description="用 BLIP 描述图片的网页",
        allow_abbrev=False,
    )

    def add(name: str, default: str | None, text: str, **more: Any) -> None:
        variable = "BLIP_" + name.upper().replace("-", "_")
        value = os.environ.get(variable) or default
        parser.add_argument(
            f"--{name}",
            default=value,
            help=f"{text}（环境变量 {variable}，默认 {default or '无'}）",
            **more,
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
    add(
        "allow-urls",
        "0",
        "HTTP 接口可以用网址读取公网上的图片",
        nargs="?",
        const="1",
        type=flag,
        metavar="0|1",
    )
    add(
        "download",
        None,
        "启动时在后台下载的模型",
        nargs="?",
        const="large",
        type=downloadable,
        metavar="MODEL",
    )
    add("demo", "0", "只用演示模型，不下载", nargs="?", const="1", type=flag, metavar="0|1")
    return parser
