"""forced: the stages in order, each with its record, over a scripted model."""

from __future__ import annotations

import dataclasses

import pytest

from caption import DescribeOptions
from caption.errors import Cancelled, ModelError
from caption.prompts import DEFAULT_TABLES
from caption.types import REASONS, Detail

LONG = "a large brown dog sitting on a green couch in a small living room with a wooden table and a lamp"
PROMPT_ANSWERS = {
    "a photography of": LONG,
    "a detailed photography of": "a dog",
    "a professional photography of": "a brown dog on a couch next to a window",
    "a high resolution photography of": "a sleeping dog in a room",
}


class TestRoundOne:
    def test_the_longest_leads_and_short_ones_are_dropped(self, scripted) -> None:
        description, _ = scripted(DescribeOptions(strategy="forced", detail="low"), PROMPT_ANSWERS)
        assert description.text.startswith("A large brown dog sitting on a green couch")
        by_prompt = {candidate.prompt: candidate for candidate in description.candidates}
        assert by_prompt["a photography of"].reason == "leader"
        assert by_prompt["a photography of"].kept
        assert by_prompt["a detailed photography of"].reason == "too_short"
        assert not by_prompt["a detailed photography of"].kept
        assert {candidate.reason for candidate in description.candidates} <= set(REASONS)

    def test_the_longest_is_kept_where_all_are_short(self, scripted) -> None:
        answers = dict.fromkeys(DEFAULT_TABLES.prompts, "a dog") | {
            DEFAULT_TABLES.prompts[2]: "a brown dog"
        }
        description, _ = scripted(DescribeOptions(strategy="forced", detail="low"), answers)
        assert description.text == "A brown dog"

    def test_the_picture_is_encoded_once_for_all_rounds(self, scripted) -> None:
        scripted(DescribeOptions(strategy="forced", detail="high"), PROMPT_ANSWERS)
        assert scripted.model.encoded == 1

    def test_every_prompt_is_asked_with_the_preset_and_the_seed(self, scripted) -> None:
        _, asked = scripted(
            DescribeOptions(strategy="forced", detail="low", seed=11), PROMPT_ANSWERS
        )
        assert [prompt for prompt, _ in asked] == list(DEFAULT_TABLES.prompts)
        expected = dataclasses.replace(
            DEFAULT_TABLES.presets["prompts"], seed=11, suppress=((999,),)
        )
        assert {settings for _, settings in asked} == {expected}

    def test_phrases_of_others_are_combined_and_named(self, scripted) -> None:
        answers = dict.fromkeys(DEFAULT_TABLES.prompts, "a brown dog on a couch")
        answers[DEFAULT_TABLES.prompts[1]] = "a wooden table and a white lamp"
        description, _ = scripted(DescribeOptions(strategy="forced", detail="low"), answers)
        assert "lamp" in description.text
        assert (
            next(sentence.prompt for sentence in description.sentences) == DEFAULT_TABLES.prompts[1]
        )
        assert {sentence.prompt for sentence in description.sentences} == {
            DEFAULT_TABLES.prompts[0],
            DEFAULT_TABLES.prompts[1],
        }


class TestExtension:
    SHORT = dict.fromkeys(DEFAULT_TABLES.prompts, "a brown dog on a couch")

    def test_a_short_text_is_extended_by_the_longest(self, scripted) -> None:
        answers = self.SHORT | {
            DEFAULT_TABLES.extension_prompts[0]: "with a red ball",
            DEFAULT_TABLES.extension_prompts[1]: "with a red ball next to a window and a lamp",
            DEFAULT_TABLES.extension_prompts[2]: "and a cat",
        }
        description, asked = scripted(DescribeOptions(strategy="forced", detail="low"), answers)
        assert (
            description.text == "A brown dog on a couch with a red ball next to a window and a lamp"
        )
        assert asked[4][0] == f"{DEFAULT_TABLES.extension_prompts[0]} A brown dog on a couch"
        kept = [c for c in description.candidates if c.stage == "extension" and c.kept]
        assert [c.prompt for c in kept] == [DEFAULT_TABLES.extension_prompts[1]]
        assert description.sentences[-1].text == "with a red ball next to a window and a lamp"

    def test_five_words_more_are_not_enough(self, scripted) -> None:
        answers = self.SHORT | dict.fromkeys(
            DEFAULT_TABLES.extension_prompts, "with a big red ball"
        )
        description, _ = scripted(DescribeOptions(strategy="forced", detail="low"), answers)
        assert description.text == "A brown dog on a couch"
        assert {c.reason for c in description.candidates if c.stage == "extension"} == {"no_gain"}

    def test_a_text_of_ten_words_is_left_alone(self, scripted) -> None:
        answers = dict.fromkeys(DEFAULT_TABLES.prompts, "a brown dog on a couch in a living room")
        _, asked = scripted(DescribeOptions(strategy="forced", detail="low"), answers)
        assert len(asked) == 4


class TestRounds:
    MORE = "and the dog wears a red collar while a cat sleeps by the window"

    @pytest.mark.parametrize(
        ("detail", "multi_round", "rounds"),
        [
            ("high", True, 2),
            ("medium", True, 1),
            ("low", True, 0),
            ("high", False, 0),
            ("medium", False, 0),
        ],
    )
    def test_how_many(self, scripted, detail: Detail, multi_round: bool, rounds: int) -> None:
        options = DescribeOptions(strategy="forced", detail=detail, multi_round=multi_round)
        _, asked = scripted(
            options, PROMPT_ANSWERS | {DEFAULT_TABLES.enhancement_prompt: self.MORE}
        )
        assert (
            sum(prompt.startswith(DEFAULT_TABLES.enhancement_prompt) for prompt, _ in asked)
            == rounds
        )

    def test_a_round_keeps_the_embedded_text_and_adds_to_it(self, scripted) -> None:
        options = DescribeOptions(strategy="forced", detail="medium")
        before, _ = scripted(dataclasses.replace(options, detail="low"), PROMPT_ANSWERS)
        after, asked = scripted(
            options, PROMPT_ANSWERS | {DEFAULT_TABLES.enhancement_prompt: self.MORE}
        )
        assert asked[-1][0] == f"{DEFAULT_TABLES.enhancement_prompt} {before.text}"
        assert after.text.startswith(before.text)
        assert after.text.endswith("by the window")
        assert after.sentences[-1].round == 2

    def test_rounds_draw_different_numbers(self, scripted) -> None:
        scripted(DescribeOptions(strategy="forced", detail="high"), PROMPT_ANSWERS)
        first, *later = (tuple(keys) for keys in dict.fromkeys(map(tuple, scripted.keys)))
        assert len(later) == 2
        assert not set(first) & {key for keys in later for key in keys}

    def test_eight_words_more_are_not_enough(self, scripted) -> None:
        description, _ = scripted(
            DescribeOptions(strategy="forced", detail="medium"),
            PROMPT_ANSWERS
            | {DEFAULT_TABLES.enhancement_prompt: "and the dog wears a red collar here"},
        )
        assert description.candidates[-1].reason == "no_gain"
        assert "collar" not in description.text

    def test_a_round_without_room_is_skipped_and_recorded(self, scripted) -> None:
        endless = " ".join(f"thing{i}" for i in range(240))
        description, asked = scripted(
            DescribeOptions(strategy="forced", detail="high"),
            dict.fromkeys(DEFAULT_TABLES.prompts, endless),
        )
        assert len(asked) == 4
        assert [c.reason for c in description.candidates[-2:]] == ["no_room", "no_room"]

    def test_a_failing_round_keeps_the_text_and_is_told(self, scripted) -> None:
        answers = PROMPT_ANSWERS | {
            DEFAULT_TABLES.enhancement_prompt: ModelError("no memory", code="out_of_memory")
        }
        description, _ = scripted(DescribeOptions(strategy="forced", detail="high"), answers)
        assert description.text.startswith("A large brown dog")
        assert description.failure == "out_of_memory"
        assert description.candidates[-1].reason == "failed"

    def test_a_failing_first_round_is_raised(self, scripted) -> None:
        with pytest.raises(ModelError):
            scripted(
                DescribeOptions(strategy="forced"),
                {"": ModelError("no memory", code="out_of_memory")},
            )

    def test_a_stop_in_a_later_round_is_no_failure(self, scripted) -> None:
        with pytest.raises(Cancelled):
            scripted(
                DescribeOptions(strategy="forced"),
                PROMPT_ANSWERS | {DEFAULT_TABLES.enhancement_prompt: Cancelled("stop")},
            )


def test_an_echo_of_an_instruction_of_other_tables_is_cut(scripted) -> None:
    tables = dataclasses.replace(DEFAULT_TABLES, extension_prompts=("Tell me more about",))
    answers = dict.fromkeys(DEFAULT_TABLES.prompts, "a brown dog")
    answers["Tell me more about"] = "tell me more about a green couch in a small room"
    description, _ = scripted(
        DescribeOptions(strategy="forced", detail="low"), answers, tables=tables
    )
    assert description.text == "A brown dog, a green couch in a small room"
