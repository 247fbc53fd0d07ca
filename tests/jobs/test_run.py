"""run: what becomes of captions that are there, and what every format leaves behind."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from caption.errors import ImageError, OptionsError
from caption.jobs import local as local_module
from caption.jobs import run as run_module
from caption.jobs.find import Fault
from tests.support.batches import ColourDescriber, captions, draw, interrupt, lines, run, stream


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
        written = captions(output)
        assert written["b.bmp"] == "a picture of 99 0 0"
        assert written["bad.jpg"] == "a picture of 50 50 50"
        assert written["a.png"] == "a picture of 0 20 30"  # what is gone isn't forgotten

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
                patch.setattr(run_module, "write_file", interrupt)
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
        assert sorted(file.relative_to(output).as_posix() for file in output.rglob(f"*{suffix}")) == [
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
