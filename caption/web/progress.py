"""What is shown while a description is made: the progress bar or the place in line, and the note
that takes its place. The `gr.HTML` that shows them has the class `tab-progress`.
"""

from __future__ import annotations

import html

from caption.locale import phrases, text
from caption.types import Progress


def progress_html(step: Progress | int) -> str:
    """The progress bar; a whole number is the place in line."""
    if isinstance(step, int):
        percent, words = 0, text("progress.place", place=step)
    else:
        percent, words = round(step.fraction * 100), phrases.stage(step)
    return (
        f'<div class="track" role="progressbar" aria-label="{text("progress.label")}"'
        f' aria-valuemin="0" aria-valuemax="100"'
        f' aria-valuenow="{percent}" aria-valuetext="{words}">'
        f'<div class="fill" style="width:{percent}%"></div></div>'
        f'<div class="stage" role="status">{text("progress.stage", words=words, percent=percent)}'
        "</div>"
    )


def note_html(sentence: str) -> str:
    """A sentence in the place of the bar; page.css hides what holds an empty one."""
    return f'<div class="note" role="status">{html.escape(sentence)}</div>'
