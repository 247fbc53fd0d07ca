"""Proxies of this process: which hosts are asked without one."""

from __future__ import annotations

from collections.abc import MutableMapping

_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


def leave_out_this_machine(environ: MutableMapping[str, str]) -> None:
    """Both spellings of NO_PROXY name the hosts of both, and this machine, each once."""
    listed = [*environ.get("NO_PROXY", "").split(","), *environ.get("no_proxy", "").split(",")]
    hosts = [host.strip() for host in listed if host.strip()]
    environ["NO_PROXY"] = environ["no_proxy"] = ",".join(dict.fromkeys((*hosts, *_THIS_MACHINE)))
