"""Captions are true, and the reader reads them back whole."""

from __future__ import annotations

import random

from caption.prompts import DEFAULT_TABLES
from scripts.demo_model import captions
from scripts.demo_model.captions import statement
from scripts.demo_model.changes import is_true
from scripts.demo_model.facts import holds
from scripts.demo_model.reading import read
from scripts.demo_model.scenes import COLORS, HELD_OUT_SEEDS, random_scene, view


class TestCaptions:
    def test_they_are_true_and_readable(self) -> None:
        """Both ways: what is written is read back whole, and every fact read holds."""
        for seed in range(600):
            rng = random.Random(seed)
            scene = random_scene(HELD_OUT_SEEDS + seed)
            if seed % 2:
                share, x, y = rng.uniform(0.45, 0.9), rng.random(), rng.random()
                x, y = x * (1 - share), y * (1 - share)
                scene = view(scene, (x, y, x + share, y + share))
            text = captions.caption(scene, rng, detailed=seed % 3 == 0)
            reading = read(text)
            assert reading.facts, text
            assert reading.unread == (), text
            assert all(holds(fact, scene) for fact in reading.facts), (text, scene)

    def test_a_false_word_is_found(self) -> None:
        """Change one colour or kind in a caption and the reader must find a false fact."""
        for seed in range(100):
            rng = random.Random(seed)
            scene = random_scene(HELD_OUT_SEEDS + seed)
            text = captions.caption(scene, rng)
            named = [thing for thing in scene.objects if f"{thing.color} {thing.kind}" in text]
            if not named:
                continue
            other = rng.choice([color for color in COLORS if color != named[0].color])
            wrong = text.replace(f"{named[0].color} {named[0].kind}", f"{other} {named[0].kind}")
            assert any(holds(fact, scene) is False for fact in read(wrong).facts)

    def test_three_facts_or_more_on_average_and_four_clauses_at_most(self) -> None:
        counts = []
        for seed in range(300):
            text = captions.caption(random_scene(HELD_OUT_SEEDS + seed), random.Random(seed))
            counts.append(len(read(text).facts))
        assert sum(counts) / len(counts) >= 3

    def test_every_prompt_is_trained_and_continuations_add_only_new_facts(self) -> None:
        seen = set()
        for seed in range(1500):
            scene = random_scene(seed, pairs="trained")
            prompt, target = captions.example(scene, random.Random(seed))
            instruction = next(
                (
                    start
                    for start in (*DEFAULT_TABLES.prompts, *DEFAULT_TABLES.instructions)
                    if prompt.startswith(start)
                ),
                "",
            )
            seen.add(instruction)
            before, after = read(prompt.removeprefix(instruction)), read(target)
            stated = set(before.facts)
            again = [f for f in after.facts if f in stated and f.slot != "object"]
            assert not again, (prompt, target)
        assert seen == {"", *DEFAULT_TABLES.prompts, *DEFAULT_TABLES.instructions}

    def test_the_vocabulary_holds_every_word(self) -> None:
        vocabulary = captions.vocabulary_words()
        for seed in range(500):
            prompt, target = captions.example(random_scene(seed), random.Random(seed))
            words = {word.strip(".,:").lower() for word in f"{prompt} {target}".split()}
            assert words - {""} <= vocabulary

    def test_what_is_written_is_what_is_read(self) -> None:
        for seed in range(600):
            writer = captions._Writer(random_scene(HELD_OUT_SEEDS + seed), random.Random(seed))
            text = writer.join(writer.opening(), writer.clauses(4))
            assert set(read(text).facts) == writer.stated, text


def test_statements_are_short_true_and_of_every_kind() -> None:
    rng = random.Random(0)
    slots = set()
    for scene in map(random_scene, range(150)):
        text = statement(scene, rng)
        assert is_true(text, scene), (text, scene)
        assert len(text.split()) <= 14
        slots |= {fact.slot for fact in read(text).facts}
    assert slots >= {"object", "color", "size", "place", "relation", "background", "weather"}
