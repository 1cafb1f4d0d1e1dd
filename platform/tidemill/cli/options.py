"""Options that several commands share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from tidemill.errors import TidemillError

if TYPE_CHECKING:
    import duckdb

At = Annotated[
    str | None,
    typer.Option(
        help="Act as if it were this instant, ISO 8601. Default: the end of the event log.",
        envvar="TIDEMILL_AT",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, for scripts.")]


def parse_instant(text: str) -> datetime:
    """ISO 8601, UTC where no zone is given. Raises TidemillError for anything else."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise TidemillError(
            f"'{text}' is not an ISO 8601 instant",
            hint="write it like 2017-11-05 or 2017-11-05T12:00:00+00:00",
        ) from error
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)


def instant_or_log_end(con: duckdb.DuckDBPyConnection, at: str | None) -> datetime:
    """The instant given, or the log's own now."""
    from tidemill.events.clock import log_end  # duckdb, not for --help

    return parse_instant(at) if at else log_end(con)
