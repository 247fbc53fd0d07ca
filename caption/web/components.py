"""The web app: `python blip_gradio.py`. A picture uploaded or pasted in the browser becomes a long
description.
"""

from __future__ import annotations

import base64
import binascii
import html
import logging
from abc import ABCMeta
from typing import Any

import gradio as gr

from caption.errors import CaptionError, ImageError
from caption.locale import messages

logger = logging.getLogger(__name__)


def told(error: Exception) -> str:
    """An error in Chinese. What isn't ours is logged and named internal."""
    if not isinstance(error, CaptionError):
        logger.error("a description failed", exc_info=error)
        error = CaptionError("internal")
    return messages.message(error)


def shown(error: Exception) -> gr.Error:
    """The toast for an error: Chinese, escaped, without its traceback in the log."""
    return gr.Error(html.escape(told(error)), print_exception=False)


def original_file(component: gr.Image, payload: Any) -> str | bytes | None:
    """The picture as it came, its path or the bytes of a data URL: `caption.image.load` decodes it,
    and every error is ours.
    """
    if payload is None:
        return None
    if payload.url and payload.url.startswith("data:"):
        try:
            return base64.b64decode(payload.url.partition(",")[2], validate=True)
        except (binascii.Error, ValueError) as error:
            raise shown(ImageError("the data URL holds no base64")) from error
    return payload.path


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
