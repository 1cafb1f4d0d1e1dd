"""What `status`, `train` and `predict` do and show when they are about a cluster."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape

from tidemill.cli import console

if TYPE_CHECKING:
    from rich.table import Table

    from tidemill.cluster import KubernetesApi
    from tidemill.cluster.objectives import ClusterObjective
    from tidemill.objective.status import TrainingStatus

_PHASE_STYLES = {
    "Serving": "green",
    "Watching": "green",
    "Degraded": "bold red",
    "Failed": "bold red",
    "Refused": "yellow",
}
_RESULT_STYLES = {
    "promoted": "green",
    "shadowed": "green",
    "launched": "green",
    "refused": "yellow",
    "not_ready": "yellow",
    "failed": "red",
}
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def show_status(
    context: str | None, namespace: str | None, objective: str | None, as_json: bool
) -> None:
    """`tidemill status` of a namespace, or of one objective in it."""
    from tidemill.cluster.objectives import list_objectives, read_objective

    api = _connect(context, namespace)
    found = list_objectives(api) if objective is None else [read_objective(api, objective)]
    if as_json:
        facts = [{"name": each.name, "created": each.created, **_status(each)} for each in found]
        console.print_json({"namespace": api.namespace, "objectives": facts})
        return
    if not found:
        console.log(f"no objectives in namespace {api.namespace}")
        console.log("[bold]next:[/] declare one with `tidemill apply FILE`")
        return
    console.out.print(objectives_table(found, datetime.now(UTC)))
    if objective is not None:
        _show_details(found[0])


def train(
    context: str | None, namespace: str | None, objective: str, wait: bool, as_json: bool
) -> None:
    """`tidemill train`: ask the operator for a run, and with `wait` see it through.

    Exits with 1 when the run failed or found too little data.
    """
    from tidemill.cluster.training import await_training, request_training

    api = _connect(context, namespace)
    name = _declare(api, objective) if objective.endswith((".yaml", ".yml")) else objective
    token = request_training(api, name)
    console.log(f"asked for a training of [bold]{name}[/] in namespace {api.namespace}")
    if not wait:
        console.log(f"[bold]next:[/] follow it with `tidemill status {name}`, or `logs {name}`")
        if as_json:
            console.print_json({"name": name, "request": token})
        return
    ended = await_training(api, name, token, console.log)
    if as_json:
        console.print_json({"name": name, **ended.model_dump(mode="json")})
    else:
        console.out.print(f"{name}: {_outcome(ended)}")
    if ended.result in ("failed", "not_ready"):
        raise typer.Exit(1)


def predict(
    context: str | None, namespace: str | None, objective: str, users: list[str]
) -> list[dict[str, Any]]:
    """`tidemill predict`: rows for its table, answered by the cluster's endpoint."""
    from tidemill.cluster.predictions import predict_on_cluster

    return predict_on_cluster(_connect(context, namespace), objective, users)


def objectives_table(found: list[ClusterObjective], now: datetime) -> Table:
    """As `kubectl get objectives` shows them."""
    from rich.table import Table  # keeps --help fast

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("objective", no_wrap=True, overflow="fold")
    for title in ("type", "phase", "version", "quality", "drift", "lift", "url", "age"):
        table.add_column(title)
    for each in found:
        status = each.status
        style = _PHASE_STYLES.get(status.phase)
        phase = f"[{style}]{status.phase}[/]" if style else str(status.phase)
        found_out = (status.quality, status.drift, status.lift)
        facts = (status.type, phase, status.modelVersion, *found_out, status.url)
        table.add_row(each.name, *(fact or "-" for fact in facts), age(now, each.created))
    return table


def age(now: datetime, created: datetime) -> str:
    """`5d`, `3h`: in the largest unit that fits."""
    seconds = max(int((now - created).total_seconds()), 0)
    size, unit = next((pair for pair in _UNITS if seconds >= pair[0]), _UNITS[-1])
    return f"{seconds // size}{unit}"


def _connect(context: str | None, namespace: str | None) -> KubernetesApi:
    from tidemill.cluster import KubernetesApi  # keeps --help fast

    return KubernetesApi.connect(context, namespace)


def _declare(api: KubernetesApi, file: str) -> str:
    from pathlib import Path

    from tidemill.cluster.objectives import apply_objective
    from tidemill.objective import load_objective

    objective = load_objective(Path(file))
    objective.require_model()
    console.log(f"{objective.name} {apply_objective(api, objective)}")
    return objective.name


def _show_details(found: ClusterObjective) -> None:
    for condition in found.status.conditions:
        message = f": {condition.message}" if condition.message else ""
        mark = {"True": "yes", "False": "no"}.get(condition.status, "unknown")
        line = f"{condition.type}: {mark}, {condition.reason}{message}"
        console.out.print(line, markup=False)
    if found.status.experiment.sentence:
        console.out.print(found.status.experiment.sentence, markup=False)
    training = found.status.training
    if training.name:
        started = f" {training.started:%Y-%m-%d %H:%M} UTC" if training.started else ""
        run = escape(f"{training.name}{started} ({training.reason})")
        console.out.print(f"newest training: {run}: {_outcome(training)}")


def _outcome(training: TrainingStatus) -> str:
    word = training.result or training.state.lower() or "queued"
    style = _RESULT_STYLES.get(training.result)
    shown = f"[{style}]{word}[/]" if style else word
    return f"{shown}, {escape(training.outcome)}" if training.outcome else shown


def _status(found: ClusterObjective) -> dict[str, Any]:
    return found.status.model_dump(mode="json")
