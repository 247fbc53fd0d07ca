"""The download beside the app: when it begins, what it tells, how it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from caption.errors import Cancelled, CaptionError
from caption.hub import background
from caption.hub.background import BackgroundDownload, DownloadStatus
from tests.support.browser import until


def test_no_hub_no_download(monkeypatch: pytest.MonkeyPatch):
    asked: list[float] = []
    monkeypatch.setattr(background, "probe_hub", lambda timeout_s, name: asked.append(timeout_s))
    monkeypatch.setattr(
        background,
        "download_model",
        lambda *_, **__: pytest.fail("nothing answered, nothing is fetched"),
    )
    download = BackgroundDownload()
    assert download.status == DownloadStatus("looking")
    assert not download.status.settled
    download.start()
    assert until(lambda: download.status.settled)
    assert (download.status, asked) == (DownloadStatus("off"), [5.0])


@pytest.mark.parametrize("wanted", [False, True])
def test_a_download_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch, wanted: bool):
    go_on = threading.Event()
    sources: list[str] = []

    def fetch(
        name: str, *, source: str, on_progress: Callable[[int, int], None], stop: Callable[[], bool]
    ) -> Path:
        sources.append(source)
        on_progress(3, 10)
        go_on.wait(10)
        on_progress(10, 10)
        return Path(name)

    monkeypatch.setattr(background, "probe_hub", lambda timeout_s, name: "huggingface")
    monkeypatch.setattr(background, "download_model", fetch)
    download = BackgroundDownload("large", wanted=wanted)
    download.start()
    assert until(lambda: download.status == DownloadStatus("running", 3, 10))
    go_on.set()
    assert until(lambda: download.status == DownloadStatus("done", 10, 10))
    assert sources == ["auto" if wanted else "huggingface"]


@pytest.mark.parametrize(
    ("error", "code"),
    [(CaptionError("x", code="disk_full"), "disk_full"), (ValueError("unforeseen"), "internal")],
)
def test_a_failed_download_is_told(monkeypatch: pytest.MonkeyPatch, error: Exception, code: str):
    def fetch(*_: object, **__: object) -> Path:
        raise error

    monkeypatch.setattr(background, "download_model", fetch)
    download = BackgroundDownload(wanted=True)
    download.start()
    assert until(lambda: download.status == DownloadStatus("failed", code=code))


def test_a_stopped_download_ends(monkeypatch: pytest.MonkeyPatch):
    def fetch(name: str, *, source: str, on_progress: object, stop: Callable[[], bool]) -> Path:
        assert until(stop)
        raise Cancelled("stopped")

    monkeypatch.setattr(background, "download_model", fetch)
    download = BackgroundDownload(wanted=True)
    download.start()
    download.stop(10)
    assert download.status == DownloadStatus("off")
    BackgroundDownload().stop()  # one that never started
