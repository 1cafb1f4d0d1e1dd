"""`tidemill objective`: check objective files and list the known ones."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from tidemill.cli import console
from tidemill.cli.options import Json
from tidemill.home import Home

if TYPE_CHECKING:
    from tidemill.objective import Objective


def register(app: typer.Typer) -> None:
    """Add `tidemill objective ...`."""
    objective = typer.Typer(no_args_is_help=True, help="Check objective files; list known ones.")
    objective.command("validate")(validate)
    objective.command("list")(list_objectives)
    app.add_typer(objective, name="objective")


def validate(
    files: Annotated[list[Path], typer.Argument(help="Objective files (YAML).")],
    as_json: Json = False,
) -> None:
    """Check objective files without running anything.

    Every problem is printed as `FILE:LINE: key: what is wrong`. Exit code 1 if there is any.
    """
    from tidemill.objective import check_objective

    results = []
    for file in files:
        objective, problems = check_objective(file)
        for problem in problems:
            console.err.print(f"{file}:{problem.line}: {problem}", style="red", markup=False)
        if objective is not None and not as_json:
            target = f"{objective.name} ({objective.about})"
            console.out.print(f"{file}: valid, {target}", markup=False)
        found = {} if objective is None else _facts(objective)
        results.append({"file": str(file), **found, "problems": [asdict(p) for p in problems]})
    if as_json:
        console.print_json(results)
    if any(result["problems"] for result in results):
        raise typer.Exit(1)


def list_objectives(as_json: Json = False) -> None:
    """List the objectives that this TIDEMILL_HOME knows."""
    from tidemill.objective import known_objectives, resolve_objective

    home = Home.from_environment()
    objectives = [resolve_objective(home, name) for name in known_objectives(home)]
    if as_json:
        console.print_json([_facts(objective) for objective in objectives])
        return
    table = Table("objective", "target", "hash")
    for objective in objectives:
        table.add_row(objective.name, Text(objective.about), objective.hash)
    console.out.print(table)


def _facts(objective: Objective) -> dict[str, Any]:
    return {
        "name": objective.name,
        "hash": objective.hash,
        "target": objective.about,
        "spec": objective.spec.model_dump(mode="json"),
    }
