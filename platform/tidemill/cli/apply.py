"""`tidemill apply`: declare objectives, here or on a cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidemill.cli import console
from tidemill.cli.options import Context, Json, Namespace, is_on_cluster
from tidemill.home import Home

if TYPE_CHECKING:
    from tidemill.objective import Objective


def register(app: typer.Typer) -> None:
    """Add the command to the root app."""
    app.command()(apply)


def apply(
    files: Annotated[list[Path], typer.Argument(help="Objective files (YAML).")],
    context: Context = None,
    namespace: Namespace = None,
    as_json: Json = False,
) -> None:
    """Declare objectives: what to predict, from now on.

    All files are checked first. Every problem is printed as `FILE:LINE: key: what is wrong`, and
    then nothing is declared. On this machine the home remembers the objectives, so that their names
    will do. On a cluster each becomes an Objective, which the operator trains, serves and watches.
    Applying again changes only what changed.
    """
    on_cluster = is_on_cluster(context, namespace)
    objectives = _check(files)
    declare = _on_cluster(context, namespace) if on_cluster else _on_this_machine()
    results = []
    for file, objective in objectives.items():
        result = declare(file, objective)
        results.append({"name": objective.name, "result": result})
        if not as_json:
            console.out.print(f"{objective.name} {result}")
    if as_json:
        console.print_json(results)


def _on_cluster(context: str | None, namespace: str | None) -> Callable[[Path, Objective], str]:
    from tidemill.cluster import KubernetesApi  # keeps --help fast
    from tidemill.cluster.objectives import apply_objective

    api = KubernetesApi.connect(context, namespace)
    return lambda _, objective: apply_objective(api, objective)


def _on_this_machine() -> Callable[[Path, Objective], str]:
    home = Home.from_environment()
    return lambda file, objective: _remember(home, file, objective.name)


def _check(files: list[Path]) -> dict[Path, Objective]:
    from tidemill.objective import check_objective  # keeps --help fast

    checked = {file: check_objective(file) for file in files}
    for file, (_, problems) in checked.items():
        for problem in problems:
            console.err.print(f"{file}:{problem.line}: {problem}", style="red", markup=False)
    valid = {file: objective for file, (objective, _) in checked.items() if objective is not None}
    if len(valid) < len(checked):
        raise typer.Exit(1)
    return valid


def _remember(home: Home, file: Path, name: str) -> str:
    from tidemill.objective import remember_objective

    kept = home.objectives / f"{name}.yaml"
    before = kept.read_bytes() if kept.exists() else None
    remember_objective(home, file)
    if before is None:
        return "created"
    return "unchanged" if kept.read_bytes() == before else "configured"
