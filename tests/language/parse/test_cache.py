"""What makes many values at once remembers the last of them."""

from __future__ import annotations

from caption.language.parse.cache import Cache


def test_each_unknown_key_is_made_once() -> None:
    asked: list[list[str]] = []

    def lengths(keys: list[str]) -> list[int]:
        asked.append(keys)
        return [len(key) for key in keys]

    cache = Cache[str, int](max_size=4)
    assert cache.get(["dog", "horse", "dog"], lengths) == [3, 5, 3]
    assert cache.get(["horse", "cow", "horse"], lengths) == [5, 3, 5]
    assert cache.get(["cow"], lengths) == [3]
    assert asked == [["dog", "horse"], ["cow"]]


def test_the_values_asked_for_longest_ago_are_forgotten() -> None:
    cache = Cache[int, int](max_size=2)
    cache.get([1, 2], lambda keys: keys)
    cache.get([1, 3], lambda keys: keys)
    assert len(cache) == 2
    assert cache.get([1, 3], lambda keys: []) == [1, 3]
    assert cache.get([2], lambda keys: [-key for key in keys]) == [-2]


def test_more_than_it_keeps_can_be_asked_for() -> None:
    assert Cache[int, int](max_size=2).get([1, 2, 3], lambda keys: keys) == [1, 2, 3]


def test_what_is_cleared_is_made_again() -> None:
    cache = Cache[int, int](max_size=2)
    cache.get([1], lambda keys: keys)
    cache.clear()
    assert cache.get([1], lambda keys: [-key for key in keys]) == [-1]
