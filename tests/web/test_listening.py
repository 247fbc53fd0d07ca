"""Free ports, and the addresses to print."""

from __future__ import annotations

import socket

import pytest

from caption.web.listening import addresses, port_is_free
from tests.support.browser import free_port


def test_a_used_port_is_not_free():
    with socket.socket() as used:
        used.bind(("127.0.0.1", 0))
        used.listen(1)
        port = used.getsockname()[1]
        assert not port_is_free("127.0.0.1", port)
        assert not port_is_free("0.0.0.0", port)
    assert port_is_free("0.0.0.0", free_port())


@pytest.mark.parametrize("host", ["192.0.2.7", "no such host"])
def test_a_foreign_address_is_another_fault(host: str):
    with pytest.raises(OSError, match=r".+"):
        port_is_free(host, free_port())


def test_addresses():
    assert addresses("127.0.0.1", 80) == ["http://127.0.0.1:80"]
    assert addresses("::1", 80) == ["http://[::1]:80"]
    everywhere = addresses("0.0.0.0", 29999)
    assert everywhere[0] == "http://127.0.0.1:29999"
    assert all(url.endswith(":29999") and "0.0.0.0" not in url for url in everywhere)
