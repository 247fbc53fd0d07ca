"""errors: what counts as a full disk."""

from __future__ import annotations

import errno

import pytest

from caption.errors import is_disk_full


@pytest.mark.parametrize(
    ("number", "expected"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False)]
)
def test_a_quota_is_a_full_disk_too(number: int, expected: bool) -> None:
    assert is_disk_full(OSError(number, "no")) is expected
