"""`tidemill logs`: what training, serving and monitoring printed."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from tidemill.cli import console
from tidemill.cli.options import Context, Namespace, is_on_cluster
from tidemill.errors import TidemillError
from tidemill.home import Home

_COMMANDS = {"serving": "serve", "monitoring": "monitor"}


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command()(logs)


def logs(
    objective: Annotated[str, typer.Argument(help="Name of the objective.")],
    of: Annotated[
        Literal["training", "serving", "monitoring"], typer.Option(help="Whose log.")
    ] = "training",
    context: Context = None,
    namespace: Namespace = None,
) -> None:
    """Print the newest log of an objective.

    On this machine, the whole log of its newest training run. On a cluster, the last lines of the
    newest pods: of every step of the newest training run, of the servers, or of the newest check
    of the monitor.
    """
    if not is_on_cluster(context, namespace):
        typer.echo(_newest_run_log(Home.from_environment(), objective, of), nl=False)
        return
    from tidemill.cluster import KubernetesApi  # keeps --help fast
    from tidemill.cluster.logs import read_logs

    for log in read_logs(KubernetesApi.connect(context, namespace), objective, of):
        console.err.print(f"--- {log.pod} {log.problem}".rstrip(), style="bold", markup=False)
        typer.echo(log.text, nl=False)


def _newest_run_log(home: Home, objective: str, of: str) -> str:
    if of != "training":
        raise TidemillError(
            f"the log of {of} is not kept on this machine",
            hint=f"`tidemill {_COMMANDS[of]}` prints it where it runs",
        )
    logs = sorted((home.runs / objective).glob("*/run.log"))
    if not logs:
        raise TidemillError(
            f"no training of '{objective}' has left a log in {home.runs}",
            hint=f"train one with `tidemill train {objective}`, or choose a cluster with --context",
        )
    return logs[-1].read_text(errors="replace")
