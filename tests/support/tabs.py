"""A tab made by a test, as a developer would add one: one file in the package `caption.web.tabs`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from caption.web import tabs

SOURCE = """
import gradio as gr

from caption.web.components import PAGE_EVENT, PictureInput
from caption.web.progress import note_html, progress_html

ORDER = {order}


def title():
    return "Second"


def build(service, shared):
    picture = PictureInput(
        label="picture", type="filepath", elem_id="second-picture", elem_classes="tab-picture"
    )
    run = gr.Button("run", elem_id="second-run", elem_classes="tab-run")
    progress = gr.HTML(note_html(""), elem_id="second-progress", elem_classes="tab-progress")
    result = gr.Textbox(label="result", elem_id="second-result", elem_classes="tab-result")

    def describe(path):
        yield progress_html(1), ""
        yield note_html("done"), f"got {{type(path).__name__}}"

    run.click(describe, [picture], [progress, result], **PAGE_EVENT)
"""
LAST = 1_000_000  # behind every tab there may ever be


def add_tab(folder: Path, monkeypatch: pytest.MonkeyPatch, *, order: int = LAST) -> None:
    """Put second.py into `folder` and the folder into the package, until the test ends. Its button
    shows progress, then the type of what its picture input gives: "got str" with a picture, "got
    NoneType" without.
    """
    (folder / "second.py").write_text(SOURCE.format(order=order))
    monkeypatch.setattr(tabs, "__path__", [*tabs.__path__, str(folder)])
    # imported anew, and forgotten afterwards
    monkeypatch.setitem(sys.modules, f"{tabs.__name__}.second", None)
    monkeypatch.delitem(sys.modules, f"{tabs.__name__}.second")
