"""The endpoint `/describe` for gradio_client and plain HTTP, apart from the page. Its name, order of
values and docstring are what clients know.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import gradio as gr

from caption.errors import ImageError
from caption.language.text import caption_stats
from caption.locale import phrases, text
from caption.options import DescribeOptions, check_flag
from caption.server.api.request import options_from
from caption.server.service import Service, Step
from caption.types import Description, Progress
from caption.web.components import PictureInput, accept_fewer_values, errors_as_toasts

API_NAME = "describe"


def build_endpoint(demo: gr.Blocks, service: Service) -> None:
    """Add the endpoint: a button that nobody sees, with inputs of its own."""

    def describe(
        image: str | bytes | None,
        detail_level: str,
        multi_round: bool,
        strategy: str,
        seed: float,
        request: gr.Request,
        min_support: float | None = None,
        heatmaps: bool = False,
    ) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Describe a picture. detail_level: high | medium | low; strategy: grounded | forced |
        plain; seed: 0 repeats exactly.

        For grounded only: min_support, 0 to 1, what a sentence needs to be kept (null: what suits
        the model); heatmaps: details tell where the model looked for each word.

        Gives (description, statistics, details); a client that streams sees the text so far before.
        """
        with errors_as_toasts():
            if image is None:
                raise ImageError("no image was given", code="no_image")
            check_flag("heatmaps", heatmaps)
            options = options_from(
                {
                    "detail": detail_level,
                    "multi_round": multi_round,
                    "strategy": strategy,
                    "seed": seed,
                    "min_support": min_support,
                }
            )
            with (
                service.runs.flag(request.session_hash or "") as flag,
                contextlib.closing(service.work(image, options, flag.is_set)) as steps,
            ):
                for step in steps:
                    yield _answer(step, heatmaps)

    gr.Button(visible=False).click(
        describe, _inputs(), _outputs(), api_name=API_NAME, concurrency_limit=None
    )
    accept_fewer_values(demo, API_NAME)


def _inputs() -> list[gr.components.Component]:
    """In the order of `describe`'s parameters; a label is a value's name, its value the default."""
    defaults = DescribeOptions()
    picture = PictureInput(
        label=text("describe.picture"),
        type="filepath",
        sources=["upload", "clipboard"],
        visible=False,
    )
    return [
        picture,
        gr.Textbox(defaults.detail, label="detail_level", visible=False),
        gr.Checkbox(defaults.multi_round, label="multi_round", visible=False),
        gr.Textbox(defaults.strategy, label="strategy", visible=False),
        gr.Number(defaults.seed, label="seed", visible=False),
        gr.Number(defaults.min_support, label="min_support", visible=False),
        gr.Checkbox(False, label="heatmaps", visible=False),
    ]


def _outputs() -> list[gr.components.Component]:
    return [
        gr.Textbox(label="description", visible=False),
        gr.Textbox(label="statistics", visible=False),
        gr.JSON(label="details", visible=False),
    ]


def _answer(step: Step, heatmaps: bool) -> tuple[str, str, dict[str, Any]]:
    """(description, statistics, details) of a step; a whole number is the place in line."""
    if isinstance(step, Description):
        details = step.to_dict(heat=heatmaps)
        return phrases.description_text(step), phrases.statistics(step.stats), details
    if isinstance(step, Progress):
        statistics = phrases.statistics(caption_stats(step.partial_text))
        return step.partial_text, statistics, {"fraction": step.fraction}
    return "", "", {"place": step}
