"""The page's style and script, and the script's values: one JSON `<script>` in the page's head."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from caption.locale import text

STATIC = Path(__file__).resolve().parent / "static"
SCRIPTS = ("page.js", "evidence.js")  # in the order in which they run
VALUES_ID = "blip-values"

_SCRIPT_TEXTS = (
    "upload",
    "paste",
    "remove",
    "copy",
    "percent",
    "percent_number",
    "error",
    "picture",
    "close",
    "picture_changed",
)


def page_css() -> str:
    return (STATIC / "page.css").read_text(encoding="utf-8")


def page_js() -> str:
    """A function that Gradio calls when the page has loaded; every file has a scope of its own."""
    sources = [(STATIC / name).read_text(encoding="utf-8") for name in SCRIPTS]
    blocks = "\n".join(f"{{\n{source}}}" for source in sources)
    return f"() => {{\n{blocks}\n}}"


def page_head(max_bytes: int, example_names: Mapping[str, str]) -> str:
    """The values of page.js. `max_bytes`: the largest picture that may be sent; `example_names`:
    what is shown for an example's file name.
    """
    values = {
        "language": text("page.language"),
        "maxBytes": max_bytes,
        "exampleNames": dict(example_names),
        "texts": {name: text(f"script.{name}") for name in _SCRIPT_TEXTS},
    }
    # "</script>" within a value must not end the element
    content = json.dumps(values, ensure_ascii=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="{VALUES_ID}">{content}</script>'
