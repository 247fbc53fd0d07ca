"""The environment variables of the process, settled."""

from __future__ import annotations

import pytest

from caption.server.environment import prepare_environment


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {}),
        ({"ALL_PROXY": "socks4://p:1"}, {}),
        ({"all_proxy": "SOCKS4A://p:1", "http_proxy": "http://p:2"}, {"http_proxy": "http://p:2"}),
        ({"HTTPS_PROXY": "quic://p:1", "HTTP_PROXY": "p:2"}, {"HTTP_PROXY": "p:2"}),
        ({"https_proxy": "https://p:1", "ALL_PROXY": "http://p"}, {"https_proxy": "https://p:1", "ALL_PROXY": "http://p"}),
        ({"GRADIO_ALLOWED_PATHS": "/", "GRADIO_SHARE": "True", "HF_ENDPOINT": "http://h"}, {"HF_ENDPOINT": "http://h"}),
    ],
)  # fmt: skip
def test_prepare_environment(
    before: dict[str, str], after: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    environ = dict(before)
    prepare_environment(environ)
    settled = {
        name: environ.pop(name) for name in ("GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY")
    }
    assert settled == {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}
    assert environ.pop("NO_PROXY") == environ.pop("no_proxy") == "localhost,127.0.0.1,::1"
    assert environ == after
    dropped = set(before) - set(after)
    assert len(caplog.records) == len(dropped)
    assert all(name in caplog.text for name in dropped)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("installed", [True, False])
def test_socks_proxies_stay_where_they_work(
    scheme: str, installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if installed else None)
    environ = {"ALL_PROXY": f"{scheme}://user:password@p:1"}
    prepare_environment(environ)
    assert ("ALL_PROXY" in environ) is installed


def test_no_proxy_is_merged_and_settling_twice_changes_nothing() -> None:
    environ = {"NO_PROXY": "a.test, localhost", "no_proxy": "b.test,,a.test"}
    prepare_environment(environ)
    once = dict(environ)
    assert once["NO_PROXY"] == once["no_proxy"] == "a.test,localhost,b.test,127.0.0.1,::1"
    prepare_environment(environ)
    assert environ == once


def test_a_proxys_password_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    prepare_environment({"ALL_PROXY": "socks4://user:geheim@p:1"})
    assert caplog.records
    assert "geheim" not in caplog.text
