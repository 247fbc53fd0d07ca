"""What speaks for a text, as HTML: what it says, and that nothing of a model's text becomes markup."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caption.locale import messages, phrases
from caption.types import Candidate, Description, Origin, Part, Sentence, WordEvidence
from caption.web.evidence import dropped_html, evidence_html, may_be_filtered, mean_support
from tests.support.browser import STATEMENTS, Piece, filtered, grounded, refused, told


class Reader(HTMLParser):
    """What a browser would make of HTML: the elements with their attributes, and the text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.nested: list[str] = []  # buttons within buttons
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        kind = "button" if attributes.get("role") == "button" else tag
        if kind == "button" and "button" in self.open:
            self.nested.append(tag)
        self.elements.append((tag, attributes))
        self.open.append(kind)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() in (tag, "button")

    def handle_data(self, data: str) -> None:
        self.text += data

    def buttons(self, kind: str) -> list[dict[str, str | None]]:
        """Those with this class, with others or alone."""
        return [
            attributes
            for _, attributes in self.elements
            if kind in (attributes.get("class") or "").split()
        ]


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
    assert evidence(rows.buttons("sentence")[0])["about"] == wild
    assert rows.text.count(wild) == 3  # the sentence, its prompt, its word
    assert dropped.text.count(wild) == 1


class TestParts:
    def test_are_buttons_in_their_sentence(self) -> None:
        rows = Reader(evidence_html(told(), "mark"))
        assert rows.open == rows.nested == []
        assert all(sentence.text in rows.text for sentence in told().sentences)
        assert rows.buttons("sentence") == [{"class": "sentence", "lang": "en"}] * 3
        parts = rows.buttons("part")
        assert [part["aria-label"] for part in parts] == [
            "A large dog 整张图片，支持度 97 %",
            "lying on green grass 整张图片，支持度 93 %",
            "next to a red ball 整张图片，支持度 78 %",
            "On the left there is a blue box 图片区域（左），支持度 88 %",
            "behind the dog 整张图片，支持度 61 %",
            'There is a <b>small</b> "bird" in the sky 整张图片，支持度 55 %',
        ]
        assert [part["class"] for part in parts] == [
            "part solid", "part solid", "part dashed", "part dashed", "part dotted", "part dotted",
        ]  # fmt: skip
        assert {
            (part["role"], part["tabindex"], part["aria-pressed"], part["aria-expanded"])
            for part in parts
        } == {("button", "0", "false", "false")}
        assert [evidence(part)["box"] for part in parts[2:4]] == [[0, 0, 1, 1], [0, 0, 0.5, 1]]
        values = [button["data-evidence"] for button in parts + rows.buttons("word")]
        assert len(set(values)) == len(values) == 16

    def test_a_row_has_the_support_of_its_weakest_part(self) -> None:
        text = Reader(evidence_html(told(), "")).text
        assert re.findall(r"\.(支持度 \d+ %(?:（最弱处）)?)", text) == [
            "支持度 78 %（最弱处）",
            "支持度 61 %（最弱处）",
            "支持度 55 %",  # its only one
        ]

    @pytest.mark.parametrize(
        ("support", "underline"),
        [
            (1.0, "solid"),
            (0.9, "solid"),
            (0.899, "dashed"),
            (0.7, "dashed"),
            (0.699, "dotted"),
            (0.0, "dotted"),
            (None, "dotted"),
        ],
    )
    def test_are_underlined_by_support(self, support: float | None, underline: str) -> None:
        (part,) = Reader(evidence_html(_single(support=support), "")).buttons("part")
        assert part["class"] == f"part {underline}"

    def test_the_underlines_are_explained(self) -> None:
        text = Reader(evidence_html(told(), "")).text
        assert "支持度 90 % 以上" in text
        assert "不到 70 %" in text
        assert "以上" not in Reader(evidence_html(grounded(), "")).text  # nothing is underlined

    def test_what_speaks_for_one_is_folded(self) -> None:
        rows = Reader(evidence_html(told(), ""))
        details = rows.buttons("details")
        assert [block["data-statement"] for block in details] == list("012345")
        assert all("hidden" in block for block in details)
        assert (
            "支持度 78 %，整张图片，第 1 轮，提示词：a photography of"
            "核对的陈述：The dog is next to a red ball."
            "有 2 条描述这样说：a large dog lying on green grass next to a red balla dog with a ball"
            "redball"
        ) in rows.text
        # what was only supposed is in no caption
        assert "程序的推测，经图片核对核对的陈述：The box is behind the dog.box" in rows.text

    def test_few_captions_are_shown_and_all_counted(self) -> None:
        captions = ["a dog", "the dog", "a dog", "dogs", "one dog"]
        rows = Reader(evidence_html(_single(captions=captions, taken=4), ""))
        assert "有 5 条描述这样说：one doga dogthe dog" in rows.text
        assert "dogs" not in rows.text

    def test_of_one_statement_are_chosen_together(self) -> None:
        line: Sequence[Piece] = (("A dog", 1, 0), " in ", ("a field", 2, 0), " ", ("lies", 1, 0))
        rows = Reader(evidence_html(told([line]), ""))
        first, field, second = map(evidence, rows.buttons("part"))
        assert first == second != field
        assert [block["data-statement"] for block in rows.buttons("details")] == ["1", "2"]

    def test_uncalibrated_ones_have_no_numbers(self) -> None:
        rows = Reader(evidence_html(dataclasses.replace(told(), calibrated=False), ""))
        assert "%" not in rows.text
        assert not any("%" in (part["aria-label"] or "") for part in rows.buttons("part"))
        assert [part["class"] for part in rows.buttons("part")][1:3] == [
            "part solid",
            "part dashed",
        ]

    @given(st.text(max_size=30), st.lists(st.integers(0, 30), max_size=6))
    def test_nothing_of_them_becomes_html(self, text: str, cuts: list[int]) -> None:
        ends = sorted(min(cut, len(text)) for cut in cuts)
        spans = list(zip(ends[::2], ends[1::2], strict=False))
        rows = Reader(evidence_html(_single(text, spans or [(0, len(text))]), text))
        assert rows.open == rows.nested == []
        assert text in rows.text
        assert {tag for tag, _ in rows.elements} <= {
            "div", "p", "ol", "ul", "li", "span", "button",
        }  # fmt: skip


def _single(
    text: str = "A dog.",
    spans: Sequence[tuple[int, int]] = ((0, 5),),
    *,
    support: float | None = 0.9,
    captions: Sequence[str] = (),
    taken: int | None = None,
) -> Description:
    """A description of one sentence and one statement, with the captions that make it; `taken`:
    the one whose words the sentence has.
    """
    statement = Sentence(
        text,
        text,
        1,
        support=support,
        words=(WordEvidence(text, 0.5),),
        origins=tuple(Origin(number, (0,)) for number in range(len(captions))),
    )
    parts = tuple(Part(start, end, 0, support, candidate=taken) for start, end in spans)
    return grounded(
        text=text,
        sentences=(dataclasses.replace(statement, parts=parts),),
        statements=(statement,),
        candidates=tuple(
            Candidate(caption, "", "prompts", 1, True, "supported") for caption in captions
        ),
    )


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
