"""The web app: `python blip_gradio.py`. A picture uploaded or pasted in the browser becomes a long
description.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from caption.errors import Cancelled, ImageError, OptionsError
from caption.hub.background import BackgroundDownload
from caption.hub.specs import suits_photographs
from caption.image.fetch import fetch
from caption.language.text import caption_stats
from caption.locale import phrases
from caption.locale import text as sentence
from caption.locale.messages import percent
from caption.locale.phrases import statistics
from caption.options import MAX_SEED, DescribeOptions
from caption.server.api.app import beside, build_api
from caption.server.api.request import options_from
from caption.server.guard.middleware import guard_lifespan
from caption.server.service import Service
from caption.types import Description, Progress
from caption.web.banner import banner_html
from caption.web.components import PercentInput, PictureInput, shown, told
from caption.web.evidence import (
    dropped_html,
    evidence_html,
    may_be_filtered,
    mean_support,
    slider_info,
)
from caption.web.page import (
    CSS,
    DEFAULT_STRATEGY,
    DESCRIPTION_GONE,
    DETAIL_CHOICES,
    NOTES,
    PAGE_REFUSALS,
    STRATEGY_CHOICES,
    TITLE,
    note_html,
    page_js,
    progress_html,
)

logger = logging.getLogger("blip_gradio")

EXAMPLES = Path(__file__).resolve().parent / "examples"
PHOTOGRAPHS = {
    "astronaut.png": "照片：宇航员",
    "chelsea.png": "照片：猫",
    "coffee.png": "照片：咖啡",
    "rocket.jpg": "照片：火箭",
}


def picture_mark(image: str | bytes) -> str:
    """The part of an uploaded picture's address that no other picture has; empty for a picture
    without an address.
    """
    return "" if isinstance(image, bytes) else Path(image).parent.name


def next_seed(
    seeds: dict[str, int], image: str | bytes, settings: Sequence[object]
) -> tuple[str, int]:
    """The key of this picture with these settings, and its seed: 0, then one more for every text it
    already gave.
    """
    try:
        content = image if isinstance(image, bytes) else Path(image).read_bytes()
    except OSError as error:
        raise ImageError("the picture can't be read", code="no_image") from error
    key = hashlib.sha256(repr(settings).encode() + content).hexdigest()
    return key, (seeds[key] + 1) % (MAX_SEED + 1) if key in seeds else 0


def example_pictures() -> list[tuple[str, str]]:
    """(path, label) of the pictures that are there: drawn scenes first, then photographs."""
    scenes = [
        (str(path), f"绘制的场景 {i}")
        for i, path in enumerate(sorted(EXAMPLES.glob("scene-*.png")), 1)
    ]
    return scenes + [
        (str(EXAMPLES / name), label)
        for name, label in PHOTOGRAPHS.items()
        if (EXAMPLES / name).is_file()
    ]


def build_demo(service: Service, *, download: BackgroundDownload | None = None) -> gr.Blocks:
    """The page and the endpoint `/describe`."""
    describer, runs = service.describer, service.runs

    def fields_of(description: Description, mark: str) -> dict[Any, Any]:
        """What the page says of a description, all but the slider."""
        support = mean_support(description)
        return {
            text: phrases.description_text(description),
            stats: statistics(description.stats),
            dropped: dropped_html(description),
            mean: gr.update(value=support, visible=bool(support)),
            sentences: evidence_html(description, mark),
        }

    def slider_of(description: Description) -> Any:
        """The slider as a new description leaves it."""
        return gr.update(
            visible=may_be_filtered(description),
            value=percent(description.min_support or 0.0),
            info=slider_info(description.calibrated),
        )

    def no_evidence() -> dict[Any, Any]:
        """While there is text that nothing speaks for yet."""
        return {
            mean: gr.update(value="", visible=False),
            dropped: "",
            sentences: "",
            last: None,
            least: gr.update(visible=False),
        }

    def generate(
        image: str | bytes | None,
        detail: str,
        multi_round: bool,
        strategy: str,
        seeds: dict[str, int],
        request: gr.Request,
    ) -> Iterator[dict[Any, Any]]:
        """The page's button: progress, text and statistics as they grow, and what speaks for the
        text at the end.
        """
        last_text = ""
        with runs.flag(request.session_hash or "") as flag, contextlib.ExitStack() as closing:
            try:
                if image is None:
                    raise ImageError("no image was given", code="no_image")
                key, seed = next_seed(seeds, image, (detail, multi_round, strategy))
                options = DescribeOptions(
                    detail=detail, multi_round=multi_round, strategy=strategy, seed=seed
                )
                steps = service.work(image, options, flag.is_set)
                for step in closing.enter_context(contextlib.closing(steps)):
                    if isinstance(step, Description):
                        note = (
                            "" if step.failure is None else "后面的一轮没有成功，已保留之前的描述。"
                        )
                        yield {
                            **fields_of(step, picture_mark(image)),
                            seed_box: str(seed),
                            seeds_state: {**seeds, key: seed},
                            progress: note_html(note),
                            last: (step, picture_mark(image)),
                            least: slider_of(step),
                        }
                        continue
                    news: dict[Any, Any] = {
                        progress: progress_html(step),
                        stop: gr.update(interactive=True),
                    }
                    partial = step.partial_text if isinstance(step, Progress) else ""
                    if partial and partial != last_text:
                        news |= {
                            text: partial,
                            stats: statistics(caption_stats(partial)),
                            seed_box: str(seed),
                        }
                        # what is shown of the description before doesn't belong to this text
                        if not last_text:
                            news |= no_evidence()
                        last_text = partial
                    yield news
            except Cancelled as error:
                if error.code != "cancelled":
                    raise shown(error) from error
                yield {
                    progress: note_html("已停止"),
                    **({seeds_state: {**seeds, key: seed}} if last_text else {}),
                }
            except Exception as error:
                raise shown(error) from error

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
        try:
            if image is None:
                raise ImageError("no image was given", code="no_image")
            if not isinstance(heatmaps, bool):
                raise OptionsError(
                    f"heatmaps must be true or false, not {heatmaps!r}", name="heatmaps"
                )
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
                runs.flag(request.session_hash or "") as flag,
                contextlib.closing(service.work(image, options, flag.is_set)) as steps,
            ):
                for step in steps:
                    if isinstance(step, Description):
                        yield (
                            phrases.description_text(step),
                            statistics(step.stats),
                            step.to_dict(heat=heatmaps),
                        )
                    elif isinstance(step, Progress):
                        yield (
                            step.partial_text,
                            statistics(caption_stats(step.partial_text)),
                            {"fraction": step.fraction},
                        )
                    else:
                        yield "", "", {"place": step}
        except Exception as error:
            raise shown(error) from error

    def refilter(
        last_one: tuple[Description, str] | None, least_percent: float | None
    ) -> dict[Any, Any]:
        """The slider: the last description with more or fewer of its statements, without the model.

        A fault is told in the note: Gradio shows no toast for what doesn't go through its queue.
        """
        from caption.strategies.inquiry import with_min_support

        if last_one is None:
            return {progress: note_html(DESCRIPTION_GONE)}
        try:
            description, mark = last_one
            least_share = min(max(least_percent or 0.0, 0.0), 100.0) / 100
            return fields_of(with_min_support(description, least_share), mark)
        except Exception as error:
            return {progress: note_html(told(error))}

    def halt(request: gr.Request) -> None:
        runs.stop(request.session_hash or "")

    def refuse(code: str) -> None:
        """A toast for what the page itself refused; the code comes from its script."""
        if code in PAGE_REFUSALS:
            raise gr.Error(PAGE_REFUSALS[code], print_exception=False)
        known = code if code in ("too_large", "unsupported_format") else "image_invalid"
        raise shown(ImageError("refused by the page", code=known))

    def tell_download() -> tuple[str, gr.Timer]:
        return banner_html(describer, download), gr.Timer(
            active=bool(download and not download.status.settled)
        )

    # uploads that nobody looks at any more are deleted after a day
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 86400)) as demo:
        gr.Markdown(f"# 🖼️ {TITLE}")
        banner = gr.HTML(banner_html(describer, download), elem_id="banner")
        with gr.Row():
            with gr.Column(min_width=320):
                picture = PictureInput(
                    label="上传图片",
                    type="filepath",
                    height=300,
                    sources=["upload", "clipboard"],
                    buttons=[],
                    elem_id="picture",
                )
                with gr.Accordion("详细程度设置", open=True):
                    detail = gr.Radio(
                        DETAIL_CHOICES,
                        value="high",
                        label="详细程度",
                        info="选择描述的详细程度",
                        elem_id="detail",
                    )
                    multi_round = gr.Checkbox(
                        True, label="启用多轮生成 (显著增加描述长度)", elem_id="multi-round"
                    )
                    strategy = gr.Radio(
                        STRATEGY_CHOICES, value=DEFAULT_STRATEGY, label="策略", elem_id="strategy"
                    )
                run = gr.Button("🚀 生成超详细描述", variant="primary", size="lg", elem_id="run")
                stop = gr.Button("停止", variant="stop", interactive=False, elem_id="stop")
                gr.Markdown(NOTES, elem_id="notes")
            with gr.Column(min_width=320):
                progress = gr.HTML(note_html(""), elem_id="progress")
                gr.HTML(
                    sentence("demo_model"),
                    elem_id="demo-line",
                    visible=not suits_photographs(describer.name),
                )
                text = gr.Textbox(
                    label="生成的超详细描述",
                    lines=10,
                    max_lines=20,
                    placeholder="这里将显示非常详细的图片描述...",
                    buttons=["copy"],
                    interactive=False,
                    elem_id="description",
                )
                least = PercentInput(
                    0,
                    100,
                    0,
                    step=1,
                    label="最低支持度",
                    info=slider_info(True),
                    visible=False,
                    interactive=True,
                    buttons=[],
                    elem_id="min-support",
                )
                sentences = gr.HTML("", elem_id="sentences")
                with gr.Accordion("统计信息", open=True):
                    stats = gr.Textbox(
                        label="描述长度",
                        placeholder="字符数和词数将在这里显示...",
                        interactive=False,
                        elem_id="statistics",
                    )
                    mean = gr.Textbox(
                        label="平均支持度", visible=False, interactive=False, elem_id="mean-support"
                    )
                    dropped = gr.HTML("", elem_id="dropped")
                    seed_box = gr.Textbox(
                        label="随机种子",
                        placeholder="再次生成会换下一个种子",
                        interactive=False,
                        elem_id="seed",
                    )
        if pictures := example_pictures():
            gr.Examples(
                [[path] for path, _ in pictures],
                inputs=[picture],
                label="示例图片",
                cache_examples=False,
                api_visibility="private",
                elem_id="examples",
            )
        seeds_state = gr.State({})
        # the description that is shown and its picture's mark: (Description, str)
        last = gr.State(None)
        timer = gr.Timer(1.0, active=False)

        page_only: dict[str, Any] = {
            "api_visibility": "private",
            "show_progress": "hidden",
            "concurrency_limit": None,
        }
        pressed = run.click(
            generate,
            [picture, detail, multi_round, strategy, seeds_state],
            [
                text,
                stats,
                seed_box,
                seeds_state,
                progress,
                stop,
                least,
                sentences,
                mean,
                dropped,
                last,
            ],
            **page_only,
        )
        pressed.then(lambda: gr.update(interactive=False), None, [stop], **page_only)
        pressed.failure(lambda: note_html(""), None, [progress], **page_only)
        stop.click(halt, None, None, **page_only)
        least.input(
            refilter,
            [last, least],
            [text, stats, sentences, mean, dropped, progress],
            queue=False,
            trigger_mode="always_last",
            **page_only,
        )
        code_box = gr.Textbox(visible=False)
        gr.Button("拒绝", visible="hidden", elem_id="refuse").click(
            refuse, [code_box], None, js="() => [window.blipRefusal]", **page_only
        )
        demo.load(tell_download, None, [banner, timer], **page_only)
        timer.tick(tell_download, None, [banner, timer], **page_only)

        gr.Button(visible=False).click(
            describe,
            [
                picture,
                gr.Textbox("high", label="detail_level", visible=False),
                gr.Checkbox(True, label="multi_round", visible=False),
                gr.Textbox(DEFAULT_STRATEGY, label="strategy", visible=False),
                gr.Number(0, label="seed", visible=False),
                gr.Number(None, label="min_support", visible=False),
                gr.Checkbox(False, label="heatmaps", visible=False),
            ],
            [
                gr.Textbox(label="description", visible=False),
                gr.Textbox(label="statistics", visible=False),
                gr.JSON(label="details", visible=False),
            ],
            api_name="describe",
            concurrency_limit=None,
        )
    accept_fewer_values(demo, "describe")
    return demo


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


def launch(
    demo: gr.Blocks,
    service: Service,
    *,
    host: str,
    port: int,
    allowed_hosts: Sequence[str] = (),
    urls: bool = False,
) -> tuple[Any, str, str]:
    """Serve the page and the API without blocking; raises `OSError` when the port is used. `urls`:
    the API may fetch pictures.

    Returns what `Blocks.launch` does.
    """
    from caption.image.load import MAX_BYTES

    api = build_api(service, fetch if urls else None)
    lifespan = guard_lifespan(
        allowed_hosts=tuple(allowed_hosts),
        beside=functools.partial(beside, service, api),
        answered=service.metrics.answered,
    )
    fonts = (
        "ui-sans-serif",
        "system-ui",
        "PingFang SC",
        "Microsoft YaHei",
        "Noto Sans CJK SC",
        "sans-serif",
    )
    return demo.queue(default_concurrency_limit=None, api_open=False).launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        show_error=False,
        inbrowser=False,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        state_session_capacity=500,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        theme=gr.themes.Soft(font=fonts, font_mono=("ui-monospace", "Consolas", "monospace")),
        css=CSS,
        js=page_js(MAX_BYTES, [label for _, label in example_pictures()]),
        app_kwargs={"lifespan": lifespan},
    )
