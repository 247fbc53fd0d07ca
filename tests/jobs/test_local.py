"""local: what is described and written down, and that nothing is lost or done twice however a run
ends.
"""

from __future__ import annotations

import csv
import dataclasses
import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Generator
from pathlib import Path

import pytest
from PIL import Image

from caption.errors import Cancelled, CaptionError, ImageError, ModelError
from caption.image.metadata import caption_of, content_hash
from caption.jobs import local as local_module
from caption.jobs import run as run_module
from caption.jobs.find import Fault, find_pictures
from caption.jobs.options import BatchOptions, options_key
from caption.jobs.report import BatchProgress
from caption.options import DescribeOptions
from caption.types import Description, Sentence
from scripts.demo_model.drawing import draw as draw_scene
from scripts.demo_model.scenes import HELD_OUT_SEEDS, random_scene
from tests.support.batches import ColourDescriber, captions, draw, interrupt, lines, run, stream
from tests.support.paths import ROOT


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
        assert [len(texts) for texts in describer.batches] == [3, 3, 1]
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
        assert [len(texts) for texts in describer.batches] == [2, 2, 1]

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
        opening = local_module.open_at_once

        def refuse(path: str, flags: int) -> int:
            if path.endswith("b.bmp"):
                raise PermissionError("no")
            return opening(path, flags)

        monkeypatch.setattr(local_module, "open_at_once", refuse)
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

    def test_a_failure_is_let_go_before_the_next_picture(
        self, folder: Path, tmp_path: Path
    ) -> None:
        """It holds its picture and all that was made of it, which is what memory ran out for."""
        failures: list[weakref.ref[CaptionError]] = []
        still_held: list[bool] = []

        def fail(text: str) -> CaptionError:
            gc.collect()
            still_held.extend(failure() is not None for failure in failures)
            error = ModelError("too large", code="out_of_memory")
            failures.append(weakref.ref(error))
            return error

        run(folder, tmp_path / "x.jsonl", ColourDescriber(fail=fail), batch_size=1)
        assert len(failures) > 1
        assert not any(still_held)

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
        assert sorted(file.name for file in (tmp_path / "texts").glob("*.caption")) == [
            "a.caption",
            "b.caption",
            "copy.caption",
        ]


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
            patch.setattr(local_module, "write_file", interrupt)
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


@pytest.mark.slow
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
        texts = {file.stem + ".png": file.read_text() for file in output.glob("*.caption")}
        assert texts == {path: f"{caption}\n" for path, caption in expected.items()}
    subprocess.run(command, cwd=ROOT, check=True, timeout=300)
    assert log.stat().st_size == described
    assert not [file for file in output.parent.rglob("*") if file.suffix in (".part", ".new")]


def test_a_real_model_gives_the_captions_of_one_by_one(tiny_describer, tmp_path: Path) -> None:
    for number in range(5):
        draw(tmp_path / "p" / f"{number}.png", (50 * number, 120, 255 - 50 * number))
    report = run(tmp_path / "p", tmp_path / "x.jsonl", tiny_describer, batch_size=2)
    assert report.described == 5
    plain = DescribeOptions(strategy="plain")
    assert captions(tmp_path / "x.jsonl") == {
        picture.name: tiny_describer.describe(picture.path, plain).text
        for picture in find_pictures(tmp_path / "p").pictures
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
    written = captions(output)  # every line is whole, no picture is there twice
    assert sorted(written) == [f"{number:04}.png" for number in range(count)]
    assert all(written.values())
