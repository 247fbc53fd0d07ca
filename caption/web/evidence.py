"""The evidence for a grounded text, as pieces of HTML. Nothing of a model's text becomes markup.

A sentence is a row. What can be chosen in it is a button that carries what static/evidence.js draws
over the picture: each of its parts, underlined by support, or the sentence as a whole where it has
none; and the words. What speaks for a part unfolds when it is chosen.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from caption.image.regions import WHOLE
from caption.locale import messages, phrases, text
from caption.types import Box, Description, Part, Sentence, WordEvidence

Heat: TypeAlias = tuple[tuple[int, ...], ...]  # see `WordEvidence`

# The least support of a part whose underline is solid, and dashed; what has less is dotted.
SOLID_SUPPORT = 0.9
DASHED_SUPPORT = 0.7
_LIMITS = {"solid": SOLID_SUPPORT, "dashed": DASHED_SUPPORT, "dotted": DASHED_SUPPORT}
MAX_CAPTIONS = 3  # shown of those that say the same


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
    rows = "".join(_row(sentence, description) for sentence in description.sentences)
    return (
        f'<div class="evidence" data-picture="{html.escape(mark)}">{_help(description)}'
        f'<ol aria-label="{text("evidence.list")}">{rows}</ol>'
        '<p class="chosen" role="status"></p></div>'
    )


def _help(description: Description) -> str:
    """What can be done with the rows, and what their underlines mean."""
    if not description.sentences:
        return f'<p class="help">{text("evidence.nothing_left")}</p>'
    if not any(sentence.parts for sentence in description.sentences):
        return f'<p class="help">{text("evidence.help")}</p>'
    return f'<p class="help">{text("evidence.help_parts")}</p>{_legend(description.calibrated)}'


def _legend(calibrated: bool) -> str:
    """What the three underlines mean."""
    kind = "calibrated" if calibrated else "uncalibrated"
    samples = "".join(
        f'<span><span class="{underline}" aria-hidden="true">abc</span>'
        f" {text(f'evidence.underline.{underline}.{kind}', percent=messages.percent(share))}</span>"
        for underline, share in _LIMITS.items()
    )
    return f'<p class="help underlines">{samples}</p>'


def _row(sentence: Sentence, description: Description) -> str:
    support = phrases.support(sentence.support, description.calibrated)
    if not sentence.parts:
        return (
            f"<li>{_whole(sentence, support)}{_support(sentence.support, support)}"
            f'<div class="origin">{_origin("evidence.origin", sentence)}</div>'
            f"{_words(sentence.words, sentence.text)}</li>"
        )
    # in the order of the text, each once
    indices = dict.fromkeys(part.statement for part in sentence.parts)
    if len(indices) > 1:
        support = text("evidence.weakest", support=support)
    details = "".join(_details(index, sentence, description) for index in indices)
    return (
        f'<li><p class="sentence" lang="en">{_parts(sentence, description.calibrated)}</p>'
        f"{_support(sentence.support, support)}{details}</li>"
    )


def _whole(sentence: Sentence, support: str) -> str:
    """A sentence without parts, as one button."""
    label = text("evidence.label", region=phrases.region(sentence.region), support=support)
    drawn = _drawn(sentence.text, label, box=sentence.region or WHOLE)
    escaped = html.escape(sentence.text)
    return (
        f'<button type="button" class="sentence" lang="en" aria-pressed="false"'
        f' data-evidence="{drawn}" aria-label="{escaped} {label}">{escaped}</button>'
    )


def _parts(sentence: Sentence, calibrated: bool) -> str:
    """A sentence with its parts as buttons, and what lies between them as it is. Parts come in the
    order of the text and don't overlap.
    """
    pieces: list[str] = []
    end = 0
    for part in sentence.parts:
        pieces += html.escape(sentence.text[end : part.start]), _part(sentence, part, calibrated)
        end = part.end
    return "".join(pieces) + html.escape(sentence.text[end:])


def _part(sentence: Sentence, part: Part, calibrated: bool) -> str:
    """A part as a button: an element that flows with the line, as a <button> never does."""
    support = phrases.support(part.support, calibrated)
    label = text("evidence.label", region=phrases.region(part.region), support=support)
    drawn = _drawn(part.statement, label, box=part.region or WHOLE)
    escaped = html.escape(sentence.text[part.start : part.end])
    return (
        f'<span role="button" tabindex="0" class="part {_underline(part.support)}"'
        f' aria-pressed="false" aria-expanded="false" data-statement="{part.statement}"'
        f' data-evidence="{drawn}" aria-label="{escaped} {label}">{escaped}</span>'
    )


def _underline(support: float | None) -> str:
    """The class of a part: its form says in three steps what its number says exactly."""
    share = support or 0.0
    if share >= SOLID_SUPPORT:
        return "solid"
    return "dashed" if share >= DASHED_SUPPORT else "dotted"


def _details(index: int, sentence: Sentence, description: Description) -> str:
    """What speaks for the parts of a sentence that one statement stands behind."""
    statement = description.statements[index]
    support = phrases.support(statement.support, description.calibrated)
    checked = text("evidence.statement", text=_english(statement.text))
    return (
        f'<div class="details" data-statement="{index}" hidden>'
        f"<div>{_origin('evidence.part_origin', statement, support=support)}</div>"
        f"<div>{checked}</div>{_captions(index, sentence, description)}"
        f"{_words(statement.words, index)}</div>"
    )


def _captions(index: int, sentence: Sentence, description: Description) -> str:
    """Which captions make a statement, first those whose words the sentence took."""
    taken = (part.candidate for part in sentence.parts if part.statement == index)
    claimed = (origin.candidate for origin in description.statements[index].origins)
    candidates = dict.fromkeys(number for number in (*taken, *claimed) if number is not None)
    if not candidates:
        return ""
    distinct = dict.fromkeys(description.candidates[number].text for number in candidates)
    items = "".join(f"<li>{_english(caption)}</li>" for caption in list(distinct)[:MAX_CAPTIONS])
    return f"<div>{text('evidence.captions', count=len(candidates))}<ul>{items}</ul></div>"


def _support(share: float | None, words: str) -> str:
    return f'<div class="support">{_bar(share)}<span>{words}</span></div>'


def _bar(support: float | None) -> str:
    if support is None:
        return ""
    width = 100 * min(max(support, 0.0), 1.0)
    return f'<span class="bar" aria-hidden="true"><span style="width:{width:.1f}%"></span></span>'


def _origin(key: str, sentence: Sentence, **values: str) -> str:
    """Where a sentence or a statement came from, in the words of that key."""
    region = phrases.region(sentence.region)
    return text(key, region=region, round=sentence.round, prompt=_prompt(sentence), **values)


def _prompt(sentence: Sentence) -> str:
    if sentence.supposed:
        return text("evidence.supposed")
    if not sentence.prompt:
        return text("evidence.no_prompt")
    return text("evidence.prompt", prompt=_english(sentence.prompt))


def _words(words: Sequence[WordEvidence], about: str | int) -> str:
    """`about`: as in `_drawn`."""
    if not words:
        return ""
    buttons = "".join(_word(word, about) for word in words)
    return f'<div class="words" role="group" aria-label="{text("evidence.words")}">{buttons}</div>'


def _word(word: WordEvidence, about: str | int) -> str:
    support = phrases.word_support(word.support)
    if word.heat:
        label = text("evidence.word", word=word.word, support=support)
    else:
        label = text("evidence.word_without_heat", word=word.word, support=support)
    drawn = _drawn(about, label, heat=word.heat)
    escaped = html.escape(word.word)
    return (
        f'<button type="button" class="word" lang="en" aria-pressed="false" data-evidence="{drawn}"'
        f' aria-label="{escaped} {support}">{escaped}</button>'
    )


def _english(words: str) -> str:
    return f'<span lang="en">{html.escape(words)}</span>'


def _drawn(about: str | int, label: str, *, box: Box | None = None, heat: Heat = ()) -> str:
    """What the script draws, as the value of an attribute.

    `about` tells apart what else is the same: the sentence's text, or the number of the statement,
    all parts of which are chosen together.
    """
    value = {"about": about, "label": label, "box": box, "heat": heat}
    return html.escape(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
