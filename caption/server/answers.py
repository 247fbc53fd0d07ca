"""What a failed request is answered with, by the guard and the API alike."""

from __future__ import annotations

from caption.errors import CaptionError
from caption.locale.messages import message


def error_body(error: CaptionError, request_id: str) -> dict[str, dict[str, str]]:
    """The JSON body of a failed request."""
    return {"error": {"code": error.code, "message": message(error), "request_id": request_id}}
