"""batch: pictures a second, in a batch and not."""

from __future__ import annotations

import pytest

from benchmarks import batch
from benchmarks.timing import Spread


class TestBatch:
    def test_ratios_and_captions(self) -> None:
        times = {
            "plain": Spread((8.0, 12.0)),
            "one": Spread((6.0, 6.0)),
            "batch": Spread((2.0, 3.0)),
        }
        texts = {
            "plain": {"a": "A b", "b": "c"},
            "one": {"a": "a B", "b": "d"},
            "batch": {"a": "a b", "b": "c"},
        }
        assert batch.rows(times, texts) == [
            ("plain", "0.20", "0.17 to 0.25", "4.00 (4.00 to 4.00)", "2 of 2"),
            ("one", "0.33", "0.33 to 0.33", "2.50 (2.00 to 3.00)", "1 of 2"),
            ("batch", "0.80", "0.67 to 1.00", "", ""),
        ]

    def test_a_missing_caption_is_an_error(self) -> None:
        with pytest.raises(RuntimeError, match="every picture"):
            batch.same({"a": "b"}, {})

    @pytest.mark.slow
    def test_the_whole_with_the_demo_model(self, capsys: pytest.CaptureFixture[str]) -> None:
        batch.main(["--pictures", "3", "--repeats", "1", "--markdown"])
        printed = capsys.readouterr().out
        assert "blip-demo-scenes, 3 drawn scenes of 384 pixels" in printed
        lines = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in printed.splitlines()
            if "one by one" in line
        ]
        assert [line[0] for line in lines] == [
            "transformers float32, one by one",
            "ours float32, one by one",
        ]
        assert [line[-1] for line in lines] == ["3 of 3", "3 of 3"]
