"""What works around Gradio: inputs that take values as they came, endpoints that may be called with
fewer values, errors as toasts, and what the page's script refuses.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import html
import logging
from abc import ABCMeta
from collections.abc import Iterator
from typing import Any

import gradio as gr

from caption.errors import CaptionError, ImageError
from caption.locale import messages, text

logger = logging.getLogger(__name__)

# Arguments of an event of the page: no endpoint, no spinner, and no limit beside the admission gate.
PAGE_EVENT: dict[str, Any] = {
    "api_visibility": "private",
    "show_progress": "hidden",
    "concurrency_limit": None,
}

# What the page's script refuses by itself, and what it refuses in the server's words.
SCRIPT_REFUSALS = ("clipboard_denied", "clipboard_empty")
FILE_REFUSALS = ("too_large", "unsupported_format")


def error_sentence(error: Exception) -> str:
    """An error in words. What isn't a `CaptionError` is logged and called internal."""
    if not isinstance(error, CaptionError):
        logger.error("a description failed", exc_info=error)
        error = CaptionError("internal")
    return messages.message(error)


def toast(error: Exception) -> gr.Error:
    """The toast for an error: escaped, because Gradio shows it as HTML, and without a traceback in
    the log.
    """
    return gr.Error(html.escape(error_sentence(error)), print_exception=False)


@contextlib.contextmanager
def errors_as_toasts() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise toast(error) from error


def build_refusals() -> None:
    """Add the hidden button by which the page's script asks for a toast (see page.js)."""
    code_box = gr.Textbox(visible=False)
    gr.Button(text("page.refuse"), visible="hidden", elem_id="refuse").click(
        _refuse, [code_box], None, js="() => [window.blip.refusal]", **PAGE_EVENT
    )


def _refuse(code: str) -> None:
    """`code` comes from a browser, so it may be anything."""
    if code in SCRIPT_REFUSALS:
        raise gr.Error(text(f"page.refused.{code}"), print_exception=False)
    known = code if code in FILE_REFUSALS else "image_invalid"
    raise toast(ImageError("refused by the page", code=known))


def accept_fewer_values(demo: gr.Blocks, api_name: str) -> None:
    """Let plain HTTP callers leave out an endpoint's last values, as gradio_client does: calls from
    before they existed go on working.
    """
    check = demo.validate_inputs

    def fill_and_check(block_fn: Any, inputs: list[Any]) -> None:
        if block_fn.api_name == api_name:
            inputs += [component.value for component in block_fn.inputs[len(inputs) :]]
        check(block_fn, inputs)

    demo.validate_inputs = fill_and_check


def original_file(component: gr.Image, payload: Any) -> str | bytes | None:
    """The picture as it came, its path or the bytes of a data URL: `caption.image.load` decodes it,
    so that its errors are the ones shown.
    """
    if payload is None:
        return None
    if payload.url and payload.url.startswith("data:"):
        try:
            return base64.b64decode(payload.url.partition(",")[2], validate=True)
        except (binascii.Error, ValueError) as error:
            raise toast(ImageError("the data URL holds no base64")) from error
    path: str | None = payload.path
    return path


# gr.Image that doesn't decode the file and write it anew; the page draws it as its base class.
# Gradio's metaclass would write a .pyi file beside this one for every subclass, so its `__new__` is
# passed over; a patched instance is lost when Gradio makes it again, as it does after an example
# was clicked.
PictureInput = ABCMeta.__new__(
    type(gr.Image),
    "PictureInput",
    (gr.Image,),
    {"is_template": True, "preprocess": original_file, "__module__": __name__},
)


# A slider that takes what stands in its number field, which may be empty or too large for a moment;
# made as `PictureInput` is.
PercentInput = ABCMeta.__new__(
    type(gr.Slider),
    "PercentInput",
    (gr.Slider,),
    {"is_template": True, "preprocess": lambda self, payload: payload, "__module__": __name__},
)
