"""What a caller is told when a request cannot be answered.

RequestError                 carries the HTTP status; the caller can fix it (4xx)
├── NotFoundError            404
├── MethodError              405
├── TooLargeError            413
├── MediaTypeError           415
└── UnavailableError         503, the caller may try again
"""

from __future__ import annotations

import reprlib

from tidemill.errors import TidemillError

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60


class RequestError(TidemillError):
    """The request is not valid: names the field, shows the value, says the fix."""

    status = 400

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class NotFoundError(RequestError):
    """No such model, version or path."""

    status = 404


class MethodError(RequestError):
    """The path exists, but not for this method."""

    status = 405

    def __init__(self, method: str, path: str, allowed: str) -> None:
        super().__init__(f"method: {method} is not allowed on {show(path)}", f"use {allowed}")
        self.allowed = allowed


class MediaTypeError(RequestError):
    """The body is in a form the server does not read."""

    status = 415


class TooLargeError(RequestError):
    """The body is over the cap."""

    status = 413


class UnavailableError(RequestError):
    """Nothing is wrong with the request; the server cannot answer it now."""

    status = 503


def show(value: object) -> str:
    """`value` as text, short enough for a message however large the value is."""
    return _SHORT.repr(value)
