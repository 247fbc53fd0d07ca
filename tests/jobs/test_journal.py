"""writers: a journal that survives everything, files that are whole or not there, and the formats."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caption.errors import CaptionError, OptionsError
from caption.jobs import files
from caption.jobs.files import MAX_NAME_BYTES, hidden, write_file, write_text_file
from caption.jobs.formats import FORMATS, as_album, as_csv, as_json
from caption.jobs.journal import Journal, Record


def record(path: str, caption: str = "a dog", **more) -> Record:
    return Record(path, "c" * 64, "tiny", "0" * 16, caption, **more)


RECORDS = (
    record("a.jpg"),
    record("下/b.png", 'a "red" 球', support=0.875),
    record("c.png", "", error="image_truncated"),
    record("d.png", "", refusal="blank"),
    record("e.png", "a cat", failure="out_of_memory"),
)


def lines_of(path: Path) -> list[dict]:
    text = path.read_bytes()
    assert text == b"" or text.endswith(b"\n")
    return [json.loads(line) for line in text.splitlines() if line.strip()]


class TestRecord:
    def test_a_line_holds_what_is_known_and_comes_back(self) -> None:
        assert json.loads(RECORDS[1].to_line()) == {
            "path": "下/b.png", "caption": 'a "red" 球', "content": "c" * 64, "model": "tiny", "options": "0" * 16,
            "support": 0.875,
        }  # fmt: skip
        assert "下".encode() in RECORDS[1].to_line()
        for one in RECORDS:
            assert Record.from_json(json.loads(one.to_line()) | {"note": "by hand"}) == one

    @pytest.mark.parametrize(
        "wrong", [{"caption": 3}, {"path": None}, {"support": "much"}, {"error": ["x"]}]
    )
    def test_other_lines_are_refused(self, wrong: dict) -> None:
        with pytest.raises(ValueError, match="field"):
            Record.from_json(json.loads(RECORDS[0].to_line()) | wrong)


class TestJournal:
    def test_records_come_back_in_order(self, tmp_path: Path) -> None:
        path = tmp_path / "captions.jsonl"
        for count, one in enumerate(RECORDS):
            with Journal(path) as journal:
                assert journal.records == list(RECORDS[:count])
                journal.append(one)
                assert len(lines_of(path)) == count + 1  # at once, not when it is closed
        with Journal(path) as journal:
            assert journal.records == list(RECORDS)

    @given(st.integers(0, 2000), st.sampled_from([b"", bytes(1), bytes(700)]))
    def test_a_torn_line_is_cut_off_and_nothing_else(self, place: int, zeros: bytes) -> None:
        """Whatever a kill leaves: the whole lines stay, and going on gives the same file."""
        whole = b"".join(one.to_line() for one in RECORDS)
        kept = whole[:place]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "captions.jsonl"
            path.write_bytes(kept + zeros)
            with Journal(path) as journal:
                found = list(journal.records)
                for one in RECORDS[len(found) :]:
                    journal.append(one)
            assert path.read_bytes() == whole
        lines = [one.to_line() for one in RECORDS]
        whole_lines = [n for n in range(len(lines) + 1) if len(b"".join(lines[:n])) <= len(kept)]
        # a line that only lacks its line break is whole
        but_its_break = not zeros and any(
            len(b"".join(lines[:n])) == len(kept) + 1 for n in range(1, len(lines) + 1)
        )
        assert len(found) == whole_lines[-1] + but_its_break

    @given(st.lists(st.sampled_from(RECORDS), max_size=4), st.binary(max_size=40))
    def test_any_end_is_repaired_or_refused(self, records: list[Record], end: bytes) -> None:
        whole = b"".join(one.to_line() for one in records)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "captions.jsonl"
            path.write_bytes(whole + end)
            try:
                with Journal(path) as journal:
                    assert journal.records == records
                    journal.append(RECORDS[0])
            except OptionsError:
                assert path.read_bytes() == whole + end  # what isn't ours isn't touched
            else:
                assert [Record.from_json(line) for line in lines_of(path)] == [*records, RECORDS[0]]

    @pytest.mark.parametrize(
        "foreign",
        [
            b"\xff\xd8\xff\xe0 a picture",
            b'{"file_name": "a.jpg", "text": "a dog"}\n',
            b"[1]\n",
            b'{"path": "a.jpg", torn}\n' + RECORDS[0].to_line(),
            b"[" * 100_000,
            b"\xff\xfe\n",
        ],
    )
    def test_foreign_files_are_refused_and_left_alone(self, tmp_path: Path, foreign: bytes) -> None:
        path = tmp_path / "captions.jsonl"
        path.write_bytes(foreign)
        with pytest.raises(OptionsError) as caught:
            Journal(path)
        assert caught.value.details["name"] == "output"
        assert path.read_bytes() == foreign

    def test_blank_lines_are_nobodys(self, tmp_path: Path) -> None:
        path = tmp_path / "captions.jsonl"
        path.write_bytes(b"\n" + RECORDS[0].to_line() + b"\r\n")
        with Journal(path) as journal:
            assert journal.records == [RECORDS[0]]

    def test_what_can_be_no_journal(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path, tmp_path / "pipe", tmp_path / "pipe" / "captions.jsonl"):
            with pytest.raises(OptionsError):
                Journal(path)

    def test_one_batch_at_a_time(self, tmp_path: Path) -> None:
        path = tmp_path / "captions.jsonl"
        with Journal(path) as journal:
            for fresh in (False, True):
                with pytest.raises(OptionsError, match="another batch"):
                    Journal(path, fresh=fresh)
            journal.append(RECORDS[0])
        with Journal(path) as journal:
            assert journal.records == [RECORDS[0]]

    def test_a_full_disk(self, tmp_path: Path) -> None:
        """Part of a line was written, then no more: the part is taken back."""
        path = tmp_path / "captions.jsonl"

        class Full(io.FileIO):
            def write(self, data) -> int:
                return super().write(bytes(data)[: len(data) // 2])

        with Journal(path) as journal:
            journal.append(RECORDS[0])
            journal._file.close()
            journal._file = Full(path, "ab")
            with pytest.raises(CaptionError) as caught:
                journal.append(RECORDS[1])
        assert caught.value.code == "disk_full"
        assert path.read_bytes() == RECORDS[0].to_line()

    def test_settling_drops_records_in_one_go(self, tmp_path: Path) -> None:
        path = tmp_path / ".captions.csv.journal"
        with Journal(path) as journal:
            for one in RECORDS:
                journal.append(one)
            journal.note(b"the file")
            journal.settle(RECORDS[1:3])
            journal.append(RECORDS[0])
        with Journal(path) as journal:
            assert journal.records == [*RECORDS[1:3], RECORDS[0]]
            journal.note(b"the file")
            assert len(journal.outputs) == 1
        assert len(lines_of(path)) == 4

    def test_a_fresh_journal_takes_the_place_of_the_old_one_when_it_is_complete(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "captions.jsonl"
        with Journal(path) as journal:
            journal.append(RECORDS[0])
        for count in (0, 1):  # the first try is broken off
            with Journal(path, fresh=True) as journal:
                assert journal.records == list(RECORDS[1 : 1 + count])
                journal.append(RECORDS[1 + count])
            assert [line["path"] for line in lines_of(path)] == ["a.jpg"]
        with Journal(path, fresh=True) as journal:
            journal.settle(journal.records)
        with Journal(path) as journal:
            assert journal.records == list(RECORDS[1:3])
        assert [one for one in os.listdir(tmp_path) if not one.endswith(".lock")] == [
            "captions.jsonl"
        ]

    @pytest.mark.parametrize(
        ("number", "raised"), [(errno.EIO, OptionsError), (errno.ENOSPC, CaptionError)]
    )
    def test_a_fault_of_the_disk_is_ours(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        number: int,
        raised: type[CaptionError],
    ) -> None:
        def fail(*_: object) -> None:
            raise OSError(number, "no")

        with Journal(tmp_path / "captions.jsonl") as journal, monkeypatch.context() as patch:
            patch.setattr(files.os, "fsync", fail)
            with pytest.raises(raised) as caught:
                journal.settle(RECORDS)
        assert type(caught.value) is raised
        assert isinstance(caught.value.__cause__, OSError)


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
        ("existing", "there", "then"),
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
        self, tmp_path: Path, existing: str, there: str | None, then: str
    ) -> None:
        path = tmp_path / "new" / "a.txt"
        if there is not None:
            path.parent.mkdir()
            path.write_bytes(there.encode())
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


class TestFormats:
    def test_names(self) -> None:
        assert set(FORMATS) == {"jsonl", "json", "csv", "txt-per-image", "kohya", "album"}

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
