"""Commas, "and" and other marks between the words of a caption that stay."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass

from caption.language.parse import Token, Tree
from caption.language.prune.hanging import MARKS, clauses, coordinations

_FINAL = frozenset(".!?…")
_QUOTES = ('"', "“", "”")
_BRACKETS = {"-LRB-": "-RRB-", "``": "''"}


@dataclass(frozen=True)
class Link:
    """What joins a word or clause to those before it. `group` are all that are joined, in order;
    `marks` the comma and "and" before the phrase of `member`, which begins at `start`.
    """

    member: int
    group: tuple[int, ...]
    start: int
    marks: tuple[int, ...]
    joins_clauses: bool


def links(tree: Tree) -> list[Link]:
    """Every link between joined words and between clauses."""
    between = []
    for group in coordinations(tree):
        between += [_link(tree, tuple(group), member, False) for member in group[1:]]
    roots = clauses(tree)
    between += [_link(tree, tuple(roots), root, True) for root in roots[1:]]
    return between


def _link(tree: Tree, group: tuple[int, ...], member: int, joins_clauses: bool) -> Link:
    start = next(index for index in tree.subtree(member) if not is_mark(tree, index))
    first = start
    while first > 0 and is_mark(tree, first - 1):
        first -= 1
    return Link(member, group, start, tuple(range(first, start)), joins_clauses)


def is_mark(tree: Tree, index: int) -> bool:
    return tree.tokens[index].relation in MARKS


def staying_marks(tree: Tree, stay: Set[int]) -> Iterator[int]:
    """The marks that stay beside the words of `stay`: those that still part or join something."""
    by_start = {link.start: link for link in links(tree)}
    paired = _pairs(tree, stay)
    yield from (index for index, stays in paired.items() if stays)
    for run in _runs(tree, paired):
        link = by_start.get(run[-1] + 1)
        if link is not None:
            yield from _staying_link(tree, run, link, stay)
        elif run[-1] + 1 == len(tree.tokens):
            yield from (index for index in run if tree.tokens[index].text in _FINAL)
        elif _parts_two(tree, run, stay):
            yield from run


def _runs(tree: Tree, left_out: Set[int] | dict[int, bool]) -> Iterator[list[int]]:
    """Marks next to each other."""
    run: list[int] = []
    for index in range(len(tree.tokens)):
        if not is_mark(tree, index):
            if run:
                yield run
            run = []
        elif index not in left_out:
            run.append(index)
    if run:
        yield run


def _staying_link(tree: Tree, run: list[int], link: Link, stay: Set[int]) -> list[int]:
    staying = [member for member in link.group if member in stay]
    if link.member not in staying[1:]:
        return []
    conjunctions = [index for index in run if tree.tokens[index].relation == "cc"]
    is_shorter = len(staying) < len(link.group)
    if conjunctions and is_shorter and len(staying) == 2 and not link.joins_clauses:
        return conjunctions  # no comma in "a dog and a bird"
    return run


def _parts_two(tree: Tree, run: list[int], stay: Set[int]) -> bool:
    """Whether the phrase that ends before some marks and the one that begins behind them stay."""
    left, right = run[0] - 1, run[-1] + 1
    if left < 0:
        return False
    if all(tree.tokens[index].tag == "HYPH" for index in run):
        return left in stay and right in stay
    return _outermost(tree, left, -1) in stay and _outermost(tree, right, 0) in stay


def _outermost(tree: Tree, index: int, edge: int) -> int:
    """The head of the largest phrase that begins (`edge` 0) or ends (-1) with a word."""
    top = index
    while tree.tokens[top].head != top:
        head = tree.tokens[top].head
        if [child for child in tree.subtree(head) if not is_mark(tree, child)][edge] != index:
            break
        top = head
    return top


def _pairs(tree: Tree, stay: Set[int]) -> dict[int, bool]:
    """Quotes and brackets, and whether they stay: with any word between them."""
    paired: dict[int, bool] = {}
    opened: list[int] = []
    for token in tree.tokens:
        if token.relation not in MARKS:
            continue
        if opened and _closes(tree.tokens[opened[-1]], token):
            opener = opened.pop()
            stays = any(index in stay for index in range(opener + 1, token.index))
            paired |= {opener: stays, token.index: stays}
        elif token.text in _QUOTES or token.tag in _BRACKETS:
            opened.append(token.index)
            paired[token.index] = False
    return paired


def _closes(opener: Token, token: Token) -> bool:
    if opener.text in _QUOTES:
        return token.text in _QUOTES
    return _BRACKETS.get(opener.tag) == token.tag
