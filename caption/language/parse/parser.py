"""A caption as a dependency tree: spaCy's English parser (the data in `models/parser-en`), and the
rules of `rules` on top of it.

The parser was made for written sentences. So what it reads is the caption in a sentence's dress:
the first letter lower case, a full stop behind it, an article before a bare noun at its start, a
common word for a rare one. The tree has the tokens of the given text. spaCy is imported at first
use.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise
from typing import Any, NamedTuple

from caption.language import nouns
from caption.language.parse.cache import Cache
from caption.language.parse.clauses import clause_starts, glue_length, is_comma
from caption.language.parse.rules import mend
from caption.language.parse.rules.draft import Draft, Word
from caption.language.parse.rules.readings import as_clause, as_noun, in_common_words
from caption.language.parse.tree import Token, Tree
from caption.language.text import word_set
from caption.paths import bundled_folder

logger = logging.getLogger(__name__)

MODEL = "parser-en"
MAX_CACHED = 4096  # trees, and clauses; a caption takes a few KB
_MAX_LEMMAS = 16384
_LISTED_TAGS = ("NN", "VB", "JJ", "RB")
_SHORTEST_UNKNOWN = 3  # letters, of a noun one more: a TV, a BMX
_DOUBLES_ITS_END = re.compile(r"(?:^|[^aeiou])[aeiou][^aeiouwxy]$")
_LEMMATIZING = ("attribute_ruler", "lemmatizer")

_SENTENCE_ENDS = frozenset(".!?")
_NO_ARTICLE_BEFORE = word_set(
    "a an the this that these those some any no every each another one there here it he she they we"
    " i you someone somebody something everyone his her its their my our your what who"
)
_IN_A_NOUN_PHRASE = frozenset(("JJ", "JJR", "JJS", "NN", "NNP", "VBG", "VBN", "VB", "VBP", "HYPH"))
# nouns that have no singular; the lemmatizer would make one
_PLURALS_ONLY = word_set(
    "shorts jeans pants trousers clothes scissors goggles sunglasses binoculars tights leggings "
    "overalls pajamas pyjamas headphones tongs pliers tweezers briefs boxers slacks khakis"
)


def parse(texts: Sequence[str]) -> list[Tree]:
    """The trees of captions. Sentences, and clauses joined by a comma or "and", are read one by
    one; the later hang on the first by "parataxis". Cached per text. Raises nothing on any string.
    """
    return _parser.trees(texts)


def is_word(token: Token) -> bool:
    """Whether English has a noun, verb, adjective or adverb, by the lemmatizer's lists and the noun
    table: "sidwalk" is none. Whatever else a token is counts as a word.
    """
    is_common = token.tag.startswith(_LISTED_TAGS) and not token.tag.startswith("NNP")
    shortest = _SHORTEST_UNKNOWN + token.tag.startswith("NN")
    if not (is_common and token.lower.isalpha() and len(token.lower) >= shortest):
        return True
    return not {token.lower, token.lemma}.isdisjoint(_parser.words()) or (
        nouns.kind_of(token.lemma) is not None
    )


def load() -> None:
    """Imports spaCy and reads the model, which else happens at the first `parse`; raises what they
    raise.
    """
    _parser.pipeline()


def load_in_background() -> threading.Thread:
    """Loads in a thread of its own, which it returns. A failure is logged and comes again at the
    first `parse`.
    """
    thread = threading.Thread(target=_load_or_log, name="load-parser", daemon=True)
    thread.start()
    return thread


def _load_or_log() -> None:
    try:
        load()
    except Exception:  # whatever a damaged installation raises
        logger.exception("the parser of captions can't be loaded")


class _Parsed(NamedTuple):
    """A word as the parser reads it; `head` is an index, the root's its own."""

    lower: str
    lemma: str
    tag: str
    relation: str
    head: int


@dataclass
class _Reading:
    """A sentence or clause that is read. `read` are the words that the parser gets in the place of
    `words`, behind an article where `article` is one.
    """

    words: Sequence[str]
    read: list[str]
    article: str = ""
    draft: Draft = field(default_factory=lambda: Draft([]))

    @classmethod
    def of(cls, words: Sequence[str]) -> _Reading:
        return cls(words, in_common_words(_lowered([_readable(word) for word in words])))

    @property
    def dressed(self) -> tuple[str, ...]:
        """What the parser gets."""
        end = () if self.read[-1] in _SENTENCE_ENDS else (".",)
        return (*([self.article] if self.article else ()), *self.read, *end)

    def with_word(self, index: int, word: str) -> _Reading:
        read = [*self.read[:index], word, *self.read[index + 1 :]]
        return _Reading(self.words, read, self.article)


@dataclass
class _Text:
    """A text's words, the white space behind each, and its sentences."""

    text: str
    words: list[str]
    spaces: list[str]
    sentences: list[_Reading]


class _Clause(NamedTuple):
    """A clause's words, and how many before them join it to the clause before."""

    words: tuple[str, ...]
    glue: int


class _Parser:
    """The loaded pipeline and the trees of the last texts; safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._pipeline: Any = None
        self._trees = Cache[str, Tree](MAX_CACHED)
        # the same clause stands in many captions of a picture
        self._clauses = Cache[tuple[str, ...], list[Word]](MAX_CACHED)
        # of the texts in hand: a sentence of one clause is read once
        self._parses = Cache[tuple[str, ...], list[_Parsed]](MAX_CACHED)
        self._lemmas: dict[tuple[str, str], str] = {}
        self._words: frozenset[str] = frozenset()

    def pipeline(self) -> Any:
        with self._lock:
            if self._pipeline is None:
                import spacy
                from thinc.api import use_ops

                # thinc multiplies by its own BLIS, which knows few processors: on an EPYC at an
                # eighth of the speed of numpy's library
                with use_ops("numpy", use_blis=False):
                    self._pipeline = spacy.load(bundled_folder(MODEL))
            return self._pipeline

    def words(self) -> frozenset[str]:
        """The lemmas of all word classes, and irregular forms."""
        with self._lock:
            if not self._words:
                lookups = self.pipeline().get_pipe("lemmatizer").lookups
                index, exceptions = map(lookups.get_table, ("lemma_index", "lemma_exc"))
                lists = [*index.values(), *exceptions.values()]
                self._words = frozenset(word for words in lists for word in words)
            return self._words

    def trees(self, texts: Sequence[str]) -> list[Tree]:
        with self._lock:
            return self._trees.get(texts, self._parse)

    def _parse(self, texts: list[str]) -> list[Tree]:
        nlp = self.pipeline()
        with nlp.memory_zone():  # words never seen before are forgotten again
            tokenized = [self._tokenized(text) for text in texts]
            self._read([sentence for text in tokenized for sentence in text.sentences])
            cut = [_clauses(text.sentences) for text in tokenized]
            words = [clause.words for clauses in cut for clause in clauses]
            mended = iter(self._clauses.get(words, self._mended))
            self._parses.clear()
            return [
                _tree(text, clauses, islice(mended, len(clauses)))
                for text, clauses in zip(tokenized, cut, strict=True)
            ]

    def _mended(self, clauses: Sequence[tuple[str, ...]]) -> list[list[Word]]:
        """The words of clauses, each read by itself."""
        readings = [_Reading.of(words) for words in clauses]
        self._read(readings)
        again = [reading for reading in readings if _needs_article(reading)]
        for reading in again:
            reading.article = "an" if reading.read[0][:1] in "aeiou" else "a"
        self._read(again)
        self._read_as_clauses(readings)
        self._read_as_noun_phrases(readings)
        for reading in readings:
            mend(reading.draft)
        self._lemmatize(readings)
        return [reading.draft.words for reading in readings]

    def _tokenized(self, text: str) -> _Text:
        """The words of a text and its sentences."""
        readable = _readable(text)
        words: list[str] = []
        spaces: list[str] = []
        for token in self.pipeline().tokenizer(readable):
            if not token.is_space:
                end = token.idx + len(token)
                words.append(text[token.idx : end])
                spaces.append(" " if readable[end : end + 1].isspace() else "")
        return _Text(text, words, spaces, list(map(_Reading.of, _sentences(words))))

    def _read(self, readings: Sequence[_Reading]) -> None:
        """Parses the readings and writes their drafts."""
        parses = self._parses.get([reading.dressed for reading in readings], self._parsed)
        for reading, parsed in zip(readings, parses, strict=True):
            reading.draft = _draft(reading, parsed)

    def _parsed(self, sentences: Sequence[tuple[str, ...]]) -> list[list[_Parsed]]:
        """What the parser makes of sentences given as words."""
        from spacy.tokens import Doc

        nlp = self.pipeline()
        docs = []
        for words in sentences:
            starts = [index == 0 for index in range(len(words))]
            docs.append(Doc(nlp.vocab, words=list(words), sent_starts=starts))
        parses = []
        for words, doc in zip(sentences, nlp.pipe(docs, disable=_LEMMATIZING), strict=True):
            tags = [_tag(token) for token in doc]
            lemmas = self._lemmas_of(zip(words, tags, strict=True))
            parses.append(
                [
                    _Parsed(token.lower_, lemma, tag, token.dep_, token.head.i)
                    for token, lemma, tag in zip(doc, lemmas, tags, strict=True)
                ]
            )
        return parses

    def _read_as_clauses(self, readings: Sequence[_Reading]) -> None:
        """Reads those again in which a verb may have been taken for a noun, with a verb that the
        parser knows in its place; what becomes a clause is kept.
        """
        tried = []
        for reading in readings:
            clause = as_clause(reading.draft, self._is_verb)
            if clause is not None:
                tried.append((reading, clause, reading.with_word(clause.verb, clause.substitute)))
        self._read([again for _, _, again in tried])
        for reading, clause, again in tried:
            if clause.is_read(again.draft):
                reading.draft = again.draft

    def _read_as_noun_phrases(self, readings: Sequence[_Reading]) -> None:
        """Reads those again in which a noun was taken for the verb, with another noun in its place."""
        tried = []
        for reading in readings:
            index = as_noun(reading.draft)
            if index is not None:
                tried.append((reading, reading.with_word(index, "things")))
        self._read([again for _, again in tried])
        for reading, again in tried:
            if again.draft.root.is_noun:
                reading.draft = again.draft

    def _is_verb(self, lower: str) -> bool:
        """Whether a word may be a verb's third person or base form, by the lemmatizer's lists."""
        lookups = self.pipeline().get_pipe("lemmatizer").lookups
        verbs = lookups.get_table("lemma_index")["verb"]
        return lower in verbs or any(
            lower.endswith(ending) and lower.removesuffix(ending) + base in verbs
            for ending, base in (("s", ""), ("es", ""), ("ies", "y"))
        )

    def _lemmatize(self, readings: Sequence[_Reading]) -> None:
        """Gives changed words their lemmas by their own letters and last tags."""
        changed = [word for reading in readings for word in reading.draft.words if word.changed]
        lemmas = self._lemmas_of((_readable(word.lower), word.tag) for word in changed)
        for word, lemma in zip(changed, lemmas, strict=True):
            word.lemma = lemma

    def _lemmas_of(self, tagged: Iterable[tuple[str, str]]) -> list[str]:
        """The lemmas of words by their tags. spaCy's lemmatizer looks at nothing else, and takes a
        third of a parse's time if it is asked for every word.
        """
        from spacy.tokens import Doc

        nlp = self.pipeline()
        lemmatizer = nlp.get_pipe("lemmatizer")
        attribute_ruler = nlp.get_pipe("attribute_ruler")
        tagged = list(tagged)
        if len(self._lemmas) > _MAX_LEMMAS:
            self._lemmas.clear()
        for word, tag in dict.fromkeys(tagged):
            if (word, tag) not in self._lemmas:
                doc = Doc(nlp.vocab, words=[word], tags=[tag])
                lemma = lemmatizer(attribute_ruler(doc))[0].lemma_.lower()
                self._lemmas[word, tag] = self._with_its_e(word, lemma, tag)
        return [self._lemmas[pair] for pair in tagged]

    def _with_its_e(self, word: str, lemma: str, tag: str) -> str:
        """A verb's lemma with the "e" that its form had lost: "ride" of "riding" and "rides", where
        the lemmatizer takes "rid" for it.
        """
        ending = word.removeprefix(lemma)
        if not tag.startswith("VB") or ending not in ("ing", "ed", "es"):
            return lemma
        doubles = _DOUBLES_ITS_END.search(lemma) is not None  # "ridding" is of "rid"
        hisses = lemma.endswith(("s", "x", "z", "ch", "sh", "o"))
        keeps_its_form = hisses if ending == "es" else not doubles
        verbs = self.pipeline().get_pipe("lemmatizer").lookups.get_table("lemma_index")["verb"]
        return lemma if keeps_its_form or f"{lemma}e" not in verbs else f"{lemma}e"


_parser = _Parser()


def _readable(text: str) -> str:
    """As many characters, but "?" for what is no Unicode."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _sentences(words: list[str]) -> list[list[str]]:
    """Words cut behind full stops; marks alone are no sentence."""
    sentences: list[list[str]] = []
    has_ended = True
    for index, word in enumerate(words):
        if index == 0 or (has_ended and any(character.isalnum() for character in word)):
            sentences.append([])
            has_ended = False
        sentences[-1].append(word)
        has_ended = has_ended or word in _SENTENCE_ENDS
    return sentences


def _clauses(sentences: Sequence[_Reading]) -> list[_Clause]:
    """The clauses of read sentences."""
    clauses: list[_Clause] = []
    for sentence in sentences:
        starts = clause_starts(sentence.draft.words)
        for start, end in pairwise((*starts, len(sentence.words))):
            words = sentence.words[start:end]
            glue = glue_length(words) if start else 0
            clauses.append(_Clause(tuple(words[glue:]), glue))
    return clauses


def _lowered(words: list[str]) -> list[str]:
    """Without a sentence's capital, and without a headline's capitals; acronyms and names stay."""
    letters = [word for word in words if word.isalpha()]
    if len(letters) > 2 and all(word.isupper() for word in letters):
        return [word.lower() for word in words]
    if not words or words[0] in ("I", "I'm") or not re.fullmatch(r"[A-Z][a-z'-]*", words[0]):
        return words
    if len(words) > 1 and re.fullmatch(r"[A-Z][a-z]+", words[0]) and words[1][:1].isupper():
        return words
    return [words[0].lower(), *words[1:]]


def _draft(reading: _Reading, parsed: Sequence[_Parsed]) -> Draft:
    """What the parser read, without the article and the full stop that weren't given."""
    skipped = 1 if reading.article else 0
    roots = [index - skipped for index, token in enumerate(parsed) if token.head == index]
    parsed = parsed[skipped : skipped + len(reading.words)]
    root = next((index for index in roots if 0 <= index < len(parsed)), 0)
    words = []
    for index, token in enumerate(parsed):
        head, relation = token.head - skipped, token.relation
        if index == root:
            head, relation = index, "ROOT"
        elif index == head:
            head, relation = root, "parataxis"
        elif not 0 <= head < len(parsed):
            head, relation = root, "dep"
        lower = reading.words[index].lower()
        changed = lower != token.lower
        words.append(Word(index, lower, token.lemma, token.tag, relation, head, changed))
    return Draft(words)


def _tag(token: Any) -> str:
    """The parser's tag, but what is written without a capital is no name ("a white box")."""
    tag: str = token.tag_
    is_name = tag in ("NNP", "NNPS")
    return tag.replace("P", "") if is_name and token.text.islower() else tag


def _needs_article(reading: _Reading) -> bool:
    """Whether the text begins with a singular noun (and what describes it) without an article."""
    words = reading.draft.words
    if not words or words[0].lower in _NO_ARTICLE_BEFORE:
        return False
    if [word.lower for word in words[:2]] == ["close", "up"]:
        return True
    length = _phrase_length(words)
    if length == 0:
        return False
    last = words[length - 1]
    following = words[length] if length < len(words) else None
    if last.tag in ("NN", "NNP"):
        return following is None or following.tag != "NNS"
    if length > 1 or following is None:
        return False
    if last.tag in ("VB", "VBP"):  # "sunset over a lake"
        return following.tag == "IN" and nouns.kind_of(last.lower) is not None
    return following.lower == "of"  # "painting of a man"


def _phrase_length(words: Sequence[Word]) -> int:
    """How many words at the start may be one noun phrase: up to a verb behind a noun."""
    for index, word in enumerate(words):
        behind_noun = index > 0 and words[index - 1].is_noun
        if word.tag not in _IN_A_NOUN_PHRASE or (word.is_verb and behind_noun):
            return index
    return len(words)


def _tree(text: _Text, clauses: Iterable[_Clause], mended: Iterable[list[Word]]) -> Tree:
    """The clauses of a text in one tree."""
    tokens: list[Token] = []
    roots: list[int] = []
    for clause, words in zip(clauses, mended, strict=True):
        start = len(tokens) + clause.glue
        root = start + Draft(words).root.index
        for index in range(len(tokens), start):
            tokens.append(_glue(index, text, root))
        for word in words:
            tokens.append(_token(word, start, text))
        if roots:
            tokens[root] = replace(tokens[root], relation="parataxis", head=roots[0])
        roots.append(root)
    return Tree(text.text, tuple(tokens), tuple(roots))


def _token(word: Word, start: int, text: _Text) -> Token:
    index = start + word.index
    return Token(
        index,
        text.words[index],
        word.lower,
        word.lower if word.lower in _PLURALS_ONLY else word.lemma,
        word.tag,
        word.relation,
        start + word.head,
        text.spaces[index],
    )


def _glue(index: int, text: _Text, root: int) -> Token:
    """A comma or an "and" before a clause, which hangs on the clause's root."""
    word = text.words[index]
    lower = word.lower()
    if is_comma(lower):
        tag, relation = ("," if lower == "," else ":"), "punct"
    else:
        tag, relation = "CC", "cc"
    return Token(index, word, lower, lower, tag, relation, root, text.spaces[index])
