"""The program: read the command line, load a model, serve the page and the API, shut down."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from caption.arguments import start_fault
from caption.errors import CaptionError, ModelError, OptionsError
from caption.hub.background import BackgroundDownload
from caption.hub.find import find_model
from caption.hub.specs import DEMO, RECOMMENDED
from caption.language.parse import load_in_background
from caption.locale import phrases, text
from caption.server.service import Service
from caption.web.listening import addresses, port_is_free
from caption.web.options import build_parser

if TYPE_CHECKING:
    import gradio as gr

    from caption.describe import Describer

SHUTDOWN_S = 9.5  # for the work in hand; the process is gone 12 s after the signal


def fail(sentence: str) -> int:
    print(" ".join(sentence.split()), file=sys.stderr)
    return 2


def background_download(args: argparse.Namespace) -> BackgroundDownload | None:
    """What to fetch beside the app: what was asked for, else the recommended model where it would be
    used and isn't whole.
    """
    if args.download:
        return BackgroundDownload(args.download, wanted=True)
    if args.demo or args.model != "auto":
        return None
    try:
        find_model(RECOMMENDED)
    except ModelError:
        return BackgroundDownload(RECOMMENDED)
    return None


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl+C. Exit code 2: it can't start, and standard error says why."""
    args = build_parser().parse_args(argv)
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    if args.demo and (args.download or args.model not in ("auto", DEMO)):
        return fail(text("main.demo_only"))
    try:
        if not port_is_free(args.host, args.port):
            return fail(text("main.port_used", port=args.port))
    except OSError:
        return fail(text("main.host_foreign", host=repr(args.host)))

    from caption.loading import load_describer

    try:
        describer = load_describer(
            DEMO if args.demo else args.model,
            args.device,
            args.precision,
            threads=args.threads,
            calibration=args.calibration,
        )
    except CaptionError as error:
        return fail(start_fault(error, args))
    with private_uploads():
        return serve(describer, args)


@contextlib.contextmanager
def private_uploads() -> Iterator[None]:
    """Uploads lie in a folder of this process that nobody else on the machine can read, and go with
    it.

    `GRADIO_TEMP_DIR` names another place; what lies there stays.
    """
    if os.environ.get("GRADIO_TEMP_DIR"):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="blip-", ignore_cleanup_errors=True) as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        try:
            yield
        finally:
            del os.environ["GRADIO_TEMP_DIR"]


def serve(describer: Describer, args: argparse.Namespace) -> int:
    """Serve the page and the API until a signal ends it; returns the exit code."""
    from caption.web.app import build_demo, launch  # gradio: seconds

    service, download = Service(describer, deadline_s=args.deadline_s), background_download(args)
    demo = build_demo(service, download=download)
    try:
        launch(
            demo,
            service,
            host=args.host,
            port=args.port,
            allowed_hosts=args.allowed_hosts,
            urls=args.allow_urls,
        )
    except OSError:  # another program took the port meanwhile
        return fail(text("main.port_used", port=args.port))
    except OptionsError:
        return fail(text("main.hosts_invalid", hosts=repr(",".join(args.allowed_hosts))))
    ending = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: ending.set())
    load_in_background()  # once the page answers: the start doesn't wait for the parser
    if download:
        download.start()
    announce(describer, args)
    while not ending.wait(0.5):  # a wait without end can't be interrupted on Windows
        pass
    shut_down(demo, service, download)
    return 0


def announce(describer: Describer, args: argparse.Namespace) -> None:
    """Print where the page is, and which model describes."""
    urls = text("main.or").join(addresses(args.host, args.port))
    print(text("main.addresses", addresses=urls))
    print(
        text(
            "main.model",
            model=phrases.model_title(describer.name),
            device=describer.device,
            precision=describer.precision,
        ),
        flush=True,
    )


def shut_down(demo: gr.Blocks, service: Service, download: BackgroundDownload | None) -> None:
    """Let the work in hand end, stop what lasts longer, close the server: 12 s at most."""
    service.gate.drain()
    if download:
        download.stop(0.5)
    if not service.gate.wait_idle(SHUTDOWN_S - 0.5):
        service.runs.stop()
        service.gate.wait_idle(1.0)
    # uvicorn waits for open pages; the process doesn't
    closing = threading.Thread(target=demo.close, kwargs={"verbose": False}, daemon=True)
    closing.start()
    closing.join(1.0)
