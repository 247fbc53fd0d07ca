"""The progress bar, and the note in its place."""

from __future__ import annotations

from caption.types import Progress
from caption.web.progress import note_html, progress_html


def test_a_note_is_escaped_and_has_no_id() -> None:
    """Every tab may show one at the same time."""
    assert note_html("a <b>") == '<div class="note" role="status">a &lt;b&gt;</div>'
    assert note_html("") == '<div class="note" role="status"></div>'


def test_a_whole_number_is_the_place_in_line() -> None:
    bar = progress_html(3)
    assert 'aria-valuenow="0"' in bar
    assert "3" in bar.partition('class="stage"')[2]


def test_the_bar_is_as_wide_as_the_fraction() -> None:
    bar = progress_html(Progress(stage="encoding", fraction=0.426))
    assert 'aria-valuenow="43"' in bar
    assert 'style="width:43%"' in bar
