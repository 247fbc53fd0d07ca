"""find: which pictures a source means, and what is passed over."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from caption.errors import OptionsError
from caption.jobs import find as find_module
from caption.jobs.find import Fault, find_pictures
from tests.support.batches import draw


def names(source: Any, **more: bool) -> list[str]:
    return [picture.name for picture in find_pictures(source, **more).pictures]


class TestFinding:
    def test_a_folder(self, folder: Path) -> None:
        assert names(folder) == ["a.png", "b.bmp", "bad.jpg", "copy.PNG"]
        assert names(folder, recursive=True) == [*names(folder), "sub/图 1.webp"]
        assert find_pictures(folder).skipped == ()

    def test_a_picture(self, folder: Path) -> None:
        assert names(folder / "sub" / "图 1.webp") == ["图 1.webp"]

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("*.png", ["a.png"]),
            ("[ab].*", ["a.png", "b.bmp"]),
            ("*", ["a.png", "b.bmp", "bad.jpg", "copy.PNG"]),
            ("*/*", ["sub/图 1.webp"]),
            ("s?b/*.webp", ["sub/图 1.webp"]),
            ("**", ["a.png", "b.bmp", "bad.jpg", "copy.PNG", "sub/图 1.webp"]),
            ("**/*.[pw]*", ["a.png", "sub/图 1.webp"]),
            ("*/a.png", []),
        ],
    )
    def test_a_pattern(self, folder: Path, pattern: str, expected: list[str]) -> None:
        assert names(folder / pattern) == expected

    def test_a_pattern_in_all_folders(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(folder)
        assert names("*.webp") == []
        assert names("*.webp", recursive=True) == ["sub/图 1.webp"]

    def test_a_folder_whose_name_is_a_pattern(self, tmp_path: Path) -> None:
        draw(tmp_path / "[x]" / "a.png", (1, 2, 3))
        assert names(tmp_path / "[x]") == ["a.png"]

    def test_a_list(self, folder: Path, tmp_path: Path) -> None:
        elsewhere = draw(tmp_path / "elsewhere.png", (1, 2, 3))
        listed = folder / "list.txt"
        listed.write_text(
            f"\ufeffsub/图 1.webp\r\n\n  a.png\nsub/../a.png\n{elsewhere}\nnowhere.png\n",
            encoding="utf-8",
        )
        selection = find_pictures(listed)
        assert [picture.name for picture in selection.pictures] == [
            "sub/图 1.webp",
            "a.png",
            str(elsewhere),
            "nowhere.png",
        ]
        assert [picture.path for picture in selection.pictures][:2] == [
            folder / "sub/图 1.webp",
            folder / "a.png",
        ]

    @pytest.mark.parametrize("source", ["nowhere", "", "nowhere/*.png", "a\0b", "x" * 5000])
    def test_nothing(self, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        if not source:
            (tmp_path / "list").write_bytes(b"\xff\xfe\0")
            source = "list"
        with pytest.raises(OptionsError) as caught:
            find_pictures(source)
        assert caught.value.details["name"] == "source"

    def test_links_loops_and_special_files_are_listed(
        self, folder: Path, tmp_path: Path, monkeypatch
    ) -> None:
        outside = draw(tmp_path / "outside" / "secret.png", (9, 9, 9))
        (folder / "inside.png").symlink_to("a.png")
        (folder / "out.png").symlink_to(outside)
        (folder / "out").symlink_to(outside.parent)
        (folder / "broken.png").symlink_to("nothing.png")
        (folder / "me.png").symlink_to("me.png")
        (folder / "sub" / "up").symlink_to("..")
        (folder / "again").symlink_to("sub")
        os.mkfifo(folder / "pipe.png")
        monkeypatch.chdir(folder)  # a socket's path must be short
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("socket.png")
            selection = find_pictures(folder, recursive=True)
        assert [picture.name for picture in selection.pictures] == [
            "a.png", "b.bmp", "bad.jpg", "copy.PNG", "inside.png", "sub/图 1.webp",
        ]  # fmt: skip
        assert {fault.path: fault.code for fault in selection.skipped} == {
            "again": "link_folder", "broken.png": "link_broken", "me.png": "link_loop", "out": "link_outside",
            "out.png": "link_outside", "pipe.png": "special_file", "socket.png": "special_file", "sub/up": "link_loop",
        }  # fmt: skip
        assert {fault.code for fault in selection.skipped} <= set(find_module.FAULTS)

    def test_names_that_no_format_can_hold(self, folder: Path) -> None:
        data = (folder / "a.png").read_bytes()
        (folder / "two\nlines.png").write_bytes(data)
        Path(os.fsdecode(os.fsencode(folder) + b"/gbk \xb9\xfa.png")).write_bytes(data)
        selection = find_pictures(folder)
        assert [picture.name for picture in selection.pictures] == [
            "a.png",
            "b.bmp",
            "bad.jpg",
            "copy.PNG",
        ]
        assert selection.skipped == (
            Fault("gbk \\udcb9\\udcfa.png", "bad_name"),
            Fault("two\\nlines.png", "bad_name"),
        )

    def test_a_folder_that_cannot_be_listed(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scandir = os.scandir

        def refuse(path):
            if Path(path).name == "sub":
                raise PermissionError("no")
            return scandir(path)

        monkeypatch.setattr(find_module.os, "scandir", refuse)
        assert find_pictures(folder, recursive=True).skipped == (Fault("sub", "unreadable"),)
