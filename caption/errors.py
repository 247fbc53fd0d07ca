"""The one error family: an exception carries a code, the edge turns the code into words.

Every code stands in `HTTP_STATUS`; `caption.locale.zh` holds the Chinese sentence for each.
The text of an exception is English, for logs and developers, and may name a path: it is never shown
to a client.
"""

from __future__ import annotations

import errno

# Code -> HTTP status. The only list of codes.
HTTP_STATUS: dict[str, int] = {
    "bad_json": 400,
    "url_forbidden": 403,
    "origin_forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "too_large": 413,
    "unsupported_format": 415,
    "no_image": 422,
    "image_invalid": 422,
    "image_truncated": 422,
    "too_many_pixels": 422,
    "bad_param": 422,
    "prompt_too_long": 422,
    "queue_full": 429,
    "cancelled": 499,
    "internal": 500,
    "url_failed": 502,
    "download_failed": 502,
    "not_ready": 503,
    "draining": 503,
    "model_missing": 503,
    "model_damaged": 503,
    "out_of_memory": 503,
    "url_timeout": 504,
    "deadline": 504,
    "disk_full": 507,
}
RETRY_AFTER_S = 5


class CaptionError(Exception):
    """Base of every error this package raises on purpose.

    `code` is a key of `HTTP_STATUS`; `details` are values that the Chinese sentence may name
    (numbers, never paths).
    """

    default_code = "internal"

    def __init__(self, message: str, *, code: str | None = None, **details: object) -> None:
        super().__init__(message)
        self.code = code or self.default_code
        if self.code not in HTTP_STATUS:
            raise ValueError(f"unknown error code {self.code!r}")
        self.details = details

    @property
    def http_status(self) -> int:
        return HTTP_STATUS[self.code]

    @property
    def retry_after_s(self) -> int | None:
        """What the header `Retry-After` says, None for errors that go without it."""
        return RETRY_AFTER_S if self.http_status in (429, 503) else None


class ImageError(CaptionError):
    """The picture can't be used."""

    default_code = "image_invalid"


class ModelError(CaptionError):
    """The model's files are missing, damaged or can't run here."""

    default_code = "model_damaged"


class OptionsError(CaptionError):
    """An option is out of range, unknown or contradicts another."""

    default_code = "bad_param"


class BusyError(CaptionError):
    """The gate is full, or the service is stopping."""

    default_code = "queue_full"


class Cancelled(CaptionError):
    """The caller asked to stop, or its deadline passed (code `deadline`)."""

    default_code = "cancelled"


def is_disk_full(error: OSError) -> bool:
    """Whether a write failed for want of space, on the disk or in the user's quota."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
