"""The tab that describes: its choices, its seeds, and what it says without a browser."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from caption.errors import CaptionError
from caption.locale import messages, text
from caption.options import DETAILS, STRATEGY_NAMES, DescribeOptions
from caption.server.service import Service
from caption.types import StrategyName
from caption.web.progress import note_html
from caption.web.shared import Shared
from caption.web.tabs.describe import DescribeTab, build, next_seed
from tests.support.browser import FakeDescriber, Served, grounded, picture_bytes, post, statistics


def page_config(served: Served) -> Any:
    """The widgets and events of the page, as the browser gets them."""
    with urllib.request.urlopen(f"{served.url}/config", timeout=20) as answer:
        return json.load(answer)


def component(config: Any, elem_id: str) -> Any:
    (match,) = (
        candidate
        for candidate in config["components"]
        if candidate["props"].get("elem_id") == elem_id
    )
    return match


def test_seeds_go_on_per_picture_and_settings(tmp_path: Path):
    red, blue = picture_bytes("red"), picture_bytes("blue")
    key, seed = next_seed({}, red, ("high",))
    assert seed == 0
    assert next_seed({key: 0}, red, ("high",)) == (key, 1)
    assert next_seed({key: 0}, red, ("low",))[1] == 0
    assert next_seed({key: 0}, blue, ("high",))[1] == 0
    assert next_seed({key: 2**31 - 1}, red, ("high",))[1] == 0
    path = tmp_path / "elsewhere.png"
    path.write_bytes(red)
    assert next_seed({}, str(path), ("high",))[0] == key


def test_the_slider_says_when_the_description_is_gone(served: Served):
    config = page_config(served)
    slider = component(config, "min-support")["id"]
    (event,) = (
        dependency["id"]
        for dependency in config["dependencies"]
        if [slider, "input"] in dependency["targets"]
    )
    body = {"data": [None, 50], "fn_index": event, "session_hash": "after-a-restart"}
    fields = post(f"{served.url}/gradio_api/run/predict", body)["data"]
    # nothing else changes
    texts = [field for field in fields if isinstance(field, str)]
    assert texts == [note_html(text("describe.gone"))]


@pytest.mark.parametrize(("name", "values"), [("strategy", STRATEGY_NAMES), ("detail", DETAILS)])
def test_every_choice_is_offered_and_the_default_is_that_of_the_options(
    served: Served, name: str, values: tuple[str, ...]
) -> None:
    radio = component(page_config(served), name)["props"]
    assert [value for _, value in radio["choices"]] == list(values)
    assert [label for label, _ in radio["choices"]] == [text(f"{name}.{value}") for value in values]
    assert radio["value"] in values
    assert radio["value"] == getattr(DescribeOptions(), name)  # one default everywhere


# --------------------------------------------------------------------------------------------- the handlers

REQUEST = SimpleNamespace(session_hash="a page")


@pytest.fixture
def describer() -> FakeDescriber:
    return FakeDescriber()


@pytest.fixture
def tab(describer: FakeDescriber) -> DescribeTab:
    with gr.Blocks(analytics_enabled=False):
        return build(Service(describer), Shared(()))  # type: ignore[arg-type]


def generate(
    tab: DescribeTab, image: Any, seeds: dict[str, int], strategy: StrategyName = "forced"
) -> Any:
    return tab.generate(image, "high", True, strategy, seeds, REQUEST)


def test_a_run_gives_text_as_it_grows_and_moves_the_seed_on(tab: DescribeTab):
    *steps, last = generate(tab, picture_bytes(), {})
    partial = [updates[tab.text] for updates in steps if tab.text in updates]
    assert partial == [FakeDescriber.text_of(1, 0), FakeDescriber.text_of(2, 0)]
    assert [tab.shown in updates for updates in steps].count(True) == 1  # what was there goes once
    assert last[tab.text] == FakeDescriber.text_of(3, 0)
    assert last[tab.length] == statistics(last[tab.text])
    assert (last[tab.seed], list(last[tab.seeds].values())) == ("0", [0])
    *_, again = generate(tab, picture_bytes(), last[tab.seeds])
    assert (again[tab.text], again[tab.seed]) == (FakeDescriber.text_of(3, 1), "1")
    assert list(again[tab.seeds].values()) == [1]


@pytest.mark.parametrize(("hold_at", "moved_on"), [(1, False), (2, True)])
def test_a_stopped_run_moves_the_seed_on_where_it_gave_text(
    tab: DescribeTab, describer: FakeDescriber, hold_at: int, moved_on: bool
):
    describer.hold_at = hold_at
    steps = generate(tab, picture_bytes(), {})
    for updates in steps:
        if "第 1/4 步" in updates[tab.progress] and (tab.text in updates) == moved_on:
            break
    tab.halt(REQUEST)
    *_, last = steps
    assert last[tab.progress] == note_html(text("describe.stopped"))
    assert (tab.seeds in last) == moved_on


def test_without_a_picture_there_is_a_toast(tab: DescribeTab):
    with pytest.raises(gr.Error) as caught:
        list(generate(tab, None, {}))
    assert caught.value.message == messages.message(CaptionError("x", code="no_image"))


def test_the_slider_filters_what_is_shown(tab: DescribeTab, describer: FakeDescriber):
    describer.grounded = grounded()
    *_, last = generate(tab, picture_bytes(), {}, "grounded")
    assert last[tab.text] == grounded().text
    nothing = tab.refilter(last[tab.shown], 100.0)
    assert (nothing[tab.text], nothing[tab.length]) == ("", "")
    assert text("evidence.nothing_left") in nothing[tab.sentences]
    everything = tab.refilter(last[tab.shown], None)  # an empty field
    assert everything[tab.text] == tab.refilter(last[tab.shown], -5.0)[tab.text] != ""
