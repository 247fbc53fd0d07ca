"""What stands between a stranger on the network and Gradio's server: a pure ASGI middleware, and a
safe environment.

The app listens on every interface, and Gradio 6.31 by itself would fetch URLs and open files a
client names, let every web site's script call it, take bodies of any size and put exception texts
into answers. `guard_lifespan` closes that:

    prepare_environment()  # before gradio is imported
    demo.launch(app_kwargs={"lifespan": guard_lifespan(allowed_hosts=...)}, ...)

A plain `app_kwargs={"middleware": ...}` would sit inside Gradio's CORS middleware, which answers
preflights and adds its headers outside of it.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

STALE_UPLOAD_S = 3600.0


def upload_folder() -> Path:
    """Where Gradio keeps uploads, as its `get_upload_folder` finds it."""
    return Path(
        os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio"
    ).resolve()


async def sweep_uploads(folder: Path) -> None:
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
