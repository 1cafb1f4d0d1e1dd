"""The commands `tidemill serve` and `tidemill predict`."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from tidemill.cli import console, on_cluster
from tidemill.cli.options import Context, Namespace, is_on_cluster, refuse_on_cluster
from tidemill.errors import TidemillError
from tidemill.home import Home
from tidemill.objective.schema import Index

if TYPE_CHECKING:
    from tidemill_serving.repository import Repository

_MEGABYTE = 1024 * 1024


def register(app: typer.Typer) -> None:
    """Add the serving commands to the root app."""
    app.command("serve")(serve)
    app.command("predict")(predict)


def serve(
    objectives: Annotated[
        list[str] | None,
        typer.Argument(help="Objectives to serve; every promoted one when none is named."),
    ] = None,
    *,
    host: Annotated[
        str, typer.Option(envvar="TIDEMILL_SERVE_HOST", help="Address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=1, max=65535, envvar="TIDEMILL_SERVE_HTTP_PORT", help="REST port.")
    ] = 8080,
    grpc_port: Annotated[
        int,
        typer.Option(
            min=0, max=65535, envvar="TIDEMILL_SERVE_GRPC_PORT", help="gRPC port; 0 for no gRPC."
        ),
    ] = 8081,
    max_body_mb: Annotated[
        int,
        typer.Option(min=1, envvar="TIDEMILL_SERVE_MAX_BODY_MB", help="Largest request, MB."),
    ] = 8,
    model_dir: Annotated[
        Path | None,
        typer.Option(
            envvar="TIDEMILL_SERVE_MODEL_DIR",
            help="Serve the one bundle in this folder (KServe mounts /mnt/models).",
        ),
    ] = None,
    model_name: Annotated[
        str | None,
        typer.Option(envvar="TIDEMILL_SERVE_MODEL_NAME", help="Its name; with --model-dir."),
    ] = None,
    index: Annotated[
        Index | None,
        typer.Option(
            envvar="TIDEMILL_SERVE_INDEX",
            help="How items are searched; what each objective declares when left out.",
        ),
    ] = None,
) -> None:
    """Serve promoted models with the Open Inference Protocol: V2 REST, V2 gRPC, V1 REST.

    User ids in; score, grade, model version and a cold-start flag out, or the items to offer.
    Features come from the online store, and every prediction is in the prediction log before it is
    answered. A promotion is picked up within a second, without losing a request.

    Example: `curl localhost:8080/v1/models/NAME:predict -H 'Content-Type: application/json' -d
    '{"instances": ["user-1"]}'`
    """
    _log_to_stderr()
    repository = _open_repository(objectives or [], model_dir, model_name, index)
    from tidemill_serving.server import Settings, run  # grpc

    run(repository, Settings(host, port, grpc_port, max_body_mb * _MEGABYTE))


def predict(
    objective: Annotated[str, typer.Argument(help="A promoted objective.")],
    users: Annotated[list[str] | None, typer.Argument(help="User ids.")] = None,
    *,
    everybody: Annotated[
        bool, typer.Option("--all", help="Every user of the online store.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Parquet file for the answers; needed with --all.")
    ] = None,
    context: Context = None,
    namespace: Namespace = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Answer about users as the server would, without a server: their scores, their segments, or
    the items to offer them. Answers are logged all the same.

    On a cluster, asks the objective's endpoint through the API server.
    """
    if is_on_cluster(context, namespace):
        refuse_on_cluster(all=everybody, out=out)
        _check_predict(users or [], everybody, out)
        _show(on_cluster.predict(context, namespace, objective, users or []), as_json)
        return
    from tidemill_serving.batch import (  # onnxruntime
        predict_all,
        predict_users,
        rows_of,
        write_parquet,
    )

    _check_predict(users or [], everybody, out)
    served = _open_repository([objective], None, None).get(objective)
    with console.progress() as progress:
        answers = predict_all(served, progress) if everybody else predict_users(served, users or [])
        if out is None:
            _show([row for answer in answers for row in rows_of(answer)], as_json)
        else:
            console.log(f"wrote {write_parquet(answers, out):,} rows to {out}")


def _open_repository(
    objectives: list[str],
    model_dir: Path | None,
    model_name: str | None,
    index: Index | None = None,
) -> Repository:
    from tidemill_serving.repository import (  # onnxruntime
        Repository,
        check_objective,
        promoted,
    )

    home = Home.from_environment()
    if model_dir is not None:
        if objectives or not model_name:
            raise TidemillError(
                "--model-dir serves one bundle under one name",
                "give --model-name and no objectives",
            )
        folder, name = model_dir, model_name
        repository = Repository(home, lambda: {name: folder}, index)
    else:
        for objective in objectives:
            check_objective(home, objective)
        repository = Repository(home, promoted(home, objectives), index)
    repository.load()
    return repository


def _check_predict(users: list[str], everybody: bool, out: Path | None) -> None:
    if everybody == bool(users):
        raise TidemillError(
            f"{len(users)} users named, --all is {'on' if everybody else 'off'}",
            "name users, or give --all",
        )
    if everybody and out is None:
        raise TidemillError("--all needs a file for its scores", "add --out scores.parquet")
    if out is not None and out.suffix != ".parquet":
        raise TidemillError(
            f"answers are written as Parquet, and '{out}' is not named so",
            f"name it '{out.with_suffix('.parquet')}'" if out.stem else "name a file",
        )


def _show(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        console.print_json(rows)
    elif rows and "items" in rows[0]:
        console.out.print(_table_of_lists(rows))
    elif rows and "purchases" in rows[0]:
        console.out.print(_table_of_values(rows))
    elif rows and "segment" in rows[0]:
        console.out.print(_table_of_segments(rows))
    else:
        console.out.print(_table_of_scores(rows))


def _table_of_scores(rows: list[dict[str, Any]]) -> Table:
    in_experiment = "arm" in rows[0] if rows else False
    table = Table("user", "score", "grade", "cold start", *["arm"] * in_experiment)
    for row in rows:
        cold = "yes" if row["cold_start"] else ""
        user, arm = escape(str(row["user_id"])), escape(row.get("arm") or "")
        score = "" if row["score"] is None else f"{row['score']:.4f}"
        table.add_row(user, score, row["grade"] or "", cold, *[arm] * in_experiment)
    return table


def _table_of_values(rows: list[dict[str, Any]]) -> Table:
    in_experiment = "arm" in rows[0]
    columns = ("user", "value", "from", "to", "purchases", "grade", "cold start")
    table = Table(*columns, *["arm"] * in_experiment)
    for row in rows:
        user, arm = escape(str(row["user_id"])), escape(row.get("arm") or "")
        cold = "yes" if row["cold_start"] else ""
        numbers = [_number(row[name]) for name in ("score", "lower", "upper", "purchases")]
        table.add_row(user, *numbers, row["grade"] or "", cold, *[arm] * in_experiment)
    return table


def _table_of_segments(rows: list[dict[str, Any]]) -> Table:
    table = Table("user", "segment", "name", "distance", "confidence", "cold start")
    for row in rows:
        cold, name = "yes" if row["cold_start"] else "", escape(row["name"] or "")
        numbers = [_number(row[each]) for each in ("distance", "confidence")]
        table.add_row(escape(str(row["user_id"])), row["segment"] or "", name, *numbers, cold)
    return table


def _table_of_lists(rows: list[dict[str, Any]]) -> Table:
    in_experiment = "arm" in rows[0]
    table = Table("user", "position", "item", "score", "cold start", *["arm"] * in_experiment)
    for row in rows:
        user, cold = escape(str(row["user_id"])), "yes" if row["cold_start"] else ""
        arm = [escape(row.get("arm") or "")] * in_experiment
        for position, item in enumerate(row["items"], start=1):
            name, score = escape(item["item_id"]), f"{item['score']:.4f}"
            table.add_row(user, str(position), name, score, cold, *arm)
        if not row["items"]:
            is_refused = row["model_version"] is None  # by the arm; what is asked finds nothing
            why = "nothing, as the arm says" if is_refused else "nothing to offer"
            table.add_row(user, "", why, "", cold, *arm)
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}"


def _log_to_stderr() -> None:
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
