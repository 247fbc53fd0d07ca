"""A tab is one file: it is found, and the page's script acts on the tab that is shown."""

from __future__ import annotations

import sys
from pathlib import Path

import gradio as gr
import pytest

from caption.server.service import Service
from caption.web import tabs
from caption.web.app import build_demo
from caption.web.assets import page_css
from tests.support.browser import FakeDescriber
from tests.support.tabs import add_tab


def titles() -> list[str]:
    return [module.title() for module in tabs.tab_modules()]


def blocks(kind: str) -> list[gr.blocks.Block]:
    demo = build_demo(Service(FakeDescriber()))  # type: ignore[arg-type]
    return [block for block in demo.blocks.values() if block.get_block_name() == kind]


@pytest.mark.slow
def test_one_tab_has_no_tab_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    first = tabs.tab_modules()[0]
    assert first.title() == "描述图片"
    monkeypatch.setattr(tabs, "tab_modules", lambda: [first])
    assert blocks("tabs") == blocks("tabitem") == []


def test_a_second_tab_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = titles()
    add_tab(tmp_path, monkeypatch)
    assert titles() == [*before, "Second"]
    assert len(blocks("tabs")) == 1
    assert [tab.label for tab in blocks("tabitem")] == [*before, "Second"]


def test_tabs_stand_in_the_order_they_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = titles()
    add_tab(tmp_path, monkeypatch, order=-1)
    assert titles() == ["Second", *before]


def test_the_made_tab_is_gone_afterwards() -> None:
    assert "caption.web.tabs.second" not in sys.modules
    assert "Second" not in titles()


def test_the_style_knows_a_tabs_parts_by_classes() -> None:
    """A tab's ids are its own: what is styled by them is lost on the next tab."""
    ids = {block.elem_id for block in blocks("html") if "tab-" in " ".join(block.elem_classes)}
    assert ids == {"progress", "sentences", "dropped"}
    assert not [f"#{name}" for name in ids if f"#{name}" in page_css()]
