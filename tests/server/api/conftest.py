"""Running APIs for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.api import Api, Web, running
from tests.support.browser import until


@pytest.fixture(scope="module")
def shared() -> Iterator[Api]:
    with running() as running_api:
        yield running_api


@pytest.fixture
def api(shared: Api) -> Iterator[Api]:
    """The shared API, with a describer as new."""
    shared.describer.hold_at = shared.describer.fault = shared.describer.grounded = None
    shared.describer.images.clear()
    shared.describer.options.clear()
    yield shared
    shared.describer.hold_at = None
    assert until(shared.idle, 20)


@pytest.fixture(scope="module")
def web() -> Web:
    return Web()


@pytest.fixture(scope="module")
def with_urls(web: Web) -> Iterator[Api]:
    with running(fetch=web.fetch) as running_api:
        yield running_api
