"""Where a caption is cut so that each unit can be checked alone: at its clauses, before a joined
noun that has an article, and before "with" such a noun.

What can't stand alone ("with lights on", "on the left", "by his side") stays with its owner, and so
does what belongs together: a pair, a list whose nouns have no articles, who acts together, what a
picture in the picture shows.
"""

from __future__ import annotations

import functools
from collections.abc import Container, Iterator

from caption.language.grammar import is_noun, is_verb
from caption.language.noun_phrases import phrases_by_noun, place_of
from caption.language.parse import Token, Tree
from caption.language.statements.standalone import ENDS, GLUE, SUBJECTS
from caption.language.text import ARTICLES, NUMBERS, word_set

# Before one of these a noun can stand alone.
_OPENERS = (
    ARTICLES | NUMBERS | word_set("this that these those some several many few another various")
)
# These mean something that was named before.
_ANAPHORIC = word_set(
    "other others same each both together matching themselves himself herself itself"
)
_JOINED = ("conj", "appos", "dep")
_PAIRING = word_set("between both either neither")
_WEATHER_ACTS = word_set("rain snow storm hail")
_BEGINNINGS = ARTICLES | word_set("there is it")


@functools.lru_cache(maxsize=1024)
def units(tree: Tree) -> tuple[tuple[int, ...], ...]:
    """The tokens of each stretch of a caption that can be checked alone."""
    heads = [*_clauses(tree)]
    heads += [token.index for token in tree.tokens if _is_a_unit(tree, token)]
    heads.sort()
    glue = set()
    for head in heads:
        glue |= _joining(tree, min(tree.subtree(head)))
    owners: dict[int, list[int]] = {head: [] for head in heads}
    for token in tree.tokens:
        if token.index not in glue:
            owners[_owner(tree, token.index, owners)].append(token.index)
    stretches = sorted(filter(None, owners.values()))
    _give_leads_on(tree, stretches)
    stretches.sort()
    return tuple(tuple(_without_ends(tree, stretch)) for stretch in stretches if stretch)


def _give_leads_on(tree: Tree, units: list[list[int]]) -> None:
    """What says where at a unit's beginning goes to the unit that comes right behind it: "in a
    field, a cat, there is a cup".
    """
    starts = {unit[0]: unit for unit in units}
    for unit in units:
        end = _lead_end(tree, unit)
        following = starts.get(end)
        if end in unit or following is None or following is unit:
            continue
        lead = [index for index in unit if index < end]
        unit[:] = unit[len(lead) :]
        following[:0] = [*lead, *range(lead[-1] + 1, end)]  # with the comma


def _lead_end(tree: Tree, unit: list[int]) -> int:
    """The index behind a prepositional phrase, and its comma, at a unit's beginning."""
    first = tree.tokens[unit[0]]
    if first.relation != "prep" or not _says_only_where(tree, first.index):
        return -1
    inside = [index for index in tree.subtree(first.index) if index in unit]
    end = max(inside) + 1
    has_comma = end < len(tree.tokens) and tree.tokens[end].lower == ","
    return end + 1 if has_comma else end


def _without_ends(tree: Tree, unit: list[int]) -> list[int]:
    """A unit without the marks behind it, and without a beginning that nothing follows (", the")."""
    end = len(unit)
    while end and tree.tokens[unit[end - 1]].lower in ENDS:
        end -= 1
    words = end
    while words and tree.tokens[unit[words - 1]].lower in _BEGINNINGS:
        words -= 1
    if 0 < words < end and tree.tokens[unit[words] - 1].lower in GLUE:
        return _without_ends(tree, unit[:words])
    return unit[:end]


def _clauses(tree: Tree) -> Iterator[int]:
    """The roots of the clauses, but for those that go on about what came before: "and it is …"."""
    for number, root in enumerate(tree.clauses):
        if number == 0 or not _goes_on(tree, root):
            yield root


def _goes_on(tree: Tree, root: int) -> bool:
    subject = next(
        (child for child in tree.children(root) if child.relation in ("nsubj", "nsubjpass")), None
    )
    if subject is None or subject.tag not in ("PRP", "DT"):
        return False
    return not (subject.lower == "it" and tree.tokens[root].lemma in _WEATHER_ACTS)


def _joining(tree: Tree, first: int) -> set[int]:
    """The commas and the "and" right before a unit, and at its own beginning."""
    glue = set()
    index = first
    while index < len(tree.tokens) and tree.tokens[index].lower in GLUE:
        glue.add(index)
        index += 1
    index = first - 1
    while index >= 0 and tree.tokens[index].lower in GLUE:
        glue.add(index)
        index -= 1
    return glue


def _owner(tree: Tree, index: int, heads: Container[int]) -> int:
    """The head of the unit that a token is in. What says where stands behind the last of a list and
    goes with that, whatever it hangs on: "a box and a ball | in a field".
    """
    token = tree.tokens[index]
    while token.index not in heads:
        head = tree.tokens[token.head]
        if token.relation == "prep" and token.index > head.index:
            before = _behind_unit(tree, token, heads)
            if before is not None:
                return before
        token = head
    return token.index


def _behind_unit(tree: Tree, preposition: Token, heads: Container[int]) -> int | None:
    """The unit that a prepositional phrase stands behind, where it goes with that."""
    inside = range(preposition.head + 1, preposition.index)
    later = [index for index in inside if index in heads and index not in tree.clauses]
    if not later or tree.clause_of(later[-1]) != tree.clause_of(preposition.index):
        return None
    is_list = is_noun(tree.tokens[later[-1]])
    return later[-1] if is_list or _says_only_where(tree, preposition.index) else None


def _says_only_where(tree: Tree, preposition: int) -> bool:
    if place_of(tree, preposition) is not None:
        return True
    by_noun = phrases_by_noun(tree)
    return any(
        by_noun[child.index].role == "surroundings"
        for child in tree.children(preposition)
        if child.index in by_noun
    )


def _is_a_unit(tree: Tree, token: Token) -> bool:
    """Whether a unit of its own begins with a token: a joined noun, or a "with"."""
    if token.index in tree.clauses:
        return False
    if is_noun(token) and (token.relation in _JOINED or _is_second(tree, token)):
        return not _is_inside_another(tree, token) and _is_joined_unit(tree, token)
    if token.lower == "with" and token.relation == "prep":
        return not _is_inside_another(tree, token) and _is_with_unit(tree, token)
    if token.relation in ("conj", "advcl") and is_verb(token):
        return not _is_inside_another(tree, token) and _is_clause_unit(tree, token)
    return False


def _is_second(tree: Tree, noun: Token) -> bool:
    """Whether a noun is there twice over ("there is a flower on the right, the flower"), or hangs
    on the comma before it.
    """
    if tree.tokens[noun.head].lower in GLUE:
        return True
    first = min(tree.subtree(noun.index))
    if noun.relation in ("dobj", "npadvmod") and first and tree.tokens[first - 1].lower == ",":
        return True
    siblings = tree.children(noun.head) if noun.relation in ("attr", "pobj") else ()
    return any(child.index < noun.index and child.relation == noun.relation for child in siblings)


def _is_clause_unit(tree: Tree, verb: Token) -> bool:
    """Whether a joined clause has a subject that it names itself: "and it is raining"."""
    children = tree.children(verb.index)
    has_subject = any(child.relation in SUBJECTS for child in children)
    is_joined = any(child.lower in ("while", "whilst", "as") for child in children) or (
        verb.relation == "conj"
    )
    is_finite = any(child.relation in ("aux", "auxpass") for child in children) or (
        verb.tag in ("VBZ", "VBP", "VBD")
    )
    if not (has_subject and is_joined and is_finite):
        return False
    return not _goes_on(tree, verb.index) and _names_its_owners(tree, verb.index)


def _is_inside_another(tree: Tree, token: Token) -> bool:
    """Whether a token is inside a pair ("between a house and a tree") or what a picture shows."""
    by_noun = phrases_by_noun(tree)
    while token.head != token.index:
        head = tree.tokens[token.head]
        if head.lower in _PAIRING or any(
            child.lower in _PAIRING for child in tree.children(head.index)
        ):
            return True
        phrase = by_noun.get(head.index)
        if phrase is not None and phrase.role == "pictured":
            return True
        token = head
    return False


def _is_joined_unit(tree: Tree, noun: Token) -> bool:
    chain = _list_of(tree, noun)
    joined = [word for word in chain if word.relation in ("conj", "appos")]
    first = chain[0]
    if noun.relation != "conj" and not _opens(tree, noun):
        return False
    is_led = _is_where(tree, first) or tree.tokens[noun.head].lower in GLUE
    if noun.relation != "conj" and is_led:
        root = tree.tokens[tree.clause_of(noun.index)]
        return is_verb(root) and has_subject(tree, root)
    is_subject = first.relation in ("nsubj", "nsubjpass") and noun.index < first.head
    if is_subject or not all(_opens(tree, word) for word in joined):
        return False
    if any(child.lower == "or" for word in chain for child in tree.children(word.index)):
        return False
    return not _acts_together(tree, chain) and _stands_for_itself(tree, noun.index)


def has_subject(tree: Tree, verb: Token) -> bool:
    return any(child.relation in SUBJECTS for child in tree.children(verb.index))


def _is_where(tree: Tree, noun: Token) -> bool:
    phrase = phrases_by_noun(tree).get(noun.index)
    return phrase is not None and phrase.role in ("surroundings", "place")


def _list_of(tree: Tree, noun: Token) -> list[Token]:
    """The nouns of the list that a noun is in, in its order."""
    first = noun
    while first.relation in ("conj", "appos") and is_noun(tree.tokens[first.head]):
        first = tree.tokens[first.head]
    chain = [first]
    for word in chain:
        chain += [
            child
            for child in tree.children(word.index)
            if child.relation in ("conj", "appos") and is_noun(child)
        ]
    return chain


def _opens(tree: Tree, noun: Token) -> bool:
    """Whether a noun phrase has an article, a number or the like, so that it can stand alone."""
    first = tree.tokens[min(tree.subtree(noun.index))]
    before = [child for child in tree.children(noun.index) if child.index < noun.index]
    words = {first.lower, *(child.lower for child in before)}
    if "the" in words and not _ANAPHORIC.isdisjoint(words):
        return False
    return any(word in _OPENERS or word.isdigit() for word in words)


def _acts_together(tree: Tree, chain: list[Token]) -> bool:
    """Whether all of a list do what is said behind its last: "a man and a woman sitting"."""
    *before, last = chain
    act = any(
        child.relation in ("acl", "relcl") and child.index > last.index
        for word in chain
        for child in tree.children(word.index)
    )
    return act and all(_is_bare(tree, word, last) for word in before)


def _is_bare(tree: Tree, noun: Token, last: Token) -> bool:
    """Whether nothing is said of a noun of a list before its last."""
    return not any(
        child.relation in ("prep", "acl", "relcl") and noun.index < child.index < last.index
        for child in tree.children(noun.index)
    )


def _is_with_unit(tree: Tree, preposition: Token) -> bool:
    noun = next(
        (
            child
            for child in tree.children(preposition.index)
            if child.relation == "pobj" and is_noun(child)
        ),
        None,
    )
    head = tree.tokens[preposition.head]
    if noun is None or head.index > preposition.index or not _opens(tree, noun):
        return False
    if not (is_noun(head) or is_verb(head)):
        return False  # "three women, one with a hat"
    before = tree.tokens[preposition.index - 1]
    if is_verb(before) or before.relation in ("acomp", "prt") or before.tag in ("JJ", "IN"):
        return False  # "covered with a blanket" is one
    if any(_follows_apart(tree, preposition, sibling) for sibling in tree.children(head.index)):
        return False  # "a plate with some bread on it": what hangs on which isn't sure
    is_predicated = any(
        child.index > word.index and _is_predicate(tree, child)
        for word in _list_of(tree, noun)
        for child in tree.children(word.index)
    )
    return not is_predicated and _stands_for_itself(tree, preposition.index)


def _follows_apart(tree: Tree, preposition: Token, sibling: Token) -> bool:
    """Whether a later phrase hangs beside a "with", and says more than where everything is."""
    is_later = sibling.index > preposition.index and sibling.relation == "prep"
    return (
        is_later
        and sibling.lower != "with"
        and not _says_only_where(tree, sibling.index)
        and tree.clause_of(sibling.index) == tree.clause_of(preposition.index)
    )


def _is_predicate(tree: Tree, word: Token) -> bool:
    """Whether a word says in what state the noun before it is: "with a hood open", "with a hat on"."""
    if word.relation == "prep":
        return not any(child.relation == "pobj" for child in tree.children(word.index))
    return word.relation in ("amod", "advmod", "prt", "acomp") and word.tag != "VBG"


def _names_its_owners(tree: Tree, head: int) -> bool:
    """The same of a clause, where "it" may be the weather."""
    own = [index for index in tree.subtree(head) if tree.tokens[index].relation != "nsubj"]
    words = [tree.tokens[index] for index in own]
    return not any(word.tag in ("PRP", "PRP$") or word.lower in _ANAPHORIC for word in words)


def _stands_for_itself(tree: Tree, head: int) -> bool:
    """Whether a unit names all that it speaks of: not "a dog by his side"."""
    return not any(
        token.tag in ("PRP", "PRP$") or token.lower in _ANAPHORIC
        for token in (tree.tokens[index] for index in tree.subtree(head))
    )
