"""How an objective's experiments stand, without judging them anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
from rich.console import Group, RenderableType
from rich.markup import escape

from tidemill.experiments.running import Experiment
from tidemill.experiments.standing import Standing, read_standing
from tidemill.home import Home
from tidemill_monitoring.experiments.planned import PlannedSize, load_planned

_EXPOSED = """
SELECT arm, COUNT(DISTINCT unit), SUM(answers) FROM exposures
WHERE experiment = $name AND unit IS NOT NULL AND arm IS NOT NULL GROUP BY arm
"""


@dataclass(frozen=True)
class State:
    """One experiment."""

    experiment: Experiment
    users: dict[str, int]
    """Exposed so far, by arm."""
    answers: int
    planned: PlannedSize | None
    """None before the first analysis."""
    standing: Standing | None
    """What the newest analysis said."""

    def to_json(self) -> dict[str, Any]:
        run = self.experiment
        return {
            "experiment": run.name,
            "running": run.ended_at is None,
            "started_at": run.started_at.isoformat(),
            "ended_at": None if run.ended_at is None else run.ended_at.isoformat(),
            "ended_because": run.ended_because,
            "users": self.users,
            "answers": self.answers,
            "planned_users": self.planned and self.planned.units,
            "standing": None if self.standing is None else self.standing.to_json(),
        }


def states(home: Home, book: Sequence[Experiment], con: duckdb.DuckDBPyConnection) -> list[State]:
    """Newest first; `con` has the view `exposures`."""
    return [_state(home, each, con) for each in reversed(book)]


def render_state(found: Sequence[State]) -> RenderableType:
    """The newest in full, the others a line each."""
    return Group(*_full(found[0]), *(f"[dim]{_line(each.experiment)}[/]" for each in found[1:]))


def _state(home: Home, run: Experiment, con: duckdb.DuckDBPyConnection) -> State:
    rows = con.execute(_EXPOSED, {"name": run.name}).fetchall()
    seen = {row[0]: int(row[1]) for row in rows}
    return State(
        run,
        {arm.name: seen.get(arm.name, 0) for arm in run.arms},
        sum(int(row[2]) for row in rows),
        load_planned(home.experiment_plan(run.objective, run.number)),
        read_standing(home, run.objective, run.number),
    )


def _full(state: State) -> list[str]:
    arms = ", ".join(f"{escape(name)} {users:,}" for name, users in state.users.items())
    lines = [f"[bold]{_line(state.experiment)}[/]", f"users answered: {arms}"]
    if state.planned is not None and state.planned.days is not None:
        share = sum(state.users.values()) / state.planned.units
        lines.append(f"planned: {state.planned.units:,.0f} users; {share:.0%} were answered")
    if state.standing is None:
        hint = f"tidemill experiment analyse {state.experiment.objective}"
        return [*lines, f"not analysed yet: `{hint}`"]
    return [*lines, f"as of {state.standing.at:%Y-%m-%d}: {escape(state.standing.sentence)}"]


def _line(run: Experiment) -> str:
    if run.ended_at is None:
        return f"{escape(run.name)} runs since {_day(run.started_at)}"
    because = f": {escape(run.ended_because)}" if run.ended_because else ""
    return f"{escape(run.name)} ran from {_day(run.started_at)} to {_day(run.ended_at)}{because}"


def _day(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d}"
