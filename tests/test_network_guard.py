from __future__ import annotations

import contextlib
import os
import socket
import urllib.request

import pytest

from tests.network_guard import NetworkAttempt, blocked


def test_refuses_and_records_every_way_out() -> None:
    with blocked() as tries:
        with pytest.raises(NetworkAttempt):
            socket.create_connection(("192.0.2.1", 80), timeout=0.1)
        with pytest.raises(NetworkAttempt):
            urllib.request.urlopen("http://example.invalid", timeout=0.1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, pytest.raises(NetworkAttempt):
            udp.sendto(b"x", ("192.0.2.1", 9))
        with socket.socket() as tcp, pytest.raises(NetworkAttempt):
            tcp.connect_ex(("192.0.2.1", 80))
    assert len(tries) == 4


def test_a_swallowed_try_is_still_recorded() -> None:
    with blocked() as tries, contextlib.suppress(Exception):
        socket.create_connection(("192.0.2.1", 80), timeout=0.1)
    assert tries


def test_loopback_works() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname(), timeout=60)
        peer, _ = server.accept()
        with client, peer:
            client.sendall(b"ok")
            assert peer.recv(2) == b"ok"


def test_no_provider_key_is_visible() -> None:
    assert not [k for k in os.environ if k.endswith("_API_KEY")]
