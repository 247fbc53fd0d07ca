"""The folder of uploaded files: where it is, that it doesn't fill the disk, and that half-written
files don't stay.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from caption.errors import CaptionError

STALE_UPLOAD_S = 3600.0
MIN_FREE_BYTES = 2**30  # left on the disk by uploads


def upload_folder() -> Path:
    """Where Gradio keeps uploads, as its `get_upload_folder` finds it."""
    return Path(
        os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio"
    ).resolve()


def check_disk(folder: Path) -> None:
    """Raise `CaptionError` (disk_full) where an upload could fill the disk; the folder needn't be
    there yet.
    """
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if shutil.disk_usage(existing).free < MIN_FREE_BYTES:
        raise CaptionError("the disk is nearly full", code="disk_full")


async def sweep_uploads(folder: Path) -> None:
    """Remove stale uploads again and again, until cancelled."""
    while True:
        await asyncio.to_thread(remove_stale_uploads, folder)
        await asyncio.sleep(STALE_UPLOAD_S / 4)


def remove_stale_uploads(folder: Path, older_than_s: float = STALE_UPLOAD_S) -> None:
    """Delete the temporary files of uploads that never ended; Gradio leaves them for ever."""
    now = time.time()
    for path in folder.glob("tmp*"):
        with suppress(OSError):  # another process was faster, or it isn't ours
            if path.is_file() and now - path.lstat().st_mtime > older_than_s:
                path.unlink()
