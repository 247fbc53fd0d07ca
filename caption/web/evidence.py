"""What the page says and looks like, as plain values and pure functions: strings, style, script,
pieces of HTML.
"""

from __future__ import annotations

import html
import json

from caption.locale import messages, phrases
from caption.types import Box, Description, Sentence, WordEvidence


def may_be_filtered(description: Description) -> bool:
    """Whether the slider has something to do; a refused picture stays refused."""
    return is_grounded(description) and bool(description.statements) and not description.refusal


def dropped_html(description: Description) -> str:
    """What had too little support for the text, to be unfolded; empty where nothing was checked."""
    if not is_grounded(description) or not description.statements:
        return ""
    lines = "".join(
        f'<li><span lang="en">{html.escape(one.text)}</span>（{phrases.support(one.support, description.calibrated)}）</li>'
        for one in description.dropped
    )
    title = f"已删去: {len(description.dropped)} 句"
    return (
        f'<details class="dropped"><summary>{title}</summary><ul>{lines}</ul></details>'
        if lines
        else f'<div class="dropped">{title}</div>'
    )


def evidence_html(description: Description, picture: str) -> str:
    """The sentences of a grounded text as rows; empty where there is nothing to show.

    `picture`: a part of the picture's address on this page, by which the script knows that it still
    shows what was described.
    """
    if not is_grounded(description) or not (description.sentences or may_be_filtered(description)):
        return ""
    rows = "".join(_row(one, description.calibrated) for one in description.sentences)
    hint = (
        "选一句或一个词，看它来自图片的哪里；再选一次或按 Esc 收起。"
        if rows
        else "没有一句话达到最低支持度，请把滑块调低。"
    )
    return (
        f'<div class="evidence" data-picture="{html.escape(picture)}"><p class="help">{hint}</p>'
        f'<ol aria-label="逐句证据">{rows}</ol><p class="said" role="status"></p></div>'
    )


def _row(sentence: Sentence, calibrated: bool) -> str:
    support, region = phrases.support(sentence.support, calibrated), phrases.region(sentence.region)
    width = 0 if sentence.support is None else 100 * min(max(sentence.support, 0.0), 1.0)
    bar = (
        ""
        if sentence.support is None
        else f'<span class="bar" aria-hidden="true"><span style="width:{width:.1f}%"></span></span>'
    )
    prompt = (
        f'提示词：<span lang="en">{html.escape(sentence.prompt)}</span>'
        if sentence.prompt
        else "没有提示词"
    )
    if sentence.supposed:
        prompt = "程序的推测，经图片核对"
    shown = _evidence(
        sentence.text, f"{region}，{support}", box=sentence.region or (0.0, 0.0, 1.0, 1.0)
    )
    buttons = "".join(_word(one, sentence) for one in sentence.words)
    words = (
        f'<div class="words" role="group" aria-label="这句话里的词">{buttons}</div>'
        if buttons
        else ""
    )
    return (
        f'<li><button type="button" class="sentence" lang="en" aria-pressed="false" data-evidence="{shown}" '
        f'aria-label="{html.escape(sentence.text)} {region}，{support}">{html.escape(sentence.text)}</button>'
        f'<div class="support">{bar}<span>{support}</span></div>'
        f'<div class="origin">{region}，第 {sentence.round} 轮，{prompt}</div>'
        f"{words}</li>"
    )


def _word(word: WordEvidence, sentence: Sentence) -> str:
    support = phrases.word_support(word.support)
    label = (
        f"模型写“{word.word}”时看的地方，{support}"
        if word.heat
        else f"“{word.word}”：{support}，没有记下看的地方"
    )
    shown = _evidence(sentence.text, label, heat=word.heat)
    text = html.escape(word.word)
    return (
        f'<button type="button" class="word" lang="en" aria-pressed="false" data-evidence="{shown}" '
        f'aria-label="{text} {support}">{text}</button>'
    )


def _evidence(
    sentence: str, label: str, *, box: Box | None = None, heat: tuple[tuple[int, ...], ...] = ()
) -> str:
    """What the script draws, as the value of an attribute; `sentence` tells apart what else is the
    same.
    """
    value = {"sentence": sentence, "label": label, "box": box, "heat": heat}
    return html.escape(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def is_grounded(description: Description) -> bool:
    return description.options.get("strategy") == "grounded"


def slider_info(calibrated: bool) -> str:
    """What the slider does, below its name."""
    if calibrated:
        return "只留下支持度不低于它的句子（%）"
    return "这个模型的支持度未校准：只留下支持条不短于它的句子（%）"


def mean_support(description: Description) -> str:
    """The value of its field; empty where there is no grounded text."""
    if not is_grounded(description) or not description.sentences:
        return ""
    if description.mean_support is None or not description.calibrated:
        return "未校准"
    return f"{messages.percent(description.mean_support)} %"
