"""`tidemill assess`, `train`, `models`, `history`, `promote`, `rollback`, and what is beside."""

from __future__ import annotations

import textwrap
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from tidemill.cli import console, on_cluster
from tidemill.cli.options import (
    At,
    Context,
    Json,
    Namespace,
    instant_or_log_end,
    is_on_cluster,
    refuse_on_cluster,
)
from tidemill.errors import TidemillError
from tidemill.home import Home
from tidemill.objective import adopt_objective, refuse_alert, resolve_objective
from tidemill.operator.pipeline import HOME_CLAIM, IMAGE, compiled_training, pipeline_resources
from tidemill_pipelines.assessing.cli import assess
from tidemill_pipelines.position_bias.cli import compare

_BY_HAND = "by hand"
_REASON_SHOWN = 100


def register(app: typer.Typer) -> None:
    """Add the training commands to the CLI."""
    app.command()(assess)
    app.command()(train)
    app.command()(models)
    app.command()(history)
    app.command()(shadow)
    app.command()(promote)
    app.command()(rollback)
    app.command("compile")(compile_pipeline)
    app.command()(compare)


def train(
    objective: Annotated[str, typer.Argument(help="An objective file, or a name used before.")],
    at: At = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = _BY_HAND,
    wait: Annotated[
        bool, typer.Option("--wait", help="On a cluster, wait until the run has ended.")
    ] = False,
    context: Context = None,
    namespace: Namespace = None,
    as_json: Json = False,
) -> None:
    """Train, judge and, if it earns it, promote a model.

    Runs the whole pipeline on this machine: checks that the data can carry the objective, builds
    point-in-time features, trains in torch, exports ONNX, compares with the simple rule and the
    live model on a later window, registers the bundle in MLflow, and promotes it if it is better.
    A refused challenger is a normal outcome and exits with 0.

    On a cluster, asks the operator for the same; an objective file is applied first.
    """
    if is_on_cluster(context, namespace):
        refuse_on_cluster(at=at, reason=reason != _BY_HAND)
        on_cluster.train(context, namespace, objective, wait, as_json)
        return
    from tidemill.events import EventLog  # keeps --help fast
    from tidemill_pipelines.local_run import run_locally

    home = Home.from_environment()
    resolve_objective(home, objective).require_model()
    declared = adopt_objective(home, objective)
    started = time.monotonic()
    con = EventLog(home.events).connect()
    instant = instant_or_log_end(con, at)
    con.close()
    console.log(f"training [bold]{declared.name}[/] as of {instant:%Y-%m-%d %H:%M} UTC")
    folder = run_locally(home, declared, instant, reason, console.log)
    newest = _versions(home, declared.name)[0]
    live = "champion" in newest["aliases"]
    if as_json:
        console.print_json({**newest, "live": live, "run": str(folder)})
        return
    outcome = "[green]is live[/]" if live else "[yellow]was refused[/]"
    if "shadow" in newest["aliases"]:
        outcome = "[green]is in the champion's shadow[/]"
    if "challenger" in newest["aliases"]:
        outcome = "[green]has to win an experiment[/]"
    console.out.print(
        f"{declared.name} version {newest['version']} {outcome}: "
        f"{newest['tags'].get('tidemill.gate', '')} ({time.monotonic() - started:.0f} s)"
    )


def models(
    objective: Annotated[str, typer.Argument(help="Name of the objective.")],
    as_json: Json = False,
) -> None:
    """List the registered versions of an objective, newest first, and why each is (not) live."""
    versions = _versions(Home.from_environment(), objective)
    if as_json:
        console.print_json(versions)
        return
    from rich.table import Table  # keeps --help fast

    table = Table("version", "alias", "registered", "why trained", "gate")
    for found in versions:
        table.add_row(
            found["version"],
            ", ".join(found["aliases"]),
            f"{datetime.fromtimestamp(found['created_ms'] / 1000, tz=UTC):%Y-%m-%d %H:%M}",
            _shortened(found["tags"].get("tidemill.reason", "")),
            found["tags"].get("tidemill.gate", ""),
        )
    console.out.print(table)


def history(
    objective: Annotated[str, typer.Argument(help="Name of the objective.")],
    as_json: Json = False,
) -> None:
    """List every promotion and rollback of an objective, newest first: when, who and why.

    The list only ever grows; `models` shows the last word on each version.
    """
    from tidemill.registry import Registry  # imports mlflow

    home = Home.from_environment()
    _versions(home, objective)
    found = Registry(home).promotions(objective)[::-1]
    if as_json:
        console.print_json([{**asdict(each), "at": each.at.isoformat()} for each in found])
        return
    if not found:
        console.log(f"no promotion of '{objective}' is on record; `tidemill models` shows versions")
        return
    from rich.table import Table  # keeps --help fast

    table = Table("when", "version", "instead of", "by", "why")
    for each in found:
        when, before = f"{each.at:%Y-%m-%d %H:%M:%S}", each.instead_of or ""
        table.add_row(when, each.version, before, each.by, each.reason)
    console.out.print(table)


def shadow(
    objective: Annotated[str, typer.Argument(help="An objective file, or a name used before.")],
    as_json: Json = False,
) -> None:
    """Decide about the challenger in the champion's shadow, if its time has come.

    Goes live when live traffic has shown it sane and, where outcomes are known, not worse; is taken
    out of the shadow otherwise. Every training asks the same first. Exits with 0 either way.
    """
    from tidemill_pipelines.settling import settle  # imports mlflow

    home = Home.from_environment()
    declared = adopt_objective(home, objective)
    verdict = settle(home, declared, datetime.now(UTC))
    if as_json:
        console.print_json(None if verdict is None else asdict(verdict))
        return
    said = "no challenger is in the shadow"
    if verdict is not None:
        said = f"{verdict.decision}: {verdict.reason}"
    console.out.print(f"{declared.name}: {said}")


def promote(
    objective: Annotated[str, typer.Argument(help="Name of the objective.")],
    version: Annotated[str, typer.Argument(help="Version to make live.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
) -> None:
    """Make a registered version live by hand, against or without the gate."""
    from tidemill_pipelines.going_live import go_live  # imports mlflow

    go_live(Home.from_environment(), objective, version, f"by hand: {reason}")
    console.log(f"{objective} version {version} is live")


def rollback(
    objective: Annotated[str, typer.Argument(help="Name of the objective.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
) -> None:
    """Make the previous champion live again."""
    from tidemill.registry import Registry  # imports mlflow
    from tidemill_pipelines.going_live import go_live

    home = Home.from_environment()
    version = Registry(home).previous(objective)
    go_live(home, objective, version, f"rollback: {reason}")
    console.log(f"{objective} is back to version {version}")


def compile_pipeline(
    out: Annotated[Path, typer.Argument(help="Where to write the pipeline's YAML.")],
    kubernetes: Annotated[
        bool,
        typer.Option(
            "--kubernetes", help="Write Pipeline and PipelineVersion resources, for GitOps."
        ),
    ] = False,
    namespace: Annotated[
        str, typer.Option(help="Namespace of these resources and of the Tidemill release.")
    ] = "kubeflow",
    image: Annotated[str, typer.Option(help="Image of the steps.")] = IMAGE,
    home_claim: Annotated[
        str, typer.Option(help="PersistentVolumeClaim that holds the home.")
    ] = HOME_CLAIM,
    secret: Annotated[
        str, typer.Option(help="Secret with passwords for the steps, as in the chart's values.")
    ] = "",
) -> None:
    """Write the training pipeline in Kubeflow's format, for `kfp pipeline create` or the UI.

    Where Kubeflow Pipelines keeps its pipelines in Kubernetes (2.14 or newer), `--kubernetes` gives
    resources for `kubectl apply`. The operator does all this by itself.
    """
    ir = compiled_training(image=image, home_claim=home_claim, secret=secret)
    if kubernetes:
        ir = yaml.safe_dump_all(pipeline_resources(ir, namespace))
    out.write_text(ir)
    console.log(f"wrote {out}")


def _shortened(reason: str) -> str:
    """The table shows how a reason begins; `--json` has all of it."""
    return textwrap.shorten(reason, _REASON_SHOWN, placeholder=" …")


def _versions(home: Home, objective: str) -> list[dict[str, Any]]:
    from tidemill.registry import Registry  # imports mlflow

    versions = Registry(home).versions(objective)
    if not versions:
        refuse_alert(home, objective)
        raise TidemillError(
            f"no version of '{objective}' is registered in {home.root}",
            hint=f"train one with `tidemill train {objective}`",
        )
    return versions
