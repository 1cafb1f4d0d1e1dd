"""What is asked of a recommender, whatever the protocol, and what may be asked at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from tidemill.recommendation.interests import LONGEST_HISTORY
from tidemill_serving.errors import RequestError, show
from tidemill_serving.tensors import check_ids

MAX_ROWS = 1_000
MAX_COUNT = 1_000
MAX_SESSION_ITEMS = LONGEST_HISTORY
MAX_EXCLUDED = 1_000
MAX_FILTERS = 16
MAX_FILTER_VALUES = 100
MAX_CONTEXT_CHARACTERS = 1_024
PARAMETERS = ("k", "filters", "exclude", "context")


class Options(NamedTuple):
    """The same for all users of a request."""

    k: int | None = None
    """Items for each user; None for as many as the objective says."""
    filters: Mapping[str, Sequence[str]] = {}
    """Wanted values of attributes, `item.<name>`."""
    exclude: Sequence[str] = ()
    """Items nobody is to be shown."""
    context: str | None = None
    """Where the users are of whom it is not known."""


class RecommendationQuery(NamedTuple):
    """Whom to recommend to."""

    users: Sequence[str | None]
    """None where a session is meant."""
    sessions: Mapping[int, Sequence[str]] = {}
    """By position in `users`: the items an anonymous visitor looked at, latest first."""
    options: Options = Options()


def read_options(parameters: Mapping[str, Any], also: Sequence[str] = ()) -> Options:
    """Options from a request's parameters. Raises RequestError for those that make no sense.

    Parameters named in `also` are the protocol's, and not looked at.
    """
    for name in parameters:
        if name not in PARAMETERS and name not in also:
            raise RequestError(
                f"parameters: unknown name {show(name)}", f"send {', '.join(PARAMETERS)}"
            )
    if not parameters:
        return Options()
    return Options(
        k=_read_count(parameters.get("k")),
        filters=_read_filters(parameters.get("filters")),
        exclude=_read_excluded(parameters.get("exclude")),
        context=_read_context(parameters.get("context")),
    )


def check_rows(count: int, field: str) -> None:
    """A request is about 1 to `MAX_ROWS` users."""
    if not 1 <= count <= MAX_ROWS:
        raise RequestError(f"{field}: {count} rows", f"send 1 to {MAX_ROWS} rows a request")


def check_session(items: Any, field: str) -> list[str]:
    """The ids of one session. Raises RequestError."""
    if not isinstance(items, list) or len(items) > MAX_SESSION_ITEMS:
        found = f"{len(items)} items" if isinstance(items, list) else show(items)
        raise RequestError(
            f"{field}: {found}", f"send a list of at most {MAX_SESSION_ITEMS} item ids"
        )
    check_ids(items, field)
    return items


def count_for(asked: int | None, usual: int, items: int) -> int:
    """How many items a list has. Raises RequestError unless 1 <= `asked` <= `items`."""
    if asked is None:
        return min(usual, items)
    most = min(items, MAX_COUNT)
    if not 1 <= asked <= most:
        raise RequestError(f"k: {asked} of {items} items", f"send 1 to {most}")
    return asked


def _read_count(value: Any) -> int | None:
    if value is None or type(value) is int:
        return value
    raise RequestError(f"k: {show(value)}", "send a whole number")


def _read_filters(value: Any) -> dict[str, tuple[str, ...]]:
    filters = _from_text(value)
    if filters is None:
        return {}
    if not isinstance(filters, dict) or len(filters) > MAX_FILTERS:
        found = f"{len(filters)} attributes" if isinstance(filters, dict) else show(filters)
        raise RequestError(
            f"filters: {found}",
            f"send an object of at most {MAX_FILTERS} attributes, "
            '{"item.brand": ["x", "y"]}, or the same as JSON text',
        )
    return {name: _wanted(name, values) for name, values in filters.items()}


def _wanted(name: str, values: Any) -> tuple[str, ...]:
    wanted = [values] if isinstance(values, str) else values
    if not isinstance(wanted, list) or not 1 <= len(wanted) <= MAX_FILTER_VALUES:
        raise _unwanted(name, values)
    if not all(isinstance(one, str) for one in wanted):
        raise _unwanted(name, values)
    return tuple(wanted)


def _unwanted(name: str, values: Any) -> RequestError:
    return RequestError(
        f"filters: {show(name)} is {show(values)}",
        f"send a text, or a list of 1 to {MAX_FILTER_VALUES} texts",
    )


def _read_excluded(value: Any) -> list[str]:
    items = _from_text(value)
    if items is None:
        return []
    if not isinstance(items, list) or len(items) > MAX_EXCLUDED:
        found = f"{len(items)} items" if isinstance(items, list) else show(items)
        raise RequestError(
            f"exclude: {found}",
            f'send a list of at most {MAX_EXCLUDED} item ids, ["x", "y"], or the same as JSON text',
        )
    check_ids(items, "exclude")
    return items


def _read_context(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and len(value) <= MAX_CONTEXT_CHARACTERS):
        return value
    raise RequestError(
        f"context: {show(value)}", f"send a text of at most {MAX_CONTEXT_CHARACTERS} characters"
    )


def _from_text(value: Any) -> Any:
    """gRPC has no lists and objects for parameters, so they may come as JSON text.

    A text that is no JSON of a list or an object stays a text, to be shown as it was sent.
    """
    if not isinstance(value, str):
        return value
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
    return found if isinstance(found, list | dict) else value
