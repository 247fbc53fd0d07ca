"""The line at the top of the page: the model in use, damaged ones, and a better one's download."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import gradio as gr

from caption.arguments import started_by
from caption.errors import CaptionError
from caption.hub.background import BackgroundDownload, DownloadStatus
from caption.hub.specs import RECOMMENDED, suits_photographs
from caption.locale import messages, phrases, text
from caption.web.components import PAGE_EVENT

if TYPE_CHECKING:
    from caption.describe import Describer

_DOWNLOAD = f"bash scripts/download_models.sh {RECOMMENDED}"
_INSTALLED_DOWNLOAD = f"blip-caption models download {RECOMMENDED}"
REFRESH_S = 1.0  # while a download runs


def build_banner(
    demo: gr.Blocks, describer: Describer, download: BackgroundDownload | None
) -> None:
    """Add the banner; it is up to date when the page loads, and while a download runs."""

    def refresh() -> tuple[str, gr.Timer]:
        active = download is not None and not download.status.settled
        return banner_html(describer, download), gr.Timer(active=active)

    banner = gr.HTML(banner_html(describer, download), elem_id="banner")
    timer = gr.Timer(REFRESH_S, active=False)
    demo.load(refresh, None, [banner, timer], **PAGE_EVENT)
    timer.tick(refresh, None, [banner, timer], **PAGE_EVENT)


def banner_html(describer: Describer, download: BackgroundDownload | None = None) -> str:
    current = text(
        "banner.current",
        model=html.escape(phrases.model_title(describer.name)),
        device=html.escape(describer.device),
        precision=html.escape(describer.precision),
    )
    damaged = [
        text("banner.damaged", model=html.escape(phrases.model_title(model.name)))
        for model in describer.damaged
    ]
    status = download.status if download else DownloadStatus()
    lines = [current, *damaged]
    if download and status.phase != "off":
        lines += _download_lines(phrases.model_title(download.name), status)
    if not suits_photographs(describer.name) and status.phase not in ("running", "done"):
        lines.append(_better_model())
    return "<br>".join(lines)


def _better_model() -> str:
    """How to get the recommended model, in the commands that this program was started with."""
    if started_by("blip-gradio"):
        return text("banner.get_better", download=_INSTALLED_DOWNLOAD, program="blip-gradio")
    return text("banner.get_better", download=_DOWNLOAD, program="python blip_gradio.py")


def _download_lines(title: str, status: DownloadStatus) -> list[str]:
    if status.phase == "running":
        return [_running(title, status)]
    if status.phase == "done":
        return [text("banner.downloaded", model=title)]
    if status.phase == "failed":
        reason = messages.message(CaptionError("download", code=status.code))
        return [text("banner.download_failed", model=title, reason=reason)]
    return []


def _running(title: str, status: DownloadStatus) -> str:
    if not status.total_bytes:
        return text("banner.download_begins", model=title)
    return text(
        "banner.downloading",
        model=title,
        percent=100 * status.done_bytes // status.total_bytes,
        done_mb=f"{status.done_bytes / 1e6:.0f}",
        total_mb=f"{status.total_bytes / 1e6:.0f}",
    )
