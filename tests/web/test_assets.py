"""The page's style and script, and the values that the script gets."""

from __future__ import annotations

import json
import re

from caption.locale import text
from caption.web.assets import SCRIPTS, STATIC, VALUES_ID, page_css, page_head, page_js


def values_of(head: str) -> dict[str, object]:
    """What page.js reads from the head's only element."""
    match = re.fullmatch(r'<script type="application/json" id="([^"]*)">([^<]*)</script>', head)
    assert match is not None
    assert match[1] == VALUES_ID
    values: dict[str, object] = json.loads(match[2])
    return values


def test_the_head_carries_the_values() -> None:
    values = values_of(page_head(20, {"cat.png": "a cat"}))
    assert values["maxBytes"] == 20
    assert values["exampleNames"] == {"cat.png": "a cat"}
    assert values["language"] == "zh-CN"


def test_no_value_ends_the_element() -> None:
    wild = "</script><script>alert(1)</script><!--"
    assert values_of(page_head(20, {"wild.png": wild}))["exampleNames"] == {"wild.png": wild}


def test_the_scripts_get_every_text_they_use_and_no_other() -> None:
    texts = values_of(page_head(20, {}))["texts"]
    sources = "".join((STATIC / name).read_text(encoding="utf-8") for name in SCRIPTS)
    assert isinstance(texts, dict)
    assert set(texts) == set(re.findall(r"\btexts\.(\w+)", sources)) - {"texts"}
    assert all(texts[name] == text(f"script.{name}") for name in texts)


def test_the_script_is_one_function_of_every_file() -> None:
    script = page_js()
    assert script.startswith("() => {")
    assert script.endswith("}")
    for name in SCRIPTS:
        assert (STATIC / name).read_text(encoding="utf-8") in script
    # every file of the folder is used
    assert {path.name for path in STATIC.iterdir()} == {*SCRIPTS, "page.css"}
    assert page_css() == (STATIC / "page.css").read_text(encoding="utf-8")
