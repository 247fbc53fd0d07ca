"""What the tests of a batch share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.batches import draw


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures, one of them below and one the copy of another, a broken one, and what is no
    picture.
    """
    folder = tmp_path / "pictures"
    for number, name in enumerate(("a.png", "b.bmp", "sub/图 1.webp")):
        draw(folder / name, (number, 20, 30))
    (folder / "copy.PNG").write_bytes((folder / "a.png").read_bytes())
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (folder / "notes.txt").write_text("not for us")
    (folder / ".hidden.png").write_bytes((folder / "a.png").read_bytes())
    return folder
