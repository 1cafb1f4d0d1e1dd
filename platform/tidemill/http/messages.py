"""What goes in and comes out of a server, and what answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

JSON = "application/json"


class Request(NamedTuple):
    """One HTTP request, body read. Header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""
    query: str = ""
    """As sent, without the question mark."""


class Reply(NamedTuple):
    status: int
    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


class App(Protocol):
    """What a server answers with. Neither method raises."""

    def answer(self, request: Request) -> Reply | Awaitable[Reply]:
        """The reply, or what becomes it. Large requests are answered in a worker thread."""
        ...

    def refuse(self, path: str, status: int, message: str) -> Reply:
        """Words for a request that was not read; `path` is empty when it is not known."""
        ...


Observer = Callable[[str, int, float], None]
"""Called once an answer is sent, with its path, its status and the seconds since its first byte."""
