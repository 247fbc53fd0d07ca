"""The page and the API as one served app: `build_demo` assembles the page, `launch` serves it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import gradio as gr

from caption.hub.background import BackgroundDownload
from caption.image.fetch import fetch
from caption.image.load import MAX_BYTES
from caption.locale import text
from caption.server.api.app import beside, build_api
from caption.server.guard.middleware import guard_lifespan
from caption.server.service import Service
from caption.web.assets import page_css, page_head, page_js
from caption.web.banner import build_banner
from caption.web.components import build_refusals
from caption.web.endpoint import build_endpoint
from caption.web.shared import Shared, example_pictures
from caption.web.tabs import build_tabs

FONTS = (
    "ui-sans-serif",
    "system-ui",
    "PingFang SC",
    "Microsoft YaHei",
    "Noto Sans CJK SC",
    "sans-serif",
)
MONOSPACE_FONTS = ("ui-monospace", "Consolas", "monospace")
# Uploads older than a day are deleted; looked for every hour.
DELETE_CACHE_S = (3600, 86400)
MAX_SESSIONS = 500  # whose state is kept


def build_demo(service: Service, *, download: BackgroundDownload | None = None) -> gr.Blocks:
    """The page and the endpoint `/describe`. `download`: what the banner reports on."""
    title = text("page.title")
    with gr.Blocks(title=title, analytics_enabled=False, delete_cache=DELETE_CACHE_S) as demo:
        build_endpoint(demo, service)  # first: Gradio renames what has a name that is taken
        gr.Markdown(f"# 🖼️ {title}")
        build_banner(demo, service.describer, download)
        build_tabs(service, Shared(example_pictures()))
        build_refusals()
    return demo


def launch(
    demo: gr.Blocks,
    service: Service,
    *,
    host: str,
    port: int,
    allowed_hosts: Sequence[str] = (),
    urls: bool = False,
) -> tuple[Any, str, str]:
    """Serve the page and the API without blocking; raises `OSError` when the port is used. `urls`:
    the API may fetch pictures.

    Returns what `Blocks.launch` does: its app, the local URL and the shared one.
    """
    api = build_api(service, fetch if urls else None)
    lifespan = guard_lifespan(
        allowed_hosts=tuple(allowed_hosts),
        beside=functools.partial(beside, service, api),
        answered=service.metrics.answered,
    )
    example_names = {example.path.name: example.name for example in example_pictures()}
    launched: tuple[Any, str, str] = demo.queue(
        default_concurrency_limit=None, api_open=False
    ).launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        show_error=False,
        inbrowser=False,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        state_session_capacity=MAX_SESSIONS,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        theme=gr.themes.Soft(font=FONTS, font_mono=MONOSPACE_FONTS),
        css=page_css(),
        js=page_js(),
        head=page_head(MAX_BYTES, example_names),
        app_kwargs={"lifespan": lifespan},
    )
    return launched
