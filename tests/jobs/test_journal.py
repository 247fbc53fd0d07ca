"""journal: what it holds survives everything."""

from __future__ import annotations

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
from caption.jobs.journal import Journal, Record
from tests.support.batches import RECORDS


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
        for record in RECORDS:
            assert Record.from_json(json.loads(record.to_line()) | {"note": "by hand"}) == record

    @pytest.mark.parametrize(
        "wrong", [{"caption": 3}, {"path": None}, {"support": "much"}, {"error": ["x"]}]
    )
    def test_other_lines_are_refused(self, wrong: dict) -> None:
        with pytest.raises(ValueError, match="field"):
            Record.from_json(json.loads(RECORDS[0].to_line()) | wrong)


class TestJournal:
    def test_records_come_back_in_order(self, tmp_path: Path) -> None:
        path = tmp_path / "captions.jsonl"
        for count, record in enumerate(RECORDS):
            with Journal(path) as journal:
                assert journal.records == list(RECORDS[:count])
                journal.append(record)
                assert len(lines_of(path)) == count + 1  # at once, not when it is closed
        with Journal(path) as journal:
            assert journal.records == list(RECORDS)

    @given(st.integers(0, 2000), st.sampled_from([b"", bytes(1), bytes(700)]))
    def test_a_torn_line_is_cut_off_and_nothing_else(self, place: int, zeros: bytes) -> None:
        """Whatever a kill leaves: the whole lines stay, and going on gives the same file."""
        whole = b"".join(record.to_line() for record in RECORDS)
        kept = whole[:place]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "captions.jsonl"
            path.write_bytes(kept + zeros)
            with Journal(path) as journal:
                kept_records = list(journal.records)
                for record in RECORDS[len(kept_records) :]:
                    journal.append(record)
            assert path.read_bytes() == whole
        lines = [record.to_line() for record in RECORDS]
        whole_lines = [n for n in range(len(lines) + 1) if len(b"".join(lines[:n])) <= len(kept)]
        # a line that only lacks its line break is whole
        but_its_break = not zeros and any(
            len(b"".join(lines[:n])) == len(kept) + 1 for n in range(1, len(lines) + 1)
        )
        assert len(kept_records) == whole_lines[-1] + but_its_break

    @given(st.lists(st.sampled_from(RECORDS), max_size=4), st.binary(max_size=40))
    def test_any_end_is_repaired_or_refused(self, records: list[Record], end: bytes) -> None:
        whole = b"".join(record.to_line() for record in records)
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
            for record in RECORDS:
                journal.append(record)
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
        assert [name for name in os.listdir(tmp_path) if not name.endswith(".lock")] == [
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
