"""Keeps tests off the network: whatever is not on this machine cannot be reached from the tests' process."""

import socket
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import pytest

LOCAL_NAMES = {"localhost", "", None}


class OutsideWorldError(Exception):
    """A test tried to leave this machine. No OSError, so that no retry takes it for a failing network."""


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address means this machine, without asking any name server."""
    if host in LOCAL_NAMES:
        return True
    try:
        return ip_address(str(host)).is_loopback
    except ValueError:
        return False


def beyond_loopback(urls: Iterable[str]) -> list[str]:
    """Those of the URLs that a browser would fetch from another machine."""
    fetched = (url for url in urls if urlsplit(url).scheme in {"http", "https", "ws", "wss"})
    return [url for url in fetched if not is_loopback(urlsplit(url).hostname)]


def forbid_leaving_loopback(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make connections and name look-ups beyond this machine raise; returns the list of the attempts."""
    attempts: list[str] = []
    connect, connect_ex, look_up = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def refuse_outside(address: Any) -> None:
        # A Unix socket's address is a path, not a tuple.
        if isinstance(address, tuple) and not is_loopback(address[0]):
            refuse(f"connect to {address[0]} port {address[1]}")

    def refuse(what: str) -> None:
        attempts.append(what)
        raise OutsideWorldError(f"a test tried to {what}; tests stay on this machine")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        refuse_outside(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        refuse_outside(address)
        return connect_ex(self, address)

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if not (is_loopback(name) or _is_address(name)):
            refuse(f"look up {name}")
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_look_up)
    return attempts


def _is_address(host: str) -> bool:
    """An address needs no name server; connecting to it is judged by itself."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
