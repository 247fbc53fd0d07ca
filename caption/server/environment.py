"""What stands between a stranger on the network and Gradio's server: a pure ASGI middleware, and a
safe environment.

The app listens on every interface, and Gradio 6.31 by itself would fetch URLs and open files a
client names, let every web site's script call it, take bodies of any size and put exception texts
into answers. `guard_lifespan` closes that:

    prepare_environment()  # before gradio is imported
    demo.launch(app_kwargs={"lifespan": guard_lifespan(allowed_hosts=...)}, ...)

A plain `app_kwargs={"middleware": ...}` would sit inside Gradio's CORS middleware, which answers
preflights and adds its headers outside of it.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import MutableMapping

logger = logging.getLogger(__name__)


# Environment variables that would open this machine's files, a public tunnel or an editor of this
# program.
_OPENING = (
    "GRADIO_ALLOWED_PATHS",
    "GRADIO_SHARE",
    "GRADIO_MCP_SERVER",
    "GRADIO_VIBE_MODE",
    "GRADIO_DEBUG",
)


def prepare_environment(environ: MutableMapping[str, str] = os.environ) -> None:
    """Settle the environment before gradio is imported: no telemetry, no proxy for this machine,
    none gradio can't use.

    `ALL_PROXY=socks5://…` breaks `import gradio` where httpx has no SOCKS support; such a proxy is
    dropped for this process, with a warning in the log. Proxies for http and https stay, downloads
    may need them. Settings that would open files, a tunnel or an editor to the network are dropped
    as well. `HF_HUB_OFFLINE` is left alone.
    """
    environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    for name in _OPENING:
        if environ.pop(name, None):
            logger.warning("%s is ignored by this program", name)
    usable = {"http", "https"} | (
        {"socks5", "socks5h"} if importlib.util.find_spec("socksio") else set()
    )
    for name in (
        "ALL_PROXY",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "all_proxy",
        "https_proxy",
        "http_proxy",
    ):
        scheme, found, _ = environ.get(name, "").partition("://")
        if found and scheme.lower() not in usable:
            del environ[name]
            logger.warning(
                "the proxy in %s is not used: this program can't speak %r", name, scheme[:20]
            )
    entries = [
        entry.strip()
        for name in ("NO_PROXY", "no_proxy")
        for entry in environ.get(name, "").split(",")
    ]
    environ["NO_PROXY"] = environ["no_proxy"] = ",".join(
        dict.fromkeys([*filter(None, entries), "localhost", "127.0.0.1", "::1"])
    )
