"""files: whole or not there, and what becomes of a text that is there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from caption.errors import CaptionError
from caption.jobs import files
from caption.jobs.files import MAX_NAME_BYTES, hidden, write_file, write_text_file


class TestFiles:
    def test_a_file_is_replaced_whole_and_keeps_its_permissions(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        write_file(path, b"one")
        path.chmod(0o640)
        write_file(path, b"two")
        assert path.read_bytes() == b"two"
        assert path.stat().st_mode & 0o777 == 0o640
        assert os.listdir(tmp_path) == ["a.txt"]

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
    def test_a_failure_leaves_the_old_file_and_nothing_else(
        self, tmp_path: Path, monkeypatch, number: int
    ) -> None:
        path = tmp_path / "a.txt"
        path.write_bytes(b"old")

        def fail(descriptor: int) -> None:
            raise OSError(number, "no")

        monkeypatch.setattr(files.os, "fsync", fail)
        with pytest.raises(OSError if number == errno.EIO else CaptionError) as caught:
            write_file(path, b"new")
        assert getattr(caught.value, "code", "disk_full") == "disk_full"
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["a.txt"]

    def test_links_are_not_written_through(self, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_bytes(b"mine")
        folder = tmp_path / "pictures"
        folder.mkdir()
        (folder / "a.txt").symlink_to(secret)
        (folder / ".a.txt.part").symlink_to(secret)
        write_file(folder / "a.txt", b"new")
        assert secret.read_bytes() == b"mine"
        assert (folder / "a.txt").read_bytes() == b"new"
        assert os.listdir(folder) == ["a.txt"]

    def test_long_names(self, tmp_path: Path) -> None:
        path = tmp_path / ("图" * (MAX_NAME_BYTES // 3))
        write_file(path, b"one")
        write_file(path, b"two")
        assert path.read_bytes() == b"two"
        assert hidden(Path("a/b.txt"), ".part") == Path("a/.b.txt.part")
        assert hidden(Path("a/.b.journal"), ".lock") == Path("a/.b.journal.lock")


class TestTextFiles:
    @pytest.mark.parametrize(
        ("existing", "before", "then"),
        [
            ("skip", None, "a dog\n"),
            ("skip", "by hand", "by hand"),
            ("skip", "ours\n", "a dog\n"),
            ("overwrite", "by hand", "a dog\n"),
            ("append", None, "a dog\n"),
            ("append", "by hand", "by hand\na dog\n"),
            ("append", "by hand\r\na dog\r\n", "by hand\r\na dog\r\n"),
        ],
    )
    def test_what_becomes_of_a_text(
        self, tmp_path: Path, existing: str, before: str | None, then: str
    ) -> None:
        path = tmp_path / "new" / "a.txt"
        if before is not None:
            path.parent.mkdir()
            path.write_bytes(before.encode())
        for _ in range(2):  # again changes nothing
            write_text_file(path, "a dog", existing, {"ours"})
            assert path.read_bytes() == then.encode()

    def test_bytes_of_others_stay_as_they_are(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_bytes("狗".encode("gbk"))
        write_text_file(path, "a dog", "append")
        assert path.read_bytes() == "狗".encode("gbk") + b"\na dog\n"

    def test_only_regular_files(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "a.txt")
        with pytest.raises(OSError, match="regular"):
            write_text_file(tmp_path / "a.txt", "a dog", "overwrite")
