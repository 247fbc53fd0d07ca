"""The page. The only package that imports gradio, and only when the page is built: that takes
seconds, and a wrong option or a used port is reported without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caption.server.environment import prepare_environment

prepare_environment()  # proxies and telemetry, before gradio reads the environment

from caption.web.program import main  # noqa: E402

if TYPE_CHECKING:
    from caption.web.app import build_demo

__all__ = ["build_demo", "main"]


def __getattr__(name: str) -> Any:
    if name != "build_demo":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from caption.web.app import build_demo

    return build_demo
