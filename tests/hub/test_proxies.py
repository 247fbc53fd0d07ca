"""proxies: this machine is asked without one."""

from __future__ import annotations

from caption.hub.proxies import leave_out_this_machine


def test_both_spellings_hold_every_host_once() -> None:
    environ = {"NO_PROXY": "a.test, localhost", "no_proxy": "b.test,,a.test"}
    for _ in range(2):  # again, nothing changes
        leave_out_this_machine(environ)
        assert environ["NO_PROXY"] == environ["no_proxy"] == "a.test,localhost,b.test,127.0.0.1,::1"


def test_an_empty_environment() -> None:
    environ: dict[str, str] = {}
    leave_out_this_machine(environ)
    assert environ["NO_PROXY"] == environ["no_proxy"] == "localhost,127.0.0.1,::1"
