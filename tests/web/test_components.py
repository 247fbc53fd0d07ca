"""Gradio's workarounds: errors as toasts."""

from __future__ import annotations

import pytest

from caption.errors import CaptionError
from caption.web.components import toast


def test_a_toast_escapes_what_it_says(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("caption.locale.messages.message", lambda error: "<img src=x>")
    assert toast(CaptionError("x")).message == "&lt;img src=x&gt;"
