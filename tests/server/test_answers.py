"""answers: what a failed request is told, and nothing of what went wrong inside."""

from __future__ import annotations

import json

from caption.errors import ImageError
from caption.locale import messages
from caption.server.answers import error_body

SECRET = "/srv/models/geheim.safetensors"


def test_the_body_holds_code_message_and_request_id_only() -> None:
    error = ImageError(f"can't read {SECRET}", code="image_truncated", path=SECRET)
    body = json.loads(json.dumps(error_body(error, "r-17")))
    assert body == {
        "error": {
            "code": "image_truncated",
            "message": messages.message(error),
            "request_id": "r-17",
        },
    }
