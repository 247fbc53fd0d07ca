"""report: tallies of parts add up to that of the whole, progress tells what is new."""

from __future__ import annotations

from pathlib import Path

from caption.jobs.find import Fault
from caption.jobs.report import Tally
from tests.support.batches import draw, run, stream

FAULTS = tuple(Fault(f"{number}.png", "no_image") for number in range(3))


def test_tallies_add_up_and_faults_keep_their_order() -> None:
    first = Tally(done=2, described=1, failed=FAULTS[:1], refused=FAULTS[1:2])
    second = Tally(done=3, existing=2, other=1, failed=FAULTS[1:], metadata_skipped=FAULTS[:1])
    assert first + second == Tally(
        done=5,
        described=1,
        existing=2,
        other=1,
        failed=FAULTS,
        refused=FAULTS[1:2],
        metadata_skipped=FAULTS[:1],
    )
    assert sum([first, second], Tally()) == first + second
    assert first + Tally() == first


def test_a_report_is_the_sum_of_what_progress_told(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    for number in range(4):
        draw(folder / f"{number}.png", (number, 0, 0))
    (folder / "1x.png").write_bytes(b"no picture")
    (folder / "3x.png").write_bytes(b"no picture")
    (folder / "link.png").symlink_to("nowhere.png")
    steps = list(stream(folder, tmp_path / "a.jsonl", batch_size=1))
    report = run(folder, tmp_path / "b.jsonl", batch_size=1)
    assert tuple(fault for step in steps for fault in step.failed) == report.failed
    assert tuple(fault for step in steps for fault in step.skipped) == report.skipped
    assert report.skipped == (Fault("link.png", "link_broken"),)
    assert (steps[-1].done, report.done, report.total) == (6, 6, 6)
    assert report.described + report.existing + len(report.failed) == report.total
