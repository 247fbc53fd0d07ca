"""benchmarks/coco: tokens, BLEU-4 and CIDEr-D against values worked out by hand and against other
formulations.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks import coco
from benchmarks.coco import (
    Captioned,
    bleu4,
    cider_d,
    measure,
    read_annotations,
    read_karpathy,
    tokenize,
)


class TestTokens:
    """What Stanford's PTBTokenizer 3.4.1 makes of the same texts as pycocoevalcap calls it."""

    @pytest.mark.parametrize(
        ("text", "tokens"),
        [
            ("A man riding a wave on top of a surfboard.", "a man riding a wave on top of a surfboard"),
            ("Two dogs, one cat; and: a bird!  Really?", "two dogs one cat and a bird really"),
            ("A black-and-white cat - asleep -- on a t-shirt", "a black-and-white cat asleep on a t-shirt"),
            ("the dog's bowl and the cats' toys", "the dog 's bowl and the cats toys"),
            ("It's here, they're there, I'm in, we've won, she'll go, he'd stay", "it 's here they 're there i 'm in we 've won she 'll go he 'd stay"),
            ("They don't and can't, it ISN'T; one cannot", "they do n't and ca n't it is n't one can not"),
            ("the man’s hat isn’t “red”", "the man 's hat is n't red"),
            ('a sign that says "STOP" or \'GO\'', "a sign that says stop or go"),
            ("three (3) cats [two] {one}", "three -lrb- 3 -rrb- cats -lsb- two -rsb- -lcb- one -rcb-"),
            ("Mr. Smith on Main St. in the U.S. at 5 p.m.", "mr. smith on main st. in the u.s. at 5 p.m."),
            ("a farm. The end...and more", "a farm the end and more"),
            ("10:30 on 1/2, 3.5 of 1,000 for $5 at 50% & #1", "10:30 on 1/2 3.5 of 1,000 for $ 5 at 50 % & # 1"),
            ("a 2.5-inch, 10-year-old black/white thing of the '50s at 8 o'clock", "a 2.5-inch 10-year-old black/white thing of the '50s at 8 o'clock"),
            ("a grey theatre, No. 5. There is no.", "a grey theatre no. 5 there is no"),
            ("gonna and gotta, 'tis rock 'n' roll, y'all, ma'am", "gon na and got ta 't is rock 'n' roll y' all ma'am"),
            ("a man,dog and cat.The A&W r&b #cats @home", "a man dog and cat.the a&w r & b #cats @home"),
            ("a* b** _c__ d -- e ---- f ----- g", "a * b ** _ c __ d e f ----- g"),
            ("€5 or £6 or 5¢", "$ 5 or # 6 or 5 cents"),
            ("wow!! a café\nby the sea", "wow !! a café by the sea"),
            ("...", ""),
            ("", ""),
        ],
    )  # fmt: skip
    def test_table(self, text: str, tokens: str) -> None:
        assert tokenize(text) == tokens.split()

    @given(st.text())
    def test_tokens_hold_no_spaces_and_tokenizing_never_fails(self, text: str) -> None:
        assert all(token and token == "".join(token.split()) for token in tokenize(text))

    @given(
        st.lists(
            st.sampled_from(["a", "red", "dog", "by", "t-shirt", "'s", "n't", "u.s."]), max_size=12
        )
    )
    def test_plain_words_come_back_as_they_are(self, words: list[str]) -> None:
        assert tokenize(" ".join(words)) == words


WORDS = st.lists(st.sampled_from("abcdef"), max_size=9)
REFERENCES = st.lists(WORDS.filter(bool), min_size=1, max_size=3)
CORPUS = st.lists(st.tuples(WORDS, REFERENCES), min_size=1, max_size=5)


def split(*texts: str) -> list[list[str]]:
    return [text.split() for text in texts]


class TestBleu:
    def test_by_hand(self) -> None:
        # 7 words; references of 6 and 7, the closest is 7: no penalty. Of its runs all but those
        # with "now" stand in the first reference: 6/7 words, 5/6 pairs, 4/5 triples, 3/4
        # quadruples; the product is 3/7.
        candidate, known = (
            split("the cat is on the mat now"),
            [split("the cat is on the mat", "there is a cat on the mat")],
        )
        assert bleu4(candidate, known) == pytest.approx((3 / 7) ** 0.25)

    def test_a_word_counts_no_more_often_than_in_the_reference_that_has_it_most(self) -> None:
        # words: "the" 2 of 3, cat, sat, on, mat: 6/7; pairs: all but "the the": 5/6; triples: the
        # cat sat, cat sat on, sat on the: 3/5; quadruples: the cat sat on, cat sat on the: 2/4. The
        # reference is one word shorter.
        candidate, known = split("the cat sat on the the mat"), [split("the cat sat on the mat")]
        assert bleu4(candidate, known) == pytest.approx((6 / 7 * 5 / 6 * 3 / 5 * 2 / 4) ** 0.25)

    def test_a_short_corpus_is_penalised(self) -> None:
        # all runs stand in the reference; 4 words where 6 were wanted
        assert bleu4(split("the cat is on"), [split("the cat is on the mat")]) == pytest.approx(
            math.exp(1 - 6 / 4)
        )

    def test_of_two_equally_near_lengths_the_shorter_is_wanted(self) -> None:
        # references of 4 and 6 words, 5 said: 4 are wanted, so there is no penalty
        known = [split("a b c d", "a b c d e f")]
        assert bleu4(split("a b c d e"), known) == pytest.approx(1.0)

    def test_counts_are_summed_over_the_corpus(self) -> None:
        # first: 4/4, 3/3, 2/2, 1/1; second: "a b", then strangers: 2/4, 1/3, 0/2, 0/1. Together
        # 6/8, 4/6, 2/4, 1/2.
        candidates, known = split("a b c d", "a b x y"), [split("a b c d"), split("a b c d")]
        assert bleu4(candidates, known) == pytest.approx((6 / 8 * 4 / 6 * 2 / 4 * 1 / 2) ** 0.25)

    @pytest.mark.parametrize("candidate", ["", "a b c", "x y z w"])
    def test_without_a_run_of_four_in_common_it_is_nothing(self, candidate: str) -> None:
        assert bleu4(split(candidate), [split("a b c d")]) == 0.0

    @given(
        st.lists(
            st.lists(st.sampled_from("abcdef"), min_size=4, max_size=9), min_size=1, max_size=5
        )
    )
    def test_what_people_wrote_word_for_word_is_perfect(self, texts: list[list[str]]) -> None:
        assert bleu4(texts, [[["a", "b"], text] for text in texts]) == pytest.approx(1.0)

    @given(CORPUS)
    def test_another_formulation(self, corpus: list[tuple[list[str], list[list[str]]]]) -> None:
        """Exact fractions, runs counted as text."""

        def count(words: list[str], run: str) -> int:
            text = "".join(words)
            return sum(text[i : i + len(run)] == run for i in range(len(text)))

        def nearest(count: int, known: list[list[str]]) -> int:
            return min(sorted(map(len, known)), key=lambda length: abs(length - count))

        product = Fraction(1)
        for n in range(1, 5):
            matched = made = 0
            for candidate, known in corpus:
                text = "".join(candidate)
                made += max(0, len(text) - n + 1)
                for run in {text[i : i + n] for i in range(len(text) - n + 1)}:
                    matched += min(
                        count(candidate, run), max(count(reference, run) for reference in known)
                    )
            product *= Fraction(matched, made) if made else 0
        words = sum(len(candidate) for candidate, _ in corpus)
        wanted = sum(nearest(len(candidate), known) for candidate, known in corpus)
        penalty = 1.0 if words >= wanted else math.exp(1 - wanted / words) if words else 0.0
        expected = penalty * float(product) ** 0.25
        assert bleu4([c for c, _ in corpus], [known for _, known in corpus]) == pytest.approx(
            expected, abs=1e-12
        )


class TestCider:
    KNOWN = [split("a b c d"), split("a x y z")]

    def test_by_hand(self) -> None:
        # "a" stands with both pictures and weighs log(2/2) = 0, all else weighs log(2/1) = L.
        # First: the reference itself, cosine 1 for every length: 10. Second, "a x y w": words x, y
        # of x, y, w against x, y, z: 2 L² / (√3 L)² = 2/3; pairs ax, xy of ax, xy, yw: 2/3; triples
        # axy of axy, xyw: 1/2; quadruples: 0. As long as the reference: no penalty. 10 × (2/3 + 2/3
        # + 1/2 + 0) / 4.
        first, second = cider_d(split("a b c d", "a x y w"), self.KNOWN)
        assert first == pytest.approx(10.0)
        assert second == pytest.approx(10 * 11 / 24)

    def test_repetition_and_length_are_penalised(self) -> None:
        # "b b": the word weighs 2 L but counts L: L² / (2 L · √3 L); the pair "b b" is unknown. Two
        # words short: exp(-2² / (2 · 6²)).
        first, _ = cider_d(split("b b", "a x y z"), self.KNOWN)
        assert first == pytest.approx(10 * math.exp(-4 / 72) / (2 * math.sqrt(3)) / 4)

    def test_references_share_evenly(self) -> None:
        # the same words as one of two references, nothing in common with the other: half of 10
        known = [split("a b c d", "e f g h"), split("v w x y")]
        assert cider_d(split("a b c d", "v w x y"), known) == pytest.approx([5.0, 10.0])

    def test_one_picture_alone_weighs_nothing(self) -> None:
        assert cider_d(split("a b c d"), [split("a b c d")]) == [0.0]

    def test_nothing_said(self) -> None:
        assert cider_d([[], *split("a x y z")], self.KNOWN)[0] == 0.0

    @given(
        st.lists(
            st.lists(st.sampled_from("abcdef"), min_size=4, max_size=9), min_size=1, max_size=5
        )
    )
    def test_what_people_wrote_word_for_word_is_perfect(self, texts: list[list[str]]) -> None:
        # a second picture of other words, and words of his own for each: every length has a weight
        texts = [[f"{word}{i}" for word in text] for i, text in enumerate(texts)] + [
            split("p q r s")[0]
        ]
        assert cider_d(texts, [[text] for text in texts]) == pytest.approx([10.0] * len(texts))

    @given(CORPUS)
    def test_another_formulation(self, corpus: list[tuple[list[str], list[list[str]]]]) -> None:
        """Dense vectors over all runs, as the paper writes it."""

        def of(words: list[str], n: int) -> list[str]:
            return ["".join(words[i : i + n]) for i in range(len(words) - n + 1)]

        expected = np.zeros(len(corpus))
        for n in range(1, 5):
            every = sorted(
                {
                    run
                    for words, known in corpus
                    for reference in (words, *known)
                    for run in of(reference, n)
                }
            )
            holders = [
                sum(any(run in of(reference, n) for reference in known) for _, known in corpus)
                for run in every
            ]
            idf = np.array([math.log(len(corpus) / max(1, holder)) for holder in holders])

            def vector(
                words: list[str], n: int = n, every: list[str] = every, idf: np.ndarray = idf
            ) -> np.ndarray:
                return np.array([of(words, n).count(run) for run in every]) * idf

            for i, (words, known) in enumerate(corpus):
                for reference in known:
                    g, r = vector(words), vector(reference)
                    norm = np.linalg.norm(g) * np.linalg.norm(r)
                    penalty = math.exp(-((len(words) - len(reference)) ** 2) / 72)
                    expected[i] += (
                        10
                        / 4
                        / len(known)
                        * penalty
                        * (np.minimum(g, r) @ r / norm if norm else 0.0)
                    )
        scores = cider_d([words for words, _ in corpus], [known for _, known in corpus])
        assert scores == pytest.approx(expected.tolist(), abs=1e-9)

    @pytest.mark.slow
    @given(CORPUS)
    def test_bounds_and_the_order_of_references(
        self, corpus: list[tuple[list[str], list[list[str]]]]
    ) -> None:
        candidates, known = [c for c, _ in corpus], [list(k) for _, k in corpus]
        scores = cider_d(candidates, known)
        assert all(0 <= score <= 10 + 1e-9 for score in scores)
        assert cider_d(candidates, [reference[::-1] for reference in known]) == pytest.approx(
            scores
        )
        assert bleu4(candidates, [reference[::-1] for reference in known]) == pytest.approx(
            bleu4(candidates, known)
        )


CAPTIONS = {
    "one.png": ["A bold cat dozes.", "Every fox goes home!"],
    "two.png": ["Vans wait beside yards"],
    "unseen.png": ["Z"],
}


def write_coco(folder: Path) -> Path:
    """Two pictures, grey and white, the captions of three, in COCO's format."""
    for name, shade in (("one.png", 90), ("two.png", 255)):
        Image.new("RGB", (8, 8), (shade,) * 3).save(folder / name)
    images = [{"id": 10 + i, "file_name": name} for i, name in enumerate(CAPTIONS)]
    annotations = [
        {"id": 7, "image_id": 10 + i, "caption": text}
        for i, texts in enumerate(CAPTIONS.values())
        for text in texts
    ]
    images.append({"id": 99, "file_name": "without-captions.png"})
    file = folder / "captions.json"
    file.write_text(json.dumps({"images": images, "annotations": annotations}), encoding="utf-8")
    return file


class TestFiles:
    def test_annotations(self, tmp_path: Path) -> None:
        captioned = read_annotations(tmp_path, write_coco(tmp_path))
        assert captioned == [
            Captioned(tmp_path / name, tuple(texts)) for name, texts in CAPTIONS.items()
        ]

    def test_the_test_split_of_karpathy(self, tmp_path: Path) -> None:
        def image(name: str, split: str) -> dict[str, Any]:
            return {
                "filepath": "val2014",
                "filename": name,
                "split": split,
                "sentences": [{"raw": f"of {name}"}],
            }

        (tmp_path / "val2014").mkdir()
        (tmp_path / "val2014" / "below.jpg").touch()
        names = (("below.jpg", "test"), ("learnt.jpg", "restval"), ("beside.jpg", "test"))
        file = tmp_path / "dataset_coco.json"
        file.write_text(json.dumps({"images": [image(*name) for name in names]}), encoding="utf-8")
        assert read_karpathy(tmp_path, file) == [
            Captioned(tmp_path / "val2014" / "below.jpg", ("of below.jpg",)),
            Captioned(tmp_path / "beside.jpg", ("of beside.jpg",)),
        ]

    @pytest.mark.parametrize(
        "content", ["", "[]", "{}", '{"images": [{"id": 1}], "annotations": [{}]}']
    )
    @pytest.mark.parametrize("reader", [read_annotations, read_karpathy])
    def test_another_file_is_named(
        self, tmp_path: Path, content: str, reader: Callable[[Path, Path], list[Captioned]]
    ) -> None:
        file = tmp_path / "other.json"
        file.write_text(content, encoding="utf-8")
        with pytest.raises(ValueError, match=r"other\.json is no "):
            reader(tmp_path, file)


class TestMeasure:
    def test_a_small_folder_by_hand(self, tmp_path: Path) -> None:
        # Grey is described by its first caption (CIDEr-D 5, see above), white by nothing (0). BLEU:
        # runs all match, 4 words where 4 + 4 were wanted. The check prefers each picture's own
        # caption for grey only: own 0.9, 0.2, foreign 0.1, 0.8: 3 of 4 pairs.
        captioned = read_annotations(tmp_path, write_coco(tmp_path))[:2]
        asked = []

        def describe(picture: Image.Image) -> str:
            return "a BOLD cat dozes" if picture.getpixel((0, 0)) == (90, 90, 90) else ""

        def check(picture: Image.Image, texts: Sequence[str]) -> list[float]:
            asked.append(tuple(texts))
            return [0.9, 0.1] if describe(picture) else [0.2, 0.8]

        figures, texts = measure(captioned, describe, check, lambda message: None)
        assert texts == ["a BOLD cat dozes", ""]
        assert asked == [
            ("A bold cat dozes.", "Vans wait beside yards"),
            ("Vans wait beside yards", "A bold cat dozes."),
        ]
        assert (figures.pictures, figures.references, figures.silent, figures.words) == (
            2,
            3,
            1,
            2.0,
        )
        assert figures.cider_d == pytest.approx(2.5)
        assert figures.bleu4 == pytest.approx(math.exp(1 - 8 / 4))
        assert figures.check_auroc == pytest.approx(0.75)
        assert figures.seconds >= 0

    def test_one_picture_has_nothing_to_be_shuffled_with(self, tmp_path: Path) -> None:
        captioned = read_annotations(tmp_path, write_coco(tmp_path))[:1]
        figures, _ = measure(
            captioned, lambda picture: "a b c d", lambda picture, texts: [], lambda message: None
        )
        assert figures.check_auroc is None


class TestPrompt:
    def test_the_official_search_without_the_prompt(
        self, tiny_model, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """3 beams, at least 5 and at most 20 tokens, the prompt's among them; only what follows it
        is the caption.
        """
        calls = []

        def generate(*args: Any) -> Any:
            calls.append((args, coco_generate(*args)))
            return calls[-1][1]

        coco_generate = coco.generate
        monkeypatch.setattr(coco, "generate", generate)
        picture = Image.fromarray(
            np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
        )
        text = coco.continuing(tiny_model, "a red")(picture)
        (((_, _, prompts, options), sequences),) = calls
        assert prompts == [tiny_model.prompt_ids("a red")]
        assert (options.num_beams, options.max_length, options.do_sample) == (3, 20, False)
        assert options.min_new_tokens == 5 - len(prompts[0]) > 0
        assert text == tiny_model.text(sequences[0][0].token_ids)
