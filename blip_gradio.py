"""The web app, `python blip_gradio.py`: a page that describes pictures, and an HTTP API.

See `caption.web.program`; `build_demo` is the page without its server.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from caption import web
from caption.web import main

if TYPE_CHECKING:
    from caption.web import build_demo

__all__ = ["build_demo", "main"]


def __getattr__(name: str) -> Any:
    """`build_demo` imports gradio, so it is looked up when it is asked for."""
    if name != "build_demo":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return web.build_demo


if __name__ == "__main__":
    sys.exit(main())
