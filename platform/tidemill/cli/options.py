"""Options that several commands share."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidemill.errors import TidemillError

if TYPE_CHECKING:
    import duckdb

At = Annotated[
    str | None,
    typer.Option(
        help="Act as if it were this instant, ISO 8601, or `now` for the clock's. "
        "Default: the end of the event log.",
        envvar="TIDEMILL_AT",
    ),
]
Context = Annotated[
    str | None,
    typer.Option(
        "--context",
        envvar="TIDEMILL_CONTEXT",
        help="Work on a Kubernetes cluster, not on this machine: a context of the kubeconfig, or "
        "`in-cluster` for the pod's own service account.",
    ),
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace",
        envvar="TIDEMILL_NAMESPACE",
        help="Namespace on the cluster. Default: the context's.",
    ),
]
TerminationLog = Annotated[
    Path | None,
    typer.Option(
        help="Write the verdict there for Kubernetes, and exit with 0 whatever it is.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, for scripts.")]


def is_on_cluster(context: str | None, namespace: str | None) -> bool:
    """Whether a command is about a cluster. Raises TidemillError for a namespace of none."""
    if context is None and namespace is not None:
        raise TidemillError(
            f"there is no namespace '{namespace}' on this machine",
            hint="choose a cluster too: --context NAME, or TIDEMILL_CONTEXT",
        )
    return context is not None


def refuse_on_cluster(**given: object) -> None:
    """Raise TidemillError for options that have a value but only make sense on this machine."""
    for name, value in given.items():
        if value:
            raise TidemillError(
                f"--{name.replace('_', '-')} is for this machine, and --context names a cluster",
                hint="leave one of them out",
            )


def parse_instant(text: str) -> datetime:
    """ISO 8601, UTC where no zone is given, or `now`. Raises TidemillError for anything else."""
    if text == "now":
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise TidemillError(
            f"'{text}' is not an ISO 8601 instant",
            hint="write it like 2017-11-05, 2017-11-05T12:00:00+00:00 or now",
        ) from error
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)


def instant_or_log_end(con: duckdb.DuckDBPyConnection, at: str | None) -> datetime:
    """The instant given, or the log's own now."""
    from tidemill.events.clock import log_end  # duckdb, not for --help

    return parse_instant(at) if at else log_end(con)
