"""A pruned caption as a sentence to read: capital, article, "is" before its participle, full stop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from caption.language.grammar import Thing, count_of, is_noun, is_verb, thing_of
from caption.language.nouns import is_animate, is_mass, kind_of
from caption.language.parse import Token, Tree
from caption.language.prune.hanging import MARKS, SUBJECTS, coordinations, has_subject, trimmed
from caption.language.prune.pieces import Piece, joined, with_articles, words
from caption.language.text import ACRONYMS, ADJECTIVES, article, upper_first, word_set

_FINAL = frozenset(".!?…")
_CLOSING = frozenset("\"'”’)]»")
# Of these nobody says "is …ing": "a meal consisting of rice".
_STATIVE = word_set(
    "consist contain feature include show face lead have depict involve comprise belong resemble "
    "match surround overlook connect separate"
)
_DONE_BY_THE_LIVING = word_set("show face lead")  # "a woman showing a phone"
# Things that people may also do: "a brick building", yet "a man building a house".
_THINGS_DONE = word_set(
    "building painting drawing parking shopping crossing landing opening setting living dining"
)
_WITHOUT_ARTICLE = word_set("play of at by into from as in for to like")
_BARE = word_set(
    "display wear uniform linen light plate tv television attire gear clothing video tape pavement"
    " concrete asphalt"
)
_MANY = word_set("many multiple several various numerous few")
_NAMING = word_set("name call title entitle label mark")
# Words with a capital that the noun table knows by a common meaning, and adjectives of peoples.
_NAMES = word_set("wii apple santa may french dutch greek swiss thai arab")


def sentence(tree: Tree, indices: Iterable[int]) -> str:
    """What stays of a caption as a sentence."""
    return joined(completed(tree, words(tree, indices)))


def completed(tree: Tree, pieces: Sequence[Piece], *, finite: bool = True) -> list[Piece]:
    """The pieces as a sentence: a capital, the article that a bare singular at the beginning lacks,
    a full stop, and where `finite` the "is" or "are" before the participle of a noun phrase.
    """
    if not pieces:
        return []
    indices = sorted({piece.token for piece in pieces if piece.token is not None})
    rest = trimmed(tree, indices)
    finished = list(pieces)
    insertions = list(articles_within(rest).items())
    insertions += filter(None, [article_before(rest), be_before(rest) if finite else None])
    for position, word in insertions:
        finished = _inserted(finished, indices[position], word)
    finished = with_articles(in_sentence_case(tree, finished))
    finished[0] = finished[0]._replace(text=upper_first(finished[0].text), space_before=False)
    return _with_full_stop(finished)


def _inserted(pieces: list[Piece], token: int, word: str) -> list[Piece]:
    """With a word of our own before a token."""
    at = next(position for position, piece in enumerate(pieces) if piece.token == token)
    following = pieces[at]._replace(space_before=True)
    return [
        *pieces[:at],
        Piece(word, pieces[at].space_before or at > 0, None),
        following,
        *pieces[at + 1 :],
    ]


def _with_full_stop(pieces: list[Piece]) -> list[Piece]:
    last = next(
        (piece for piece in reversed(pieces) if piece.text[-1:] not in _CLOSING), pieces[-1]
    )
    if last.text[-1:] in _FINAL:
        return pieces
    while len(pieces) > 1 and pieces[-1].text in (",", ";", ":", "-"):
        pieces = pieces[:-1]
    return [*pieces, Piece(".", False, None)]


# --------------------------------------------------------------------------------------- capitals


def in_sentence_case(tree: Tree, pieces: Sequence[Piece]) -> list[Piece]:
    """With small letters where a caption has capitals for no reason: all of a headline in capitals,
    every word of a title, the first word where it is not the first now.
    """
    is_shouted = _is_shouted(tree)
    is_title = _is_title(tree)
    cased = []
    for position, piece in enumerate(pieces):
        text = piece.text
        if piece.token is None:
            cased.append(piece)
            continue
        token = tree.tokens[piece.token]
        was_first = position > 0 and token.index == 0 and not _is_name(token)
        if is_shouted:
            text = text if token.lower in ACRONYMS else text.lower()
        elif was_first or _is_capital_for_no_reason(tree, token, is_title):
            text = text[:1].lower() + text[1:]
        cased.append(piece._replace(text=text))
    return cased


def _is_shouted(tree: Tree) -> bool:
    alphabetic = [token.text for token in tree.tokens if token.text.isalpha()]
    return len(alphabetic) > 2 and all(text.isupper() for text in alphabetic)


def _is_title(tree: Tree) -> bool:
    """Whether every word that says something begins with a capital."""
    texts = [token.text for token in tree.tokens[1:] if token.tag[:2] in ("NN", "JJ", "VB")]
    return len(texts) > 2 and all(text[:1].isupper() for text in texts)


def _is_capital_for_no_reason(tree: Tree, token: Token, is_title: bool) -> bool:
    if not token.text.istitle() or token.index == 0 or token.text == "I":
        return False
    before = tree.tokens[token.index - 1]
    if before.text in _FINAL or (is_noun(token) and token.lower in _NAMES):
        return False
    following = [word.text for word in tree.tokens[token.index + 1 : token.index + 2]]
    beside = [before.text] * (before.index > 0) + following
    if not is_title and any(text.istitle() for text in beside):
        return False  # "a Public Parking booth"
    if (is_noun(token) and token.tag.startswith("NNP")) or token.tag.startswith("JJ"):
        return not _is_name(token) and (is_title or _is_behind_first_article(tree, token))
    return token.tag in ("NN", "NNS", "IN", "DT", "CC", "TO", "PRP$") or is_verb(token)


def _is_name(token: Token) -> bool:
    """Whether a word has its capital also in a sentence, as far as a noun table can tell."""
    if token.lower in _NAMES or token.text == "I":
        return True
    if len(token.text) > 1 and not token.text[1:].islower():
        return True
    if token.tag.startswith("NNP"):
        return token.lower not in ADJECTIVES and kind_of(token.lower) in (None, "time")
    return token.tag.startswith("JJ") and token.lower.endswith(("an", "ese", "ish"))


def _is_behind_first_article(tree: Tree, token: Token) -> bool:
    """Whether a word is the second of the text, behind "A", and no name of several words."""
    following = tree.tokens[token.index + 1 : token.index + 2]
    is_name = any(word.text[:1].isupper() for word in following)
    return token.index == 1 and tree.tokens[0].lower in ("a", "an", "the") and not is_name


# --------------------------------------------------------------------------------- "a" and "is"


def article_before(tree: Tree) -> tuple[int, str] | None:
    """Where a bare singular at a caption's beginning lacks an "a", and which: "person standing" →
    (0, "a"). None where nothing is missing.
    """
    thing = thing_of(tree) if tree.tokens else None
    if thing is None or not lacks_article(tree, thing.top):
        return None
    is_led = tree.tokens[0].tag in ("DT", "PDT", "PRP$", "CD")
    if is_led or min(tree.subtree(thing.top)) > 0:
        return None
    return 0, article(tree.tokens[0].text)


def lacks_article(tree: Tree, noun: int) -> bool:
    """Whether a singular that counts stands without a word that says which or how many."""
    token = tree.tokens[noun]
    if token.tag != "NN" or is_mass(token.lemma) or token.lemma.endswith(("one", "thing")):
        return False
    determined = ("det", "poss", "nummod", "predet")
    if _is_said_of_many(tree, noun):
        return False
    return not any(child.relation in determined for child in tree.children(noun))


def articles_within(tree: Tree) -> dict[int, str]:
    """Where a bare singular lacks an "a" within a caption, by the token that it goes before: "in yellow
    scarf", "on surfboard", "on piece of concrete". Not in lists, nor where English has none: "in
    bed", "by bus", "playing guitar".
    """
    firsts = (_bare_phrase_start(tree, noun) for noun in tree.tokens)
    return {first: article(tree.tokens[first].text) for first in firsts if first is not None}


def _bare_phrase_start(tree: Tree, noun: Token) -> int | None:
    """Where the phrase of a noun begins that should have an article; None where it needs none."""
    if noun.relation not in ("pobj", "dobj") or not lacks_article(tree, noun.index):
        return None
    children = tree.children(noun.index)
    governor = tree.tokens[noun.head]
    is_listed = any(child.relation in ("conj", "cc", "case") for child in children)
    if is_listed or not (_is_piece(tree, noun) or _wants_article(tree, noun, governor)):
        return None
    before = [child for child in children if child.index < noun.index]
    first = min([noun.index, *(child.index for child in before)])
    are_named = all(child.relation in ("amod", "compound") for child in before)
    return first if are_named and first == governor.index + 1 else None


def _is_piece(tree: Tree, noun: Token) -> bool:
    is_of = any(child.lower == "of" for child in tree.children(noun.index))
    if tree.tokens[noun.head].lower == "of":
        return False
    return is_of and noun.lemma in ("piece", "slice", "group", "pair", "couple", "bunch", "pile")


def _wants_article(tree: Tree, noun: Token, governor: Token) -> bool:
    """Whether a bare noun behind this verb or preposition is one thing among others."""
    if kind_of(noun.lemma) not in ("clothing", "artifact", "vehicle", "animal", "person"):
        return False
    if noun.lemma in _BARE or noun.lemma != noun.lower or noun.lower.endswith("is"):
        return False
    if kind_of(noun.lemma) == "clothing" and (
        governor.lower in ("in", "with") or is_verb(governor)
    ):
        return True
    is_described = any(child.relation == "amod" for child in tree.children(noun.index))
    is_beside = governor.lower == "to" and tree.tokens[governor.head].lower == "next"
    if is_described and (governor.lower == "in" or is_beside):
        return True
    if governor.lower in _WITHOUT_ARTICLE or governor.lemma in _WITHOUT_ARTICLE:
        return False
    if governor.lower == "on":
        return True
    return is_described or governor.lemma in ("hold", "ride", "carry", "wear", "swing")


def be_before(tree: Tree) -> tuple[int, str] | None:
    """Where a noun phrase lacks "is" or "are" to be a sentence, and which: "a man riding a horse" →
    (2, "is"). None where it is a sentence already, or stays a noun phrase.
    """
    thing = thing_of(tree) if tree.tokens else None
    if thing is None or thing.top != tree.root.index or thing.is_viewed:
        return None
    group = next((group for group in coordinations(tree) if group[0] == thing.top), [])
    participles = _participles(tree, {thing.top, group[-1] if group else thing.noun})
    if not participles or any(has_subject(tree, participle.index) for participle in participles):
        return None
    last = _speaking(tree, participles)
    if last.index < max(group, default=0) or not _may_be_said(tree, thing.top, last):
        return None
    is_one = not group and not _is_named_twice(tree, thing.top) and _is_one(tree, thing)
    return _beginning(tree, last), "is" if is_one else "are"


def _speaking(tree: Tree, participles: Sequence[Token]) -> Token:
    """Of several participles the one that makes the sentence: the last, but the first where somebody
    else is between them, who may be meant by the later ones.
    """
    ordered = sorted(participles, key=lambda participle: participle.index)
    between = tree.tokens[ordered[0].index : ordered[-1].index]
    is_anybody_between = any(is_noun(token) and is_animate(token.lemma) for token in between)
    return ordered[0] if is_anybody_between else ordered[-1]


def _is_one(tree: Tree, thing: Thing) -> bool:
    """Whether a verb is in the singular with a thing: a dog, a lot of traffic, no herd of deer."""
    if count_of(tree, thing.top) != 1 or _is_said_of_many(tree, thing.top):
        return False
    noun = tree.tokens[thing.noun]
    return thing.noun == thing.top or (
        count_of(tree, noun.index) == 1 and not is_animate(noun.lemma)
    )


def _is_said_of_many(tree: Tree, noun: int) -> bool:
    return any(child.lower in _MANY for child in tree.children(noun))


def _participles(tree: Tree, nouns: set[int]) -> list[Token]:
    """What nouns do or have had done, behind them."""
    return [
        child
        for noun in nouns
        for child in tree.children(noun)
        if child.index > noun and (_is_participle(child) or _is_about_to(tree, child))
    ]


def _is_participle(token: Token) -> bool:
    return token.relation == "acl" and token.tag in ("VBG", "VBN")


def _is_about_to(tree: Tree, token: Token) -> bool:
    """Whether a word is the "about" of "a man about to hit a ball"."""
    return token.lower == "about" and any(
        child.relation in ("xcomp", "pcomp") for child in tree.children(token.index)
    )


def _may_be_said(tree: Tree, noun: int, participle: Token) -> bool:
    """Whether "is" can stand before a noun's participle."""
    at = _beginning(tree, participle)
    if participle.lemma in _NAMING or not _may_precede_be(tree.tokens[at - 1]):
        return False
    is_done = participle.lemma in _DONE_BY_THE_LIVING and is_animate(tree.tokens[noun].lemma)
    if participle.lemma in _STATIVE and participle.tag == "VBG" and not is_done:
        return False
    if any(child.relation == "relcl" for child in tree.children(noun)):
        return False
    if participle.lower in _THINGS_DONE and tree.tokens[at - 1].lower in ADJECTIVES:
        return False  # "a white building"
    following = tree.tokens[participle.index + 1 : participle.index + 2]
    if participle.tag == "VBN" and any(is_noun(token) for token in following):
        return False  # "a home built motorcycle"
    if _is_behind_another_noun(tree, noun, at):
        return False
    # "a microwave oven" has no participle
    return (
        participle.lower == "about"
        or participle.lower.endswith("ing")
        or participle.lemma != participle.lower
    )


def _is_named_twice(tree: Tree, noun: int) -> bool:
    """Whether two persons are joined before a noun: a referee and tennis player."""
    return any(
        is_animate(child.lemma)
        and any(inner.relation == "cc" for inner in tree.children(child.index))
        for child in tree.children(noun)
        if child.relation in ("nmod", "compound")
    )


def _beginning(tree: Tree, participle: Token) -> int:
    """Where what belongs to a participle begins: "slowly walking", "being loaded", "snow skiing"."""
    children = {child.index for child in tree.children(participle.index)}
    at = participle.index
    while at - 1 in children and tree.tokens[at - 1].relation not in (*MARKS, *SUBJECTS, "prep"):
        at -= 1
    return at


def _may_precede_be(before: Token) -> bool:
    if before.lemma in ("be", "have") or before.lower in ("and", "or", "to"):
        return False
    return before.text.isalnum() and before.tag not in ("CD", "DT", "CC")


def _is_behind_another_noun(tree: Tree, noun: int, participle: int) -> bool:
    """Whether a "with" comes between a thing and a participle, which may be said of either: "a bunch of
    bananas with an apple sitting in the middle".
    """
    if is_animate(tree.tokens[noun].lemma):
        return False
    return any(token.lower == "with" for token in tree.tokens[noun:participle])
