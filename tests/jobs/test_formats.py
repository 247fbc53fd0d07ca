"""formats: the table, and what each writes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from caption.jobs.formats import FORMATS, Format, as_album, as_csv, as_json
from caption.jobs.journal import Record
from tests.support.batches import RECORDS, draw, record, run


class TestFormats:
    def test_names(self) -> None:
        assert set(FORMATS) == {"jsonl", "json", "csv", "txt-per-image", "kohya", "album"}
        assert all(name == output_format.name for name, output_format in FORMATS.items())

    def test_each_has_one_way_of_writing(self) -> None:
        journals = [name for name, output_format in FORMATS.items() if output_format.is_journal]
        per_picture = [name for name, chosen in FORMATS.items() if chosen.is_per_picture]
        assert (journals, per_picture) == (["jsonl"], ["txt-per-image", "kohya"])
        with pytest.raises(ValueError, match="either one file"):
            Format("both", write=as_json, suffix=".json")

    def test_a_further_one_file_is_one_line_of_the_table(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def as_names(records: Iterable[Record]) -> str:
            return "".join(f"{record.path}\n" for record in records)

        monkeypatch.setitem(FORMATS, "names", Format("names", as_names, file_in_folder="names.txt"))
        monkeypatch.setitem(FORMATS, "beside", Format("beside", suffix=".words"))
        draw(tmp_path / "a.png", (1, 2, 3))
        run(tmp_path, tmp_path, format="names")
        run(tmp_path, None, format="beside")
        assert (tmp_path / "names.txt").read_text() == "a.png\n"
        assert (tmp_path / "a.words").read_text() == "a picture of 1 2 3\n"

    def test_json_is_a_caption_by_name(self) -> None:
        text = as_json([*RECORDS, record("a.jpg", "a newer dog")])
        assert json.loads(text) == {
            "a.jpg": "a newer dog",
            "下/b.png": 'a "red" 球',
            "e.png": "a cat",
        }
        assert text.startswith('{\n  "a.jpg": "a newer dog",\n  "下/b.png"')

    def test_csv_has_a_row_for_everything(self) -> None:
        rows = list(csv.DictReader(io.StringIO(as_csv([*RECORDS, record("x,\n.png")]))))
        assert [row["path"] for row in rows] == [
            "a.jpg",
            "下/b.png",
            "c.png",
            "d.png",
            "e.png",
            "x,\n.png",
        ]
        assert rows[1] == {
            "path": "下/b.png", "caption": 'a "red" 球', "support": "0.875", "refusal": "", "error": "", "model": "tiny",
        }  # fmt: skip
        assert (rows[2]["error"], rows[3]["refusal"]) == ("image_truncated", "blank")

    def test_an_album_is_lines(self) -> None:
        assert as_album(RECORDS) == 'a.jpg: a dog\n下/b.png: a "red" 球\ne.png: a cat\n'
