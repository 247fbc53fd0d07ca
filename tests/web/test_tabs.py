"""A tab is one file: it is found, and the page's script acts on the tab that is shown."""

from __future__ import annotations

import sys
from pathlib import Path

import gradio as gr
import pytest

from caption.server.service import Service
from caption.web import tabs
from caption.web.app import build_demo
from tests.support.browser import FakeDescriber
from tests.support.tabs import add_tab


def blocks(kind: str) -> list[gr.blocks.Block]:
    demo = build_demo(Service(FakeDescriber()))  # type: ignore[arg-type]
    return [block for block in demo.blocks.values() if block.get_block_name() == kind]


@pytest.mark.slow
def test_one_tab_has_no_tab_bar() -> None:
    (module,) = tabs.tab_modules()
    assert module.title() == "描述图片"
    assert blocks("tabs") == blocks("tabitem") == []


def test_a_second_tab_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_tab(tmp_path, monkeypatch)
    assert [module.title() for module in tabs.tab_modules()] == ["描述图片", "Second"]
    assert len(blocks("tabs")) == 1
    assert [tab.label for tab in blocks("tabitem")] == ["描述图片", "Second"]


def test_tabs_stand_in_the_order_they_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_tab(tmp_path, monkeypatch, order=1)
    assert [module.title() for module in tabs.tab_modules()] == ["Second", "描述图片"]


def test_the_made_tab_is_gone_afterwards() -> None:
    assert "caption.web.tabs.second" not in sys.modules
    assert len(tabs.tab_modules()) == 1
