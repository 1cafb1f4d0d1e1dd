"""Whom the monitor tells. A receiver's URL is a secret, so an objective says where it is kept."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    WithJsonSchema,
    model_validator,
)

from tidemill.objective.block import Block
from tidemill.objective.cel import rules

MOST_RECEIVERS = 8
NOTIFY_VARIABLE = "TIDEMILL_NOTIFY"
"""Where the operator hands a monitor its receivers; the home may know an older objective."""
_ONE_SOURCE = "exactly one of env and secret must be given"
_LONGEST = 253


def _like(pattern: str, meaning: str) -> Any:
    """Metadata of a text that has to match, here and on the API server."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(meaning)
        return text

    rule = rules((f"self.matches('^({pattern})$')", meaning))
    schema = {"type": "string", "maxLength": _LONGEST, **rule}
    return AfterValidator(check), WithJsonSchema(schema)


_text = Field(max_length=_LONGEST)
_variable = _like(
    "[A-Za-z_][A-Za-z0-9_]*", "expected the name of an environment variable, not a URL"
)
_label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_secret = _like(f"{_label}([.]{_label})*", "expected the name of a Secret, like 'webhooks'")
_key = _like("[-._a-zA-Z0-9]+", "expected a key of the Secret: letters, digits, '-', '_' and '.'")


class SecretKey(Block):
    """One key of a Secret in the namespace of the release."""

    name: Annotated[str, _text, *_secret]
    """Name of the Secret."""
    key: Annotated[str, _text, *_key]
    """Its key that holds the URL."""

    @property
    def variable(self) -> str:
        """The environment variable that the operator fills from it."""
        digest = hashlib.sha256(f"{self.name}/{self.key}".encode()).hexdigest()
        return f"TIDEMILL_URL_{digest[:16].upper()}"


class UrlSource(Block):
    """Where a URL is kept: exactly one of the two."""

    model_config = ConfigDict(
        json_schema_extra=rules(("has(self.env) != has(self.secret)", _ONE_SOURCE))
    )

    env: Annotated[str, _text, *_variable] | None = None
    """Name of the environment variable that holds the URL."""
    secret: SecretKey | None = None
    """On Kubernetes, the key of a Secret; the monitor's pod gets it."""

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if (self.env is None) == (self.secret is None):
            raise ValueError(_ONE_SOURCE)
        return self

    @property
    def variable(self) -> str:
        """The environment variable to read."""
        return self.secret.variable if self.secret is not None else str(self.env)


class Receiver(Block):
    """Somebody who is told when a verdict changes."""

    format: Literal["json", "slack"] = "json"
    """`json`: everything, for programs. `slack`: a text, for Slack and what is compatible."""
    url_from: UrlSource
    """Where its URL is kept; the URL itself never stands in an objective."""

    @property
    def id(self) -> str:
        """Short stable name of this receiver, without its URL."""
        told = f"{self.format}/{self.url_from.variable}"
        return hashlib.sha256(told.encode()).hexdigest()[:12]

    def __str__(self) -> str:
        return f"{self.format} receiver of {self.url_from.variable}"


Receivers = Annotated[list[Receiver], Field(max_length=MOST_RECEIVERS)]


def write_receivers(receivers: list[Receiver]) -> str:
    """JSON for NOTIFY_VARIABLE."""
    return TypeAdapter(list[Receiver]).dump_json(receivers, exclude_none=True).decode()


def read_receivers(text: str) -> list[Receiver]:
    """Raises ValueError for anything but what `write_receivers` wrote."""
    return TypeAdapter(list[Receiver]).validate_json(text)
