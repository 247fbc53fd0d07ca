"""The process's environment variables, settled before gradio is imported."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import MutableMapping

from caption.hub.proxies import leave_out_this_machine

logger = logging.getLogger(__name__)

# They would open this machine's files, a public tunnel or an editor of this program.
_OPENING = (
    "GRADIO_ALLOWED_PATHS",
    "GRADIO_SHARE",
    "GRADIO_MCP_SERVER",
    "GRADIO_VIBE_MODE",
    "GRADIO_DEBUG",
)
_PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy", "http_proxy")


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
    _drop_unusable_proxies(environ)
    leave_out_this_machine(environ)


def _drop_unusable_proxies(environ: MutableMapping[str, str]) -> None:
    usable = {"http", "https"}
    if importlib.util.find_spec("socksio"):
        usable |= {"socks5", "socks5h"}
    for name in _PROXIES:
        scheme, separator, _ = environ.get(name, "").partition("://")
        if separator and scheme.lower() not in usable:
            del environ[name]
            logger.warning(
                "the proxy in %s is not used: this program can't speak %r", name, scheme[:20]
            )
