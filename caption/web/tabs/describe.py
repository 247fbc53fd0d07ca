"""The tab that describes a picture: its widgets, and what its buttons do."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import gradio as gr

from caption.describe import with_min_support
from caption.errors import Cancelled, ImageError
from caption.hub.specs import suits_photographs
from caption.language.text import caption_stats
from caption.locale import phrases, text
from caption.locale.messages import percent
from caption.options import DETAILS, MAX_SEED, STRATEGY_NAMES, DescribeOptions
from caption.server.service import Service, Step
from caption.types import Description, Detail, Progress, StrategyName
from caption.web.components import (
    PAGE_EVENT,
    PercentInput,
    PictureInput,
    error_sentence,
    errors_as_toasts,
)
from caption.web.evidence import (
    dropped_html,
    evidence_html,
    may_be_filtered,
    mean_support,
    picture_mark,
    slider_info,
)
from caption.web.progress import note_html, progress_html
from caption.web.shared import Example, Shared

ORDER = 10

# What a handler gives to Gradio: a widget of the page, and its new value or properties.
Updates: TypeAlias = dict[Any, Any]
# How often each picture with its settings was described: see `next_seed`.
Seeds: TypeAlias = dict[str, int]


def title() -> str:
    return text("describe.tab")


def build(service: Service, shared: Shared) -> DescribeTab:
    return DescribeTab(service, shared)


def next_seed(seeds: Seeds, image: str | bytes, settings: Sequence[object]) -> tuple[str, int]:
    """The key of this picture with these settings, and its seed: 0, then one more for every text it
    already gave. Raises `ImageError` (no_image) where the file is gone.
    """
    try:
        content = image if isinstance(image, bytes) else Path(image).read_bytes()
    except OSError as error:
        raise ImageError("the picture can't be read", code="no_image") from error
    key = hashlib.sha256(repr(settings).encode() + content).hexdigest()
    return key, (seeds[key] + 1) % (MAX_SEED + 1) if key in seeds else 0


@dataclass
class Run:
    """One press of the button."""

    image: str | bytes
    options: DescribeOptions
    seeds: Seeds  # as the run leaves them when it has given text
    partial_text: str = ""

    @classmethod
    def start(
        cls,
        image: str | bytes | None,
        detail: Detail,
        multi_round: bool,
        strategy: StrategyName,
        seeds: Seeds,
    ) -> Run:
        """Raises `ImageError` and `OptionsError`."""
        if image is None:
            raise ImageError("no image was given", code="no_image")
        key, seed = next_seed(seeds, image, (detail, multi_round, strategy))
        options = DescribeOptions(
            detail=detail, multi_round=multi_round, strategy=strategy, seed=seed
        )
        return cls(image, options, {**seeds, key: seed})


@dataclass(frozen=True)
class Shown:
    """The description on the page, kept for the slider."""

    description: Description
    mark: str  # see `picture_mark`


class DescribeTab:
    """The widgets as attributes, the handlers as methods."""

    def __init__(self, service: Service, shared: Shared) -> None:
        self._service = service
        with gr.Row():
            with gr.Column(min_width=320):
                self._build_inputs()
            with gr.Column(min_width=320):
                self._build_result()
                self._build_statistics()
        if shared.examples:
            self._build_examples(shared.examples)
        self.seeds = gr.State({})
        self.shown = gr.State(None)  # Shown
        self._connect()

    # ---------------------------------------------------------------------------------- widgets

    def _build_inputs(self) -> None:
        defaults = DescribeOptions()
        self.picture = PictureInput(
            label=text("describe.picture"),
            type="filepath",
            height=300,
            sources=["upload", "clipboard"],
            buttons=[],
            elem_id="picture",
            elem_classes="tab-picture",
        )
        with gr.Accordion(text("describe.settings"), open=True):
            self.detail = gr.Radio(
                [(text(f"detail.{name}"), name) for name in DETAILS],
                value=defaults.detail,
                label=text("describe.detail"),
                info=text("describe.detail_info"),
                elem_id="detail",
            )
            self.multi_round = gr.Checkbox(
                defaults.multi_round, label=text("describe.multi_round"), elem_id="multi-round"
            )
            self.strategy = gr.Radio(
                [(text(f"strategy.{name}"), name) for name in STRATEGY_NAMES],
                value=defaults.strategy,
                label=text("describe.strategy"),
                elem_id="strategy",
            )
        self.run = gr.Button(
            text("describe.run"),
            variant="primary",
            size="lg",
            elem_id="run",
            elem_classes="tab-run",
        )
        self.stop = gr.Button(
            text("describe.stop"), variant="stop", interactive=False, elem_id="stop"
        )
        gr.Markdown(text("describe.notes"), elem_id="notes")

    def _build_result(self) -> None:
        self.progress = gr.HTML(note_html(""), elem_id="progress", elem_classes="tab-progress")
        gr.HTML(
            text("demo_model"),
            elem_id="demo-line",
            visible=not suits_photographs(self._service.describer.name),
        )
        self.text = gr.Textbox(
            label=text("describe.text"),
            lines=10,
            max_lines=20,
            placeholder=text("describe.text_placeholder"),
            buttons=["copy"],
            interactive=False,
            elem_id="description",
            elem_classes="tab-result",
        )
        self.min_support = PercentInput(
            0,
            100,
            0,
            step=1,
            label=text("describe.min_support"),
            info=slider_info(True),
            visible=False,
            interactive=True,
            buttons=[],
            elem_id="min-support",
            elem_classes="percent-input",
        )
        self.sentences = gr.HTML("", elem_id="sentences", elem_classes="tab-evidence")

    def _build_statistics(self) -> None:
        with gr.Accordion(text("describe.statistics"), open=True):
            self.length = gr.Textbox(
                label=text("describe.length"),
                placeholder=text("describe.length_placeholder"),
                interactive=False,
                elem_id="statistics",
            )
            self.mean_support = gr.Textbox(
                label=text("describe.mean_support"),
                visible=False,
                interactive=False,
                elem_id="mean-support",
            )
            self.dropped = gr.HTML("", elem_id="dropped", elem_classes="tab-dropped")
            self.seed = gr.Textbox(
                label=text("describe.seed"),
                placeholder=text("describe.seed_placeholder"),
                interactive=False,
                elem_id="seed",
            )

    def _build_examples(self, examples: Sequence[Example]) -> None:
        gr.Examples(
            [[str(example.path)] for example in examples],
            inputs=[self.picture],
            label=text("describe.examples"),
            cache_examples=False,
            api_visibility="private",
            elem_id="examples",
        )

    def _connect(self) -> None:
        evidence = [self.text, self.length, self.sentences, self.mean_support, self.dropped]
        pressed = self.run.click(
            self.generate,
            [self.picture, self.detail, self.multi_round, self.strategy, self.seeds],
            [
                *evidence,
                self.seed,
                self.seeds,
                self.progress,
                self.stop,
                self.min_support,
                self.shown,
            ],
            **PAGE_EVENT,
        )
        pressed.then(lambda: gr.update(interactive=False), None, [self.stop], **PAGE_EVENT)
        pressed.failure(lambda: note_html(""), None, [self.progress], **PAGE_EVENT)
        self.stop.click(self.halt, None, None, **PAGE_EVENT)
        self.min_support.input(
            self.refilter,
            [self.shown, self.min_support],
            [*evidence, self.progress],
            queue=False,
            trigger_mode="always_last",
            **PAGE_EVENT,
        )

    # ---------------------------------------------------------------------------------- handlers

    def generate(
        self,
        image: str | bytes | None,
        detail: Detail,
        multi_round: bool,
        strategy: StrategyName,
        seeds: Seeds,
        request: gr.Request,
    ) -> Iterator[Updates]:
        """Progress, text and statistics as they grow, and the evidence for the text at the end."""
        with errors_as_toasts(), self._service.runs.flag(request.session_hash or "") as flag:
            run = Run.start(image, detail, multi_round, strategy, seeds)
            work = self._service.work(run.image, run.options, flag.is_set)
            with contextlib.closing(work) as steps:
                try:
                    for step in steps:
                        yield self._updates(run, step)
                except Cancelled as error:
                    if error.code != "cancelled":
                        raise
                    yield self._stopped(run)

    def halt(self, request: gr.Request) -> None:
        """End what this page has running."""
        self._service.runs.stop(request.session_hash or "")

    def refilter(self, shown: Shown | None, min_percent: float | None) -> Updates:
        """The description on the page with more or fewer of its statements, without the model.

        A fault stands in the note: Gradio shows no toast for what doesn't go through its queue.
        """
        if shown is None:
            return {self.progress: note_html(text("describe.gone"))}
        try:
            share = min(max(min_percent or 0.0, 0.0), 100.0) / 100
            return self._evidence(Shown(with_min_support(shown.description, share), shown.mark))
        except Exception as error:
            return {self.progress: note_html(error_sentence(error))}

    # ---------------------------------------------------------------------------------- updates

    def _updates(self, run: Run, step: Step) -> Updates:
        """What a step of the service changes on the page; a whole number is the place in line."""
        if isinstance(step, Description):
            return self._finished(run, step)
        updates = {
            self.progress: progress_html(step),
            self.stop: gr.update(interactive=True),
        }
        if isinstance(step, Progress) and step.partial_text not in ("", run.partial_text):
            if not run.partial_text:  # the evidence on the page is that of the text before
                updates |= self._no_evidence()
            run.partial_text = step.partial_text
            updates |= {
                self.text: step.partial_text,
                self.length: phrases.statistics(caption_stats(step.partial_text)),
                self.seed: str(run.options.seed),
            }
        return updates

    def _finished(self, run: Run, description: Description) -> Updates:
        shown = Shown(description, picture_mark(run.image))
        note = "" if description.failure is None else text("describe.round_failed")
        return {
            **self._evidence(shown),
            self.seed: str(run.options.seed),
            self.seeds: run.seeds,
            self.progress: note_html(note),
            self.shown: shown,
            self.min_support: gr.update(
                visible=may_be_filtered(description),
                value=percent(description.min_support or 0.0),
                info=slider_info(description.calibrated),
            ),
        }

    def _stopped(self, run: Run) -> Updates:
        updates: Updates = {self.progress: note_html(text("describe.stopped"))}
        if run.partial_text:
            updates[self.seeds] = run.seeds
        return updates

    def _evidence(self, shown: Shown) -> Updates:
        """A description's text and the evidence for it."""
        support = mean_support(shown.description)
        return {
            self.text: phrases.description_text(shown.description),
            self.length: phrases.statistics(shown.description.stats),
            self.dropped: dropped_html(shown.description),
            self.mean_support: gr.update(value=support, visible=bool(support)),
            self.sentences: evidence_html(shown.description, shown.mark),
        }

    def _no_evidence(self) -> Updates:
        """While there is text without evidence yet."""
        return {
            self.mean_support: gr.update(value="", visible=False),
            self.dropped: "",
            self.sentences: "",
            self.shown: None,
            self.min_support: gr.update(visible=False),
        }
