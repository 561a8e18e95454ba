"""No test reaches the network: a try fails the test, even if the code under test swallows the error."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock


class NetworkAttempt(RuntimeError):
    """A test tried to leave this machine."""


def is_local(address: Any) -> bool:
    """True for unix sockets and loopback addresses (`localhost` included)."""
    if not isinstance(address, tuple):
        return True
    host = address[0]
    if host in ("", "localhost", None):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host).is_loopback
    except ValueError:
        return False


@contextmanager
def blocked() -> Iterator[list[str]]:
    """Refuse every non-loopback connect, datagram and name look-up; yields the list of refused tries."""
    tries: list[str] = []

    def guard(name: str, original: Any, position: int) -> Any:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            address = args[position]
            if not is_local(address if isinstance(address, tuple) or name != "getaddrinfo" else (address,)):
                tries.append(f"{name}{address!r}")
                raise NetworkAttempt(f"a test tried {name} to {address!r}; use a fake or loopback")
            return original(*args, **kwargs)

        return guarded

    with (
        mock.patch.object(socket.socket, "connect", guard("connect", socket.socket.connect, 1)),
        mock.patch.object(socket.socket, "connect_ex", guard("connect_ex", socket.socket.connect_ex, 1)),
        mock.patch.object(socket.socket, "sendto", guard("sendto", socket.socket.sendto, -1)),
        mock.patch.object(socket, "getaddrinfo", guard("getaddrinfo", socket.getaddrinfo, 0)),
    ):
        yield tries
