"""The evidence for a grounded text, as pieces of HTML. Nothing of a model's text becomes markup.

Every sentence and word is a button that carries what static/evidence.js draws over the picture.
"""

from __future__ import annotations

import html
import json
from pathlib import Path

from caption.image.regions import WHOLE
from caption.locale import messages, phrases, text
from caption.types import Box, Description, Sentence, WordEvidence


def picture_mark(image: str | bytes) -> str:
    """The part of an uploaded picture's address that no other picture has; empty for a picture
    without an address.
    """
    return "" if isinstance(image, bytes) else Path(image).parent.name


def is_grounded(description: Description) -> bool:
    return description.options.get("strategy") == "grounded"


def may_be_filtered(description: Description) -> bool:
    """Whether the slider has something to do; a refused picture stays refused."""
    return is_grounded(description) and bool(description.statements) and not description.refusal


def slider_info(calibrated: bool) -> str:
    """What the slider does, below its name."""
    if calibrated:
        return text("evidence.slider.calibrated")
    return text("evidence.slider.uncalibrated")


def mean_support(description: Description) -> str:
    """The value of its field; empty where there is no grounded text."""
    if not is_grounded(description) or not description.sentences:
        return ""
    if description.mean_support is None or not description.calibrated:
        return text("support.uncalibrated")
    return f"{messages.percent(description.mean_support)} %"


def dropped_html(description: Description) -> str:
    """What had too little support for the text, to be unfolded; empty where nothing was checked."""
    if not is_grounded(description) or not description.statements:
        return ""
    title = text("evidence.dropped", count=len(description.dropped))
    items = "".join(
        _dropped_item(statement, description.calibrated) for statement in description.dropped
    )
    if not items:
        return f'<div class="dropped">{title}</div>'
    return f'<details class="dropped"><summary>{title}</summary><ul>{items}</ul></details>'


def _dropped_item(statement: Sentence, calibrated: bool) -> str:
    support = phrases.support(statement.support, calibrated)
    words = text("evidence.dropped_item", text=_english(statement.text), support=support)
    return f"<li>{words}</li>"


def evidence_html(description: Description, mark: str) -> str:
    """The sentences of a grounded text as rows; empty where there is nothing to show.

    `mark`: the `picture_mark` of what was described, by which the script knows that the page still
    shows it.
    """
    if not is_grounded(description) or not (description.sentences or may_be_filtered(description)):
        return ""
    rows = "".join(_row(sentence, description.calibrated) for sentence in description.sentences)
    hint = text("evidence.help") if rows else text("evidence.nothing_left")
    return (
        f'<div class="evidence" data-picture="{html.escape(mark)}"><p class="help">{hint}</p>'
        f'<ol aria-label="{text("evidence.list")}">{rows}</ol>'
        '<p class="chosen" role="status"></p></div>'
    )


def _row(sentence: Sentence, calibrated: bool) -> str:
    support = phrases.support(sentence.support, calibrated)
    region = phrases.region(sentence.region)
    label = text("evidence.label", region=region, support=support)
    drawn = _drawn(sentence.text, label, box=sentence.region or WHOLE)
    origin = text("evidence.origin", region=region, round=sentence.round, prompt=_prompt(sentence))
    return (
        f'<li><button type="button" class="sentence" lang="en" aria-pressed="false"'
        f' data-evidence="{drawn}"'
        f' aria-label="{html.escape(sentence.text)} {label}">{html.escape(sentence.text)}</button>'
        f'<div class="support">{_bar(sentence.support)}<span>{support}</span></div>'
        f'<div class="origin">{origin}</div>'
        f"{_words(sentence)}</li>"
    )


def _bar(support: float | None) -> str:
    if support is None:
        return ""
    width = 100 * min(max(support, 0.0), 1.0)
    return f'<span class="bar" aria-hidden="true"><span style="width:{width:.1f}%"></span></span>'


def _prompt(sentence: Sentence) -> str:
    if sentence.supposed:
        return text("evidence.supposed")
    if not sentence.prompt:
        return text("evidence.no_prompt")
    return text("evidence.prompt", prompt=_english(sentence.prompt))


def _words(sentence: Sentence) -> str:
    if not sentence.words:
        return ""
    buttons = "".join(_word(word, sentence) for word in sentence.words)
    return f'<div class="words" role="group" aria-label="{text("evidence.words")}">{buttons}</div>'


def _word(word: WordEvidence, sentence: Sentence) -> str:
    support = phrases.word_support(word.support)
    if word.heat:
        label = text("evidence.word", word=word.word, support=support)
    else:
        label = text("evidence.word_without_heat", word=word.word, support=support)
    drawn = _drawn(sentence.text, label, heat=word.heat)
    escaped = html.escape(word.word)
    return (
        f'<button type="button" class="word" lang="en" aria-pressed="false" data-evidence="{drawn}"'
        f' aria-label="{escaped} {support}">{escaped}</button>'
    )


def _english(words: str) -> str:
    return f'<span lang="en">{html.escape(words)}</span>'


def _drawn(
    sentence: str, label: str, *, box: Box | None = None, heat: tuple[tuple[int, ...], ...] = ()
) -> str:
    """What the script draws, as the value of an attribute; `sentence` tells apart what else is the
    same.
    """
    value = {"sentence": sentence, "label": label, "box": box, "heat": heat}
    return html.escape(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
