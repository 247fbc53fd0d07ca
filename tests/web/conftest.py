"""An app in this process, served once for a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client

from tests.support.browser import FakeDescriber, Served, picture_bytes, serving


@pytest.fixture(scope="module")
def app() -> Iterator[Served]:
    with serving(FakeDescriber()) as served:
        yield served


@pytest.fixture
def served(app: Served) -> Iterator[Served]:
    """The shared app, with a describer as new."""
    app.describer.hold_at = app.describer.fault = app.describer.grounded = None
    app.describer.images.clear()
    app.describer.options.clear()
    yield app
    app.describer.hold_at = None
    assert app.gate.wait_idle(10)


@pytest.fixture(scope="module")
def client(app: Served) -> Client:
    return Client(app.url, verbose=False)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    path.write_bytes(picture_bytes())
    return path
