"""batch: what is found, what is written down, and that nothing is lost or done twice however a run
ends.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from caption.errors import Cancelled, CaptionError, ImageError, ModelError, OptionsError
from caption.flow import Stop, drain
from caption.image.metadata import caption_of, content_hash
from caption.jobs import find as find_module
from caption.jobs import local as local_module
from caption.jobs import run as run_module
from caption.jobs.find import Fault, find_pictures
from caption.jobs.local import run_batch
from caption.jobs.options import BatchOptions, options_key
from caption.jobs.report import BatchProgress, BatchReport
from caption.options import DescribeOptions
from caption.types import CaptionStats, Description, Sentence, StageTimes
from scripts.demo_model.drawing import draw as draw_scene
from scripts.demo_model.scenes import HELD_OUT_SEEDS, random_scene
from tests.support.paths import ROOT


class ColourDescriber:
    """Says a picture's colour, and counts what it was asked."""

    def __init__(
        self, name: str = "colours", fail: Callable[[str], CaptionError | None] = lambda text: None
    ) -> None:
        self.name, self.fail = name, fail
        self.batches: list[list[str]] = []
        self.options: list[DescribeOptions] = []

    def describe_batch(self, images, options, stop=None) -> list[Description | CaptionError]:
        if stop is not None and stop():
            raise Cancelled("stopped")
        texts = ["a picture of " + " ".join(map(str, image.getpixel((0, 0)))) for image in images]
        self.batches.append(texts)
        self.options.append(options)
        return [self.fail(text) or self.description(text) for text in texts]

    def description(self, text: str) -> Description:
        return Description(
            text, (), (), CaptionStats(), StageTimes(), self.name, "cpu", "float32", 0
        )

    @property
    def described(self) -> int:
        return sum(map(len, self.batches))


def draw(path: Path, colour: tuple[int, int, int]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)
    return path


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


def stream(
    source: Any, output: Any, describer: Any = None, stop: Stop = None, **options: Any
) -> Generator[BatchProgress, None, BatchReport]:
    """A batch on this machine; `options` are fields of `BatchOptions`."""
    describer = describer or ColourDescriber()
    return run_batch(describer, source, output, BatchOptions(**options), stop=stop)


def run(source: Any, output: Any, describer: Any = None, **options: Any) -> BatchReport:
    return drain(stream(source, output, describer, **options))


def lines(path: Path) -> list[dict]:
    data = path.read_bytes()
    assert data == b"" or data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


def captions(path: Path) -> dict[str, str]:
    found = lines(path)
    assert len({line["path"] for line in found}) == len(found)
    return {line["path"]: line["caption"] for line in found}


def names(source: Any, **more: bool) -> list[str]:
    return [one.name for one in find_pictures(source, **more).pictures]


class TestFinding:
    def test_a_folder(self, folder: Path) -> None:
        assert names(folder) == ["a.png", "b.bmp", "bad.jpg", "copy.PNG"]
        assert names(folder, recursive=True) == [*names(folder), "sub/图 1.webp"]
        assert find_pictures(folder).skipped == ()

    def test_a_picture(self, folder: Path) -> None:
        assert names(folder / "sub" / "图 1.webp") == ["图 1.webp"]

    @pytest.mark.parametrize(
        ("pattern", "found"),
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
    def test_a_pattern(self, folder: Path, pattern: str, found: list[str]) -> None:
        assert names(folder / pattern) == found

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
        found = find_pictures(listed)
        assert [one.name for one in found.pictures] == [
            "sub/图 1.webp",
            "a.png",
            str(elsewhere),
            "nowhere.png",
        ]
        assert [one.path for one in found.pictures][:2] == [
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
            found = find_pictures(folder, recursive=True)
        assert [one.name for one in found.pictures] == [
            "a.png", "b.bmp", "bad.jpg", "copy.PNG", "inside.png", "sub/图 1.webp",
        ]  # fmt: skip
        assert {one.path: one.code for one in found.skipped} == {
            "again": "link_folder", "broken.png": "link_broken", "me.png": "link_loop", "out": "link_outside",
            "out.png": "link_outside", "pipe.png": "special_file", "socket.png": "special_file", "sub/up": "link_loop",
        }  # fmt: skip
        assert {one.code for one in found.skipped} <= set(find_module.FAULTS)

    def test_names_that_no_format_can_hold(self, folder: Path) -> None:
        data = (folder / "a.png").read_bytes()
        (folder / "two\nlines.png").write_bytes(data)
        Path(os.fsdecode(os.fsencode(folder) + b"/gbk \xb9\xfa.png")).write_bytes(data)
        found = find_pictures(folder)
        assert [one.name for one in found.pictures] == ["a.png", "b.bmp", "bad.jpg", "copy.PNG"]
        assert found.skipped == (
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


class TestOptions:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"format": "xml"},
            {"existing": "ask"},
            {"recursive": 1},
            {"write_metadata": "yes"},
            {"prefix": 3},
            {"suffix": "x" * 201},
            {"category": "dress", "describe": DescribeOptions(strategy="plain", prompt="a")},
            {"category": "dress", "describe": DescribeOptions(strategy="forced")},
            {"batch_size": 0},
            {"batch_size": 2, "describe": DescribeOptions(strategy="grounded")},
        ],
    )
    def test_refused(self, wrong: dict) -> None:
        with pytest.raises(OptionsError):
            BatchOptions(**wrong)

    def test_a_category_is_a_prompt(self) -> None:
        options = BatchOptions(category="summer dress")
        assert options.asked.prompt == "a summer dress product with "
        assert dataclasses.replace(options, format="csv").asked == options.asked

    def test_how_many_go_together(self) -> None:
        assert BatchOptions().together > 1
        assert BatchOptions(batch_size=3).together == 3
        assert BatchOptions(describe=DescribeOptions()).together == 1

    def test_the_key_tells_apart_what_changes_a_caption(self) -> None:
        different = (
            BatchOptions(),
            BatchOptions(prefix="x"),
            BatchOptions(suffix="x"),
            BatchOptions(category="x"),
            BatchOptions(describe=DescribeOptions(strategy="forced")),
            BatchOptions(describe=DescribeOptions(strategy="forced", seed=1)),
        )
        assert len({options_key(one) for one in different}) == len(different)
        assert options_key(BatchOptions()) == options_key(
            BatchOptions(format="csv", existing="append", batch_size=3)
        )
        seeded = BatchOptions(describe=DescribeOptions(strategy="plain", seed=1, detail="low"))
        assert options_key(BatchOptions()) == options_key(seeded), (
            "they do nothing to a plain caption"
        )


class TestRun:
    def test_a_line_for_every_picture(self, folder: Path, tmp_path: Path) -> None:
        output, describer = tmp_path / "new" / "captions.jsonl", ColourDescriber()
        report = run(folder, output, describer, recursive=True)
        assert captions(output) == {
            "a.png": "a picture of 0 20 30", "b.bmp": "a picture of 1 20 30", "bad.jpg": "",
            "copy.PNG": "a picture of 0 20 30", "sub/图 1.webp": lines(output)[4]["caption"],
        }  # fmt: skip
        assert lines(output)[0] == {
            "path": "a.png", "caption": "a picture of 0 20 30", "content": content_hash((folder / "a.png").read_bytes()),
            "model": "colours", "options": options_key(BatchOptions()),
        }  # fmt: skip
        assert lines(output)[2]["error"] == "image_truncated"
        assert describer.described == 3  # the copy has the same content
        assert (report.total, report.described, report.existing) == (5, 4, 0)
        assert report.failed == (Fault("bad.jpg", "image_truncated"),)
        assert report.exit_code == 3
        assert report.images_per_s > 0

    def test_again_does_nothing(self, folder: Path, tmp_path: Path) -> None:
        output, describer = tmp_path / "captions.jsonl", ColourDescriber()
        first = run(folder, output)
        before = output.read_bytes()
        again = run(folder, output, describer)
        assert output.read_bytes() == before
        assert describer.described == 0
        assert (again.described, again.existing, again.other) == (0, 3, 0)
        assert (again.failed, again.exit_code) == (first.failed, first.exit_code)

    def test_support_and_refusal(self, folder: Path, tmp_path: Path) -> None:
        class Grounded(ColourDescriber):
            def description(self, text: str) -> Description:
                refused = text.endswith("1 20 30")
                sentences = () if refused else (Sentence(text, "", 1, support=1 / 3),)
                return dataclasses.replace(
                    super().description("" if refused else text),
                    sentences=sentences,
                    refusal="blank" if refused else None,
                )

        describer = Grounded()
        report = run(
            folder / "?.*",
            tmp_path / "x.jsonl",
            describer,
            prefix="x ",
            describe=DescribeOptions(strategy="grounded"),
        )
        first, second = lines(tmp_path / "x.jsonl")
        assert (first["support"], first["caption"]) == (0.3333, "x a picture of 0 20 30")
        assert (second["refusal"], second["caption"]) == ("blank", "")
        # one after another
        assert describer.batches == [["a picture of 0 20 30"], ["a picture of 1 20 30"]]
        assert (report.refused, report.exit_code) == ((Fault("b.bmp", "blank"),), 0)
        again = run(folder / "?.*", tmp_path / "x.jsonl", Grounded(), prefix="x ", describe=DescribeOptions(strategy="grounded"))  # fmt: skip
        assert (again.existing, again.refused) == (2, report.refused), (
            "asked the same, it would refuse it again"
        )
        plain = ColourDescriber()
        assert run(folder / "?.*", tmp_path / "x.jsonl", plain).described == 1, (
            "another way it may be described"
        )
        assert plain.batches == [["a picture of 1 20 30"]]

    def test_prefix_suffix_and_category(self, folder: Path, tmp_path: Path) -> None:
        describer = ColourDescriber()
        run(
            folder / "a.png",
            tmp_path / "x.jsonl",
            describer,
            prefix="【",
            suffix="】\n!",
            category="hat",
        )
        assert captions(tmp_path / "x.jsonl") == {"a.png": "【a picture of 0 20 30】 !"}
        assert describer.options == [
            DescribeOptions(strategy="plain", prompt="a hat product with ")
        ]

    def test_pictures_go_together_and_progress_tells(self, tmp_path: Path) -> None:
        for number in range(7):
            draw(tmp_path / "p" / f"{number}.png", (number, 0, 0))
        (tmp_path / "p" / "3x.png").write_bytes(b"no picture")
        describer = ColourDescriber()
        steps = list(stream(tmp_path / "p", tmp_path / "x.jsonl", describer, batch_size=3))
        assert [len(one) for one in describer.batches] == [3, 3, 1]
        assert all(isinstance(step, BatchProgress) and step.total == 8 for step in steps)
        assert [step.done for step in steps] == [0, 3, 7, 8]
        assert [step.failed for step in steps] == [(), (), (Fault("3x.png", "image_invalid"),), ()]
        assert steps[-1].images_per_s > 0

    def test_large_pictures_share_a_batch_with_few(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(local_module, "MAX_PIXELS_TOGETHER", 100)  # a picture has 64
        for number in range(5):
            draw(tmp_path / "p" / f"{number}.png", (number, 0, 0))
        describer = ColourDescriber()
        run(tmp_path / "p", tmp_path / "x.jsonl", describer)
        assert [len(one) for one in describer.batches] == [2, 2, 1]

    def test_the_next_pictures_are_read_meanwhile(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """While the first batch is described the second is read, and no more than that."""
        for number in range(6):
            draw(tmp_path / "p" / f"{number}.png", (number, 0, 0))
        read: list[str] = []
        second = threading.Event()
        load = local_module.load_image

        def counted(data: bytes) -> Image.Image:
            read.append(threading.current_thread().name)
            if len(read) == 4:
                second.set()
            return load(data)

        class Waiting(ColourDescriber):
            def describe_batch(self, images, options, stop=None):
                if not self.batches:
                    assert second.wait(30)
                    time.sleep(0.05)
                    assert len(read) == 4
                return super().describe_batch(images, options, stop)

        monkeypatch.setattr(local_module, "load_image", counted)
        run(tmp_path / "p", tmp_path / "x.jsonl", Waiting(), batch_size=2)
        assert len(read) == 6
        assert {name.startswith("caption-reader") for name in read} == {True}

    def test_what_does_not_lie_in_the_file_is_tried_again(
        self, folder: Path, tmp_path: Path
    ) -> None:
        output = tmp_path / "captions.jsonl"
        tired = ColourDescriber(
            fail=lambda text: ModelError("no", code="out_of_memory") if " 1 " in text else None
        )
        report = run(folder / "?.*", output, tired)
        assert report.failed == (Fault("b.bmp", "out_of_memory"),)
        assert set(captions(output)) == {"a.png"}
        assert run(folder / "?.*", output).described == 1
        assert set(captions(output)) == {"a.png", "b.bmp"}

    def test_an_error_of_the_picture_is_not(self, folder: Path, tmp_path: Path) -> None:
        output = tmp_path / "captions.jsonl"
        run(
            folder / "a.png",
            output,
            ColourDescriber(fail=lambda text: ImageError("no", code="too_many_pixels")),
        )
        describer = ColourDescriber()
        assert run(folder / "a.png", output, describer).failed == (
            Fault("a.png", "too_many_pixels"),
        )
        assert describer.described == 0

    def test_files_that_go_or_can_not_be_opened(
        self, folder: Path, tmp_path: Path, monkeypatch
    ) -> None:
        listed = folder / "list.txt"
        os.mkfifo(folder / "pipe.png")
        listed.write_text("gone.png\npipe.png\nsub\nb.bmp\na.png\n")
        opening = local_module._open_at_once

        def refuse(path: str, flags: int) -> int:
            if path.endswith("b.bmp"):
                raise PermissionError("no")
            return opening(path, flags)

        monkeypatch.setattr(local_module, "_open_at_once", refuse)
        report = run(listed, tmp_path / "x.jsonl")
        assert report.failed == (Fault("gone.png", "no_image"),)
        assert set(report.skipped) == {
            Fault("pipe.png", "special_file"), Fault("sub", "special_file"), Fault("b.bmp", "unreadable"),
        }  # fmt: skip
        assert set(captions(tmp_path / "x.jsonl")) == {"a.png"}

    def test_a_stop_keeps_what_is_done(self, folder: Path, tmp_path: Path) -> None:
        output, describer = tmp_path / "captions.jsonl", ColourDescriber()
        with pytest.raises(Cancelled):
            run(folder, output, describer, stop=lambda: describer.described >= 1, batch_size=1)
        assert len(lines(output)) == 1
        run(folder, output, describer)
        assert set(captions(output)) == {"a.png", "b.bmp", "bad.jpg", "copy.PNG"}
        assert describer.described == 2

    def test_a_closed_run_leaves_nothing_open(self, folder: Path, tmp_path: Path) -> None:
        threads = threading.active_count()
        steps = stream(folder, tmp_path / "x.jsonl", batch_size=1)
        next(steps)
        next(steps)
        steps.close()
        assert threading.active_count() == threads
        assert run(folder, tmp_path / "x.jsonl").existing == 1

    def test_a_full_disk_ends_it(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(path: Path, data: bytes) -> None:
            raise CaptionError("no", code="disk_full")

        monkeypatch.setattr(run_module, "write_file", full)
        monkeypatch.setattr("caption.jobs.files.write_file", full)
        with pytest.raises(CaptionError) as caught:
            run(folder, tmp_path / "texts", format="kohya")
        assert caught.value.code == "disk_full"
        monkeypatch.undo()
        describer = ColourDescriber()
        run(folder, tmp_path / "texts", describer, format="kohya")
        assert describer.described == 1  # the line of the other was there already
        assert sorted(one.name for one in (tmp_path / "texts").glob("*.caption")) == [
            "a.caption",
            "b.caption",
            "copy.caption",
        ]


class TestExisting:
    """What becomes of captions that are there, of the same picture or of the one that stood there
    before.
    """

    def test_skip_leaves_them_whoever_wrote_them(self, folder: Path, tmp_path: Path) -> None:
        output, other = tmp_path / "captions.jsonl", ColourDescriber("large")
        run(folder, output)
        before = output.read_bytes()
        report = run(folder, output, other, prefix="new ")
        assert (report.existing, report.other, other.described) == (3, 3, 0)
        assert output.read_bytes() == before

    def test_skip_describes_a_changed_picture_anew(self, folder: Path, tmp_path: Path) -> None:
        output = tmp_path / "captions.jsonl"
        run(folder, output)
        draw(folder / "b.bmp", (99, 0, 0))
        draw(folder / "bad.jpg", (50, 50, 50))
        (folder / "a.png").unlink()
        report = run(folder, output)
        assert (report.described, report.existing, report.exit_code) == (2, 1, 0)
        found = captions(output)
        assert found["b.bmp"] == "a picture of 99 0 0"
        assert found["bad.jpg"] == "a picture of 50 50 50"
        assert found["a.png"] == "a picture of 0 20 30"  # what is gone isn't forgotten

    def test_what_another_picture_takes_the_place_of_is_told(
        self, folder: Path, tmp_path: Path
    ) -> None:
        draw(tmp_path / "other" / "a.png", (7, 7, 7))
        run(folder, tmp_path / "captions.jsonl")
        report = run(tmp_path / "other", tmp_path / "captions.jsonl")
        assert report.replaced == ("a.png",)
        assert captions(tmp_path / "captions.jsonl")["a.png"] == "a picture of 7 7 7"
        assert run(tmp_path / "other", tmp_path / "captions.jsonl").replaced == ()

    @pytest.mark.parametrize("source", ["nothing", "p*/*.jgp"])
    def test_no_picture_empties_nothing(self, folder: Path, tmp_path: Path, source: str) -> None:
        (tmp_path / "nothing").mkdir()
        output = tmp_path / "captions.jsonl"
        run(folder, output)
        before = output.read_bytes()
        with pytest.raises(OptionsError) as caught:
            run(tmp_path / source, output, existing="overwrite")
        assert caught.value.details["name"] == "no_picture"
        assert output.read_bytes() == before

    def test_overwriting_some_caption_files_disowns_no_others(self, folder: Path) -> None:
        run(folder, None, format="kohya")
        run(folder / "a*", None, format="kohya", existing="overwrite")
        draw(folder / "b.bmp", (99, 0, 0))
        assert run(folder, None, format="kohya").described == 1
        assert (folder / "b.caption").read_text() == "a picture of 99 0 0\n"

    def test_a_picture_that_memory_was_short_for_is_tried_again(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def short(data: bytes) -> Image.Image:
            raise ImageError("can't decode the image") from MemoryError()

        with monkeypatch.context() as patch:
            patch.setattr(local_module, "load_image", short)
            assert run(folder / "a.png", tmp_path / "captions.jsonl").failed == (
                Fault("a.png", "image_invalid"),
            )
        assert run(folder / "a.png", tmp_path / "captions.jsonl").described == 1

    def test_append_adds_and_keeps(self, folder: Path, tmp_path: Path) -> None:
        output = tmp_path / "captions.jsonl"
        run(folder / "?.*", output)
        for _ in range(2):  # the second time there is nothing to add
            run(folder / "?.*", output, ColourDescriber("large"), existing="append")
            assert [(line["path"], line["model"]) for line in lines(output)] == [
                ("a.png", "colours"), ("b.bmp", "colours"), ("a.png", "large"), ("b.bmp", "large"),
            ]  # fmt: skip
        run(folder / "?.*", output)  # skip drops none of them
        assert len(lines(output)) == 4

    def test_overwrite_describes_all_anew_and_replaces_at_the_end(
        self, folder: Path, tmp_path: Path
    ) -> None:
        output = tmp_path / "captions.jsonl"
        run(folder, output, recursive=True)
        before, describer = output.read_bytes(), ColourDescriber()
        steps = stream(folder, output, describer, existing="overwrite", batch_size=1)
        for _ in range(2):
            next(steps)
        steps.close()
        assert output.read_bytes() == before  # nothing is lost while it isn't complete
        run(folder, output, describer, existing="overwrite")
        assert describer.described == 2  # one by each run
        assert set(captions(output)) == {"a.png", "b.bmp", "bad.jpg", "copy.PNG"}
        run(folder, output, describer, existing="overwrite")
        assert describer.described == 4

    def test_a_moved_picture_is_not_described_again(self, folder: Path, tmp_path: Path) -> None:
        output, describer = tmp_path / "captions.jsonl", ColourDescriber()
        run(folder, output)
        (folder / "b.bmp").rename(folder / "c.bmp")
        report = run(folder, output, describer)
        assert (report.described, describer.described) == (1, 0)
        assert captions(output)["c.bmp"] == "a picture of 1 20 30"


class TestFormats:
    @pytest.mark.parametrize("name", ["json", "csv", "album"])
    def test_one_file(self, folder: Path, tmp_path: Path, name: str) -> None:
        output = tmp_path / f"captions.{name}"
        run(folder, output, format=name)
        expected = {
            "a.png": "a picture of 0 20 30",
            "b.bmp": "a picture of 1 20 30",
            "copy.PNG": "a picture of 0 20 30",
        }
        text = output.read_text(encoding="utf-8")
        if name == "json":
            assert json.loads(text) == expected
        elif name == "csv":
            rows = list(csv.DictReader(text.splitlines()))
            assert {row["path"]: row["caption"] for row in rows if not row["error"]} == expected
        else:
            assert text == "".join(f"{path}: {caption}\n" for path, caption in expected.items())
        describer = ColourDescriber()
        draw(folder / "z.png", (7, 7, 7))
        run(folder, output, describer, format=name)
        assert describer.batches == [["a picture of 7 7 7"]]
        assert "z.png" in output.read_text(encoding="utf-8")

    def test_an_album_in_a_folder(self, folder: Path) -> None:
        run(folder, folder, format="album")
        assert (
            (folder / "captions.txt").read_text().startswith("a.png: a picture of 0 20 30\nb.bmp: ")
        )

    @pytest.mark.parametrize("written", [None, b"by hand"])
    def test_a_file_of_someone_else_is_replaced_only_when_asked(
        self, folder: Path, tmp_path: Path, written
    ) -> None:
        output, describer = tmp_path / "captions.json", ColourDescriber()
        if written is None:
            run(folder, output, format="json")
            output.write_bytes(output.read_bytes().replace(b"picture", b"painting"))
        else:
            output.write_bytes(written)
        before = output.read_bytes()
        with pytest.raises(OptionsError, match="batch has left it"):
            run(folder, output, describer, format="json")
        assert (output.read_bytes(), describer.described) == (before, 0)
        run(folder, output, describer, format="json", existing="overwrite")
        assert json.loads(output.read_text())["a.png"] == "a picture of 0 20 30"
        run(folder, output, describer, format="json")  # now it is ours

    def test_a_kill_between_journal_and_file(
        self, folder: Path, tmp_path: Path, monkeypatch
    ) -> None:
        output = tmp_path / "captions.json"
        run(folder, output, format="json")
        for existing in ("skip", "overwrite"):
            draw(folder / f"{existing}.png", (7, 7, 7))
            with monkeypatch.context() as patch:
                patch.setattr(run_module, "write_file", _interrupt)
                with pytest.raises(KeyboardInterrupt):
                    run(folder, output, format="json", existing=existing)
            describer = ColourDescriber()
            run(folder, output, describer, format="json")
            assert describer.described == 0
            assert f"{existing}.png" in json.loads(output.read_text())

    @pytest.mark.parametrize(("name", "suffix"), [("txt-per-image", ".txt"), ("kohya", ".caption")])
    def test_a_text_per_picture(self, folder: Path, tmp_path: Path, name: str, suffix: str) -> None:
        output = tmp_path / "texts"
        draw(folder / "a.webp", (4, 4, 4))
        report = run(folder, output, format=name, recursive=True)
        assert sorted(one.relative_to(output).as_posix() for one in output.rglob(f"*{suffix}")) == [
            f"a{suffix}", f"b{suffix}", f"copy{suffix}", f"sub/图 1{suffix}",
        ]  # fmt: skip
        assert (output / f"a{suffix}").read_text() == "a picture of 0 20 30\n"
        assert Fault("a.webp", "name_taken") in report.skipped
        (output / f"b{suffix}").unlink()
        describer = ColourDescriber()
        run(folder, output, describer, format=name, recursive=True)
        assert (output / f"b{suffix}").read_text() == "a picture of 1 20 30\n"
        assert describer.described == 0

    def test_texts_beside_the_pictures(self, folder: Path) -> None:
        (folder / "b.txt").write_text("by hand")
        describer = ColourDescriber()
        report = run(folder, None, describer, format="txt-per-image", recursive=True)
        assert (folder / "a.txt").read_text() == "a picture of 0 20 30\n"
        assert (folder / "sub" / "图 1.txt").exists()
        assert (folder / "b.txt").read_text() == "by hand"
        # what has a text isn't described at all
        assert (report.existing, describer.described) == (1, 2)
        run(folder, None, describer, format="txt-per-image", existing="append")
        assert (folder / "b.txt").read_text() == "by hand\na picture of 1 20 30\n"
        run(folder, None, describer, format="txt-per-image", existing="overwrite")
        assert (folder / "b.txt").read_text() == "a picture of 1 20 30\n"

    def test_our_text_of_a_changed_picture_is_replaced(self, folder: Path) -> None:
        run(folder, None, format="kohya")
        draw(folder / "b.bmp", (9, 9, 9))
        run(folder, None, format="kohya")
        assert (folder / "b.caption").read_text() == "a picture of 9 9 9\n"

    def test_a_text_that_cannot_be_written(self, folder: Path) -> None:
        (folder / "a.txt").mkdir()
        report = run(folder, None, format="txt-per-image")
        assert Fault("a.png", "unwritable") in report.failed
        assert (folder / "b.txt").exists()

    def test_pictures_from_elsewhere(self, folder: Path, tmp_path: Path) -> None:
        listed = folder / "sub" / "list.txt"
        listed.write_text("../a.png")
        run(listed, tmp_path / "out", format="kohya")
        (text,) = (tmp_path / "out").rglob("*.caption")
        assert text == (tmp_path / "out").joinpath(*(folder / "a.caption").parts[1:])

    @pytest.mark.parametrize(
        ("output", "format_name"),
        [
            (None, "jsonl"),
            (".", "json"),
            ("a.png/x", "csv"),
            ("a.png", "kohya"),
            ("a.png", "jsonl"),
            ("a.png", "json"),
        ],
    )
    def test_outputs_that_can_be_none(
        self, folder: Path, output: str | None, format_name: str
    ) -> None:
        before = (folder / "a.png").read_bytes()
        with pytest.raises(OptionsError) as caught:
            run(folder, None if output is None else folder / output, format=format_name)
        assert caught.value.details["name"] == "output"
        assert (folder / "a.png").read_bytes() == before


def _interrupt(path: Path, data: bytes) -> None:
    raise KeyboardInterrupt


class TestMetadata:
    def test_captions_go_into_the_files(self, folder: Path, tmp_path: Path) -> None:
        output, describer = tmp_path / "captions.jsonl", ColourDescriber()
        (folder / "link.png").symlink_to("a.png")
        for _ in range(2):  # with the caption in it, it is the same picture
            report = run(folder, output, describer, recursive=True, write_metadata=True)
            for line in lines(output):
                data = (folder / line["path"]).read_bytes()
                if not line.get("error") and line["path"] != "b.bmp":
                    assert caption_of(data) == line["caption"]
            assert report.metadata_skipped == (Fault("b.bmp", "unsupported_format"),)
        assert describer.described == 3
        assert (folder / "link.png").is_symlink()
        assert not list(folder.rglob("*.part"))

    def test_later_and_without_the_model(self, folder: Path, tmp_path: Path) -> None:
        output, describer = tmp_path / "captions.jsonl", ColourDescriber()
        run(folder, output)
        run(folder, output, describer, write_metadata=True)
        assert describer.described == 0
        assert caption_of((folder / "a.png").read_bytes()) == "a picture of 0 20 30"

    def test_a_kill_between_line_and_file(self, folder: Path, tmp_path: Path, monkeypatch) -> None:
        output, before = tmp_path / "captions.jsonl", (folder / "a.png").read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(local_module, "write_file", _interrupt)
            with pytest.raises(KeyboardInterrupt):
                run(folder, output, write_metadata=True)
        assert (folder / "a.png").read_bytes() == before
        run(folder, output, write_metadata=True)
        assert caption_of((folder / "a.png").read_bytes()) == captions(output)["a.png"]

    def test_what_someone_else_wrote_stays_unless_overwritten(
        self, folder: Path, tmp_path: Path
    ) -> None:
        output = tmp_path / "captions.jsonl"
        picture = folder / "a.png"
        run(picture, tmp_path / "other.jsonl", write_metadata=True, prefix="by hand: ")
        report = run(picture, output, write_metadata=True)
        assert report.metadata_skipped == (Fault("a.png", "described"),)
        assert caption_of(picture.read_bytes()) == "by hand: a picture of 0 20 30"
        run(picture, output, write_metadata=True, existing="overwrite")
        assert caption_of(picture.read_bytes()) == "a picture of 0 20 30"
        # our own caption gives way to a newer one
        run(picture, output, write_metadata=True, existing="append", prefix="newer: ")
        assert caption_of(picture.read_bytes()) == "newer: a picture of 0 20 30"

    def test_a_picture_that_changes_meanwhile_is_left_alone(
        self, folder: Path, tmp_path: Path
    ) -> None:
        class Changing(ColourDescriber):
            def describe_batch(self, images, options, stop=None):
                draw(folder / "a.png", (66, 66, 66))
                return super().describe_batch(images, options, stop)

        report = run(folder / "a.png", tmp_path / "x.jsonl", Changing(), write_metadata=True)
        assert report.metadata_skipped == (Fault("a.png", "changed"),)
        assert caption_of((folder / "a.png").read_bytes()) is None


KILLED = """
import sys, time
from caption.jobs.options import BatchOptions
from caption.jobs.local import run_batch
from caption.types import CaptionStats, Description, StageTimes

source, output, format_name, log = sys.argv[1:]

class Slow:
    name = "colours"
    def describe_batch(self, images, options, stop=None):
        time.sleep(0.01)
        texts = ["a picture of " + " ".join(map(str, image.getpixel((0, 0)))) for image in images]
        with open(log, "a") as file:
            file.write("." * len(texts))
        return [Description(text, (), (), CaptionStats(), StageTimes(), self.name, "cpu", "float32", 0) for text in texts]

for _ in run_batch(Slow(), source, output, BatchOptions(format=format_name, batch_size=3)):
    pass
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
@pytest.mark.parametrize(("format_name", "kills"), [("jsonl", 6), ("csv", 3), ("kohya", 3)])
def test_killed_at_random_moments_and_run_again(
    tmp_path: Path, format_name: str, kills: int
) -> None:
    count = 90
    for number in range(count):
        draw(tmp_path / "p" / f"{number:03}.png", (number, 1, 2))
    output, log = tmp_path / "out" / "captions", tmp_path / "log"
    journal = {
        "jsonl": output, "csv": output.with_name(".captions.journal"), "kohya": output / ".kohya.journal",
    }[format_name]  # fmt: skip
    command = [
        sys.executable,
        "-c",
        KILLED,
        str(tmp_path / "p"),
        str(output),
        format_name,
        str(log),
    ]
    moments = random.Random(format_name)
    size = 230 * count  # of the whole journal, roughly

    def grown() -> int:
        return journal.stat().st_size if journal.exists() else 0

    for kill in range(kills):
        at_least = grown() + moments.randrange(1, size // (kills + 1))
        process = subprocess.Popen(command, cwd=ROOT)
        while process.poll() is None and grown() < at_least:
            time.sleep(0.001)
        process.kill()
        assert process.wait() in (-signal.SIGKILL, 0), f"run {kill} ended by itself"
    assert grown() > 0
    subprocess.run(command, cwd=ROOT, check=True, timeout=300)
    described = log.stat().st_size
    # a kill costs the batch that was in work, at most
    assert count <= described <= count + 3 * kills

    expected = {f"{number:03}.png": f"a picture of {number} 1 2" for number in range(count)}
    assert captions(journal) == expected if format_name == "jsonl" else True
    if format_name == "csv":
        rows = list(csv.DictReader(output.read_text().splitlines()))
        assert {row["path"]: row["caption"] for row in rows} == expected
        assert len(rows) == count
    if format_name == "kohya":
        texts = {one.stem + ".png": one.read_text() for one in output.glob("*.caption")}
        assert texts == {path: f"{caption}\n" for path, caption in expected.items()}
    subprocess.run(command, cwd=ROOT, check=True, timeout=300)
    assert log.stat().st_size == described
    assert not [one for one in output.parent.rglob("*") if one.suffix in (".part", ".new")]


def test_a_real_model_gives_the_captions_of_one_by_one(tiny_describer, tmp_path: Path) -> None:
    for number in range(5):
        draw(tmp_path / "p" / f"{number}.png", (50 * number, 120, 255 - 50 * number))
    report = run(tmp_path / "p", tmp_path / "x.jsonl", tiny_describer, batch_size=2)
    assert report.described == 5
    plain = DescribeOptions(strategy="plain")
    assert captions(tmp_path / "x.jsonl") == {
        one.name: tiny_describer.describe(one.path, plain).text
        for one in find_pictures(tmp_path / "p").pictures
    }


def test_progress_is_a_generator(folder: Path, tmp_path: Path) -> None:
    steps = stream(folder, tmp_path / "x.jsonl")
    assert isinstance(steps, Generator)
    assert not (tmp_path / "x.jsonl").exists()  # nothing happens before it is asked


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
@pytest.mark.skipif(not os.environ.get("LONG_TESTS"), reason="ten minutes: LONG_TESTS=1 runs it")
@pytest.mark.timeout(3600)
def test_two_thousand_scenes_killed_twenty_times(tmp_path: Path) -> None:
    """The command line and the demo model, as a user runs them."""
    count, kills, moments = 2000, 20, random.Random(0)
    (tmp_path / "scenes").mkdir()
    for number in range(count):
        draw_scene(random_scene(HELD_OUT_SEEDS + number), 128).save(
            tmp_path / "scenes" / f"{number:04}.png"
        )
    output = tmp_path / "captions.jsonl"
    command = [
        sys.executable,
        "-m",
        "caption",
        "batch",
        str(tmp_path / "scenes"),
        "--output",
        str(output),
        "--model",
        "demo",
    ]

    def grown() -> int:
        return output.stat().st_size if output.exists() else 0

    line = 250  # bytes, roughly
    for kill in range(kills):
        at_least = grown() + moments.randrange(1, line * count // (kills + 2))
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        while process.poll() is None and grown() < at_least:
            time.sleep(0.001)
        time.sleep(moments.random() * 0.1)
        process.kill()
        assert process.wait() == -signal.SIGKILL, f"run {kill} ended by itself"
    unfinished = grown()
    subprocess.run(command, cwd=ROOT, check=True, timeout=900)
    assert 0 < unfinished < grown()
    found = captions(output)  # every line is whole, no picture is there twice
    assert sorted(found) == [f"{number:04}.png" for number in range(count)]
    assert all(found.values())
