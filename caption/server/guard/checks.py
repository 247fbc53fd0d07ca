"""What a request to Gradio's routes may name: routes that callers of this app need, and files that
were uploaded. The check of a JSON body serves the API too.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from caption.errors import CaptionError
from caption.server.guard.hosts import ORIGIN, PORTS, HostPort, host_port

MAX_JSON_ITEMS = 10_000  # a call has some 30; millions of empty lists would take gigabytes

GRADIO = "/gradio_api/"  # gradio's own `API_PREFIX`
UPLOAD = f"{GRADIO}upload"
FILE = f"{GRADIO}file="
# What the page, gradio_client and plain HTTP callers need. Closed on purpose: component_server,
# custom_component, deep_link, dev, mcp, monitoring, process_recording (stores and converts films),
# profiling, proxy=, run-history (talks to a hub with a client's token), stream, vibe-* (rewrites
# the program).
OPEN_ROUTES = frozenset(
    {
        "info",
        "openapi.json",
        "app_id",
        "queue",
        "call",
        "run",
        "api",
        "upload",
        "upload_progress",
        "heartbeat",
        "cancel",
        "reset",
        "startup-events",
        "theme.css",
        "login_check",
    }
)
OLDER_API = "/blip-analyze-image"  # answers failures in a shape of its own

# A scheme of two letters or more (C: is a drive), or what Windows and browsers read as another
# machine.
_REMOTE = re.compile(r"[a-z][a-z0-9+.\-]+:|[\\/]{2}", re.ASCII | re.I)
_IGNORED_BEFORE_URLS = "".join(map(chr, range(33)))  # spaces and control characters


def is_remote(text: str) -> bool:
    """Whether a client's path is a URL or a network share rather than a file on this machine."""
    return _REMOTE.match(text.lstrip(_IGNORED_BEFORE_URLS)) is not None


def check_route(path: str) -> None:
    """Raise `CaptionError` (url_forbidden, not_found) for what no caller of this app needs."""
    if path.startswith(FILE):
        if is_remote(path.removeprefix(FILE)):
            raise CaptionError("file= with a URL", code="url_forbidden")
    elif path.startswith(GRADIO):
        rest = path.removeprefix(GRADIO)
        if rest.startswith(("proxy=", "file/")):
            raise CaptionError("a relay", code="url_forbidden")
        if rest.split("/")[0] not in OPEN_ROUTES:
            raise CaptionError(f"{path[:200]!r} is closed", code="not_found")
    elif path.split("/")[1:2] == ["monitoring"]:
        raise CaptionError(f"{path[:200]!r} is closed", code="not_found")


def check_json(content: bytes, *, folder: Path, own: HostPort | None) -> None:
    """Raise `CaptionError` (bad_json, url_forbidden) unless a body is acceptable JSON, whatever its
    content type says.

    Gradio reads bodies with the same `json.loads`, so both see the same value.
    """
    check_payload(parse_json(content), folder=folder, own=own)


def parse_json(content: bytes) -> object:
    """The value of a JSON body of reasonable shape, None for an empty one. Raises `CaptionError`
    (bad_json).
    """
    items = sum(map(content.count, (b",", b"[", b"{")))
    if items > MAX_JSON_ITEMS:
        raise CaptionError(f"JSON of {items} items", code="bad_json")
    try:
        return json.loads(content) if content else None
    except (ValueError, RecursionError) as error:
        raise CaptionError(f"no JSON: {type(error).__name__}", code="bad_json") from error


def check_payload(payload: object, *, folder: Path, own: HostPort | None) -> None:
    """Raise `CaptionError` (url_forbidden) unless every file a JSON value names was uploaded to
    `folder`.

    Gradio 6.31 fetches a `path` that is a URL, and opens any `path` on this machine when the dict
    has no `meta`. A `url` may be a data URL, or point at this server (`own`) beside an uploaded
    `path`, as the page sends it: Gradio doesn't look at it then.
    """
    waiting = [payload]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
            path, url = value.get("path"), value.get("url")
            if isinstance(path, str) and not _is_upload(path, folder):
                raise CaptionError(f"path {path[:200]!r} was not uploaded", code="url_forbidden")
            if isinstance(url, str) and not _is_harmless(url, path=path, own=own):
                raise CaptionError(
                    f"url {url[:200]!r} is not an uploaded file", code="url_forbidden"
                )


def _is_harmless(url: str, *, path: object, own: HostPort | None) -> bool:
    """Whether Gradio won't fetch the URL that stands beside a path."""
    if not url or url.startswith("data:"):
        return True
    match = ORIGIN.match(url)
    if match is None:
        is_own = url.startswith("/") and not is_remote(url)
    else:
        port = PORTS[match["scheme"].lower()]
        is_own = own is not None and host_port(match["host"], port) == own
    return is_own and isinstance(path, str)


def _is_upload(path: str, folder: Path) -> bool:
    if is_remote(path):  # first: resolving a network share would call that machine
        return False
    try:
        return Path(path).resolve().is_relative_to(folder)
    except (ValueError, OSError, RuntimeError):  # NUL, too long, a loop of links
        return False
