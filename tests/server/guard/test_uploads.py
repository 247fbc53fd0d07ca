"""The folder of uploads: a full disk, and files that stayed behind."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from caption.server.guard import uploads
from caption.server.guard.middleware import GuardMiddleware
from caption.server.guard.uploads import remove_stale_uploads
from tests.support.asgi import echo, request

CALL = "/gradio_api/call/describe"
UPLOAD = "/gradio_api/upload"


def test_uploads_stop_before_the_disk_is_full(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MIN_FREE_BYTES", 2**62)
    app = GuardMiddleware(echo, folder=folder / "not" / "yet")
    assert request(app, UPLOAD, method="POST", chunks=[b"x"]).code == "disk_full"
    assert request(app, CALL, method="POST", chunks=[b"{}"]).status == 200


def test_stale_uploads_are_cleared_away(folder: Path) -> None:
    for name, age_s in (("tmpold", 7200), ("tmpnew", 60), ("other", 7200)):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time.time() - age_s,) * 2)
    (folder / "tmpfolder").mkdir()
    remove_stale_uploads(folder)
    remove_stale_uploads(folder / "missing")
    assert sorted(path.name for path in folder.iterdir()) == ["abc", "other", "tmpfolder", "tmpnew"]
