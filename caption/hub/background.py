"""A model's download beside a running app: started, asked how far it is, stopped."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from typing import Literal

from caption.errors import Cancelled, CaptionError
from caption.hub.download import download_model, probe_hub
from caption.hub.specs import RECOMMENDED

logger = logging.getLogger(__name__)
PROBE_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class DownloadStatus:
    """How far a background download is. `code` is the error's code when `phase` is "failed"."""

    phase: Literal["off", "looking", "running", "done", "failed"] = "off"
    done_bytes: int = 0
    total_bytes: int = 0
    code: str | None = None

    @property
    def settled(self) -> bool:
        """Whether nothing will change any more."""
        return self.phase in ("off", "done", "failed")


class BackgroundDownload:
    """Fetches the model `name` in a thread of its own.

    Unless it is `wanted`, a hub is asked first (at most `PROBE_TIMEOUT_S`), and without an answer
    nothing happens. What was fetched before a `stop` is taken up by the next run.
    """

    def __init__(self, name: str = RECOMMENDED, *, wanted: bool = False) -> None:
        self.name = name
        self._wanted = wanted
        self._stopped = threading.Event()
        self._status = DownloadStatus("looking")
        self._thread = threading.Thread(target=self._run, name=f"download-{name}", daemon=True)

    @property
    def status(self) -> DownloadStatus:
        return self._status

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> None:
        """Ask the thread to end at its next chunk and wait for it, at most `timeout_s` seconds."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            source = "auto" if self._wanted else probe_hub(PROBE_TIMEOUT_S, self.name)
            if source is None:
                self._status = DownloadStatus("off")
                return
            self._status = DownloadStatus("running")
            download_model(
                self.name, source=source, on_progress=self._progress, stop=self._stopped.is_set
            )
            self._status = replace(self._status, phase="done")
        except Cancelled:
            self._status = DownloadStatus("off")
        except CaptionError as error:
            logger.warning("the download of %s failed: %s", self.name, error)
            self._status = replace(self._status, phase="failed", code=error.code)
        except Exception:  # the app goes on with the model it has; the traceback is for the log
            logger.exception("the download of %s failed", self.name)
            self._status = replace(self._status, phase="failed", code="internal")

    def _progress(self, done_bytes: int, total_bytes: int) -> None:
        self._status = DownloadStatus("running", done_bytes, total_bytes)
