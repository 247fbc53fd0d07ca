"""What speaks for a text, as HTML: what it says, and that nothing of a model's text becomes markup."""

from __future__ import annotations

import dataclasses
import json
from html.parser import HTMLParser
from typing import Any

import pytest

from caption.locale import messages, phrases
from caption.types import Sentence, WordEvidence
from caption.web.evidence import dropped_html, evidence_html, may_be_filtered, mean_support
from tests.support.browser import STATEMENTS, filtered, grounded, refused


class Reader(HTMLParser):
    """What a browser would make of HTML: the elements with their attributes, and the text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def buttons(self, kind: str) -> list[dict[str, str | None]]:
        return [attributes for _, attributes in self.elements if attributes.get("class") == kind]


def evidence(button: dict[str, str | None]) -> dict[str, Any]:
    return json.loads(button["data-evidence"] or "")


def test_rows_tell_text_support_and_origin() -> None:
    rows = Reader(evidence_html(grounded(), "mark"))
    assert rows.open == []
    sentences = rows.buttons("sentence")
    assert [evidence(button)["box"] for button in sentences] == [
        [0, 0, 1, 1],
        [0, 0, 0.5, 1],
        [0.5, 0, 1, 0.5],
    ]
    assert {button["aria-pressed"] for button in sentences + rows.buttons("word")} == {"false"}
    assert [button["aria-label"] for button in sentences] == [
        "A red ball lies in a field. 整张图片，支持度 97 %",
        "On the left, a blue box stands on the grass. 图片区域（左），支持度 88 %",
        'In the upper right there is a <b>small</b> "bird". 图片区域（右上），支持度 61 %',
    ]
    assert "整张图片，第 1 轮，提示词：a photography of" in rows.text
    assert "图片区域（右上），第 2 轮，没有提示词" in rows.text
    supposed = dataclasses.replace(grounded().sentences[-1], supposed=True)
    text = Reader(evidence_html(dataclasses.replace(grounded(), sentences=(supposed,)), "")).text
    assert "第 2 轮，程序的推测，经图片核对" in text
    assert [attributes["style"] for _, attributes in rows.elements if "style" in attributes] == [
        "width:97.4%",
        "width:88.0%",
        "width:61.0%",
    ]
    assert [
        attributes["data-picture"]
        for _, attributes in rows.elements
        if "data-picture" in attributes
    ] == ["mark"]


def test_words_carry_their_heat_maps() -> None:
    first, *_ = Reader(evidence_html(grounded(), "")).buttons("word")
    assert first["aria-label"] == "red 图片让这个词可能得多"
    drawn = evidence(first)
    assert drawn["label"] == "模型写“red”时看的地方，图片让这个词可能得多"
    assert drawn["box"] is None
    assert tuple(map(tuple, drawn["heat"])) == STATEMENTS[0].words[0].heat
    blind = dataclasses.replace(STATEMENTS[0], words=(WordEvidence("red", 0.5),))
    (only,) = Reader(evidence_html(grounded(sentences=(blind,)), "")).buttons("word")
    assert evidence(only)["label"] == "“red”：图片让这个词稍微可能一些，没有记下看的地方"


def test_no_two_buttons_carry_the_same() -> None:
    rows = Reader(evidence_html(grounded(), ""))
    values = [button["data-evidence"] for button in rows.buttons("sentence") + rows.buttons("word")]
    assert len(set(values)) == len(values) == 9


def test_nothing_of_a_text_becomes_html() -> None:
    wild = "\"><script>alert('x')</script>&amp;{{value}}${value}"
    statement = Sentence(wild, wild, 1, None, 0.9, (WordEvidence(wild, 0.5, ((0, 255),)),))
    description = grounded(
        sentences=(statement,), statements=(statement, dataclasses.replace(statement, support=0.1))
    )
    rows, dropped = (
        Reader(evidence_html(description, wild)),
        Reader(dropped_html(description)),
    )
    assert {tag for tag, _ in rows.elements + dropped.elements}.isdisjoint({"script"})
    assert evidence(rows.buttons("sentence")[0])["sentence"] == wild
    assert rows.text.count(wild) == 3  # the sentence, its prompt, its word
    assert dropped.text.count(wild) == 1


def test_uncalibrated_supports_have_bars_and_no_numbers() -> None:
    description = grounded(calibrated=False)
    rows = Reader(evidence_html(description, ""))
    assert "%" not in rows.text
    assert rows.text.count("未校准") == 3
    assert len(rows.buttons("bar")) == 3
    assert "%" not in "".join(
        evidence(button)["label"] for button in rows.buttons("sentence") + rows.buttons("word")
    )
    assert mean_support(description) == "未校准"
    assert "%" not in dropped_html(description)


def test_what_was_not_checked_says_so() -> None:
    plain = tuple(
        dataclasses.replace(statement, support=None, words=()) for statement in STATEMENTS[:1]
    )
    description = grounded(sentences=plain, statements=plain, calibrated=False)
    rows = Reader(evidence_html(description, ""))
    assert "未核对" in rows.text
    assert rows.buttons("bar") == rows.buttons("words") == []
    assert mean_support(description) == "未校准"


def test_mean_support_and_what_was_dropped() -> None:
    description = grounded()
    assert mean_support(description) == "82 %"  # of 0.974, 0.88 and 0.61
    dropped = Reader(dropped_html(description))
    assert dropped.elements[0] == ("details", {"class": "dropped"})  # closed
    assert dropped.text == "已删去: 1 句A dog sleeps on the roof.（支持度 12 %）"
    nothing = Reader(dropped_html(filtered(description, 0.0)))
    assert (nothing.elements[0][0], nothing.text) == ("div", "已删去: 0 句")


def test_a_text_without_evidence_has_no_rows() -> None:
    forced = grounded(options={"strategy": "forced"}, statements=())
    for description in (forced, refused()):
        assert (
            evidence_html(description, "")
            == dropped_html(description)
            == mean_support(description)
            == ""
        )
        assert not may_be_filtered(description)
    assert phrases.description_text(forced) == forced.text


def test_nothing_left_by_the_slider_is_told() -> None:
    description = filtered(grounded(), 1.0)
    assert "请把滑块调低" in Reader(evidence_html(description, "")).text
    assert "4 句" in dropped_html(description)
    assert mean_support(description) == ""


@pytest.mark.parametrize("code", ["blank", "noise", "foreign", "unsupported"])
def test_a_refusal_takes_the_place_of_the_text(code: str) -> None:
    description = refused(code, 0.034)
    assert phrases.description_text(description) == messages.refusal(code, 0.034)
    assert phrases.statistics(description.stats) == ""
    checked = dataclasses.replace(description, statements=STATEMENTS)
    assert not may_be_filtered(checked)
    # what was found wanting may be looked at
    assert "已删去: 1 句" in dropped_html(checked)
