"""files: what is read of a model folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from caption.hub.files import is_integer, sha256_of


def test_sha256_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"x" * 3_000_001)
    assert sha256_of(path) == hashlib.sha256(b"x" * 3_000_001).hexdigest()


@pytest.mark.parametrize(
    ("value", "expected"), [(3, True), (-3, True), (True, False), (3.0, False), ("3", False)]
)
def test_a_flag_is_no_number(value: object, expected: bool) -> None:
    assert is_integer(value) is expected
