"""What follows a run of the monitor: receivers are told, the running experiment goes on its way,
metrics and the history page are renewed.

None of it can spoil the verdict, which is written before: whatever goes wrong here is one line.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime

from rich.markup import escape

from tidemill.experiments.standing import Standing
from tidemill.home import Home
from tidemill.objective import Objective
from tidemill_monitoring.metrics import write_metrics
from tidemill_monitoring.notifications.notify import notify, receivers_of
from tidemill_monitoring.verdicts import MonitorRun

Log = Callable[[str], None]


def tell(home: Home, objective: Objective, run: MonitorRun, log: Log) -> None:
    """Notify the objective's receivers of what is news."""
    _spared(
        "nobody was notified",
        lambda: notify(home, run, receivers_of(objective, os.environ), log),
        log,
    )


def act(home: Home, objective: Objective, at: datetime, log: Log) -> Standing | None:
    """Judge and move on the running experiment; None where none runs, or it cannot be judged."""
    if objective.spec.alert is not None:
        return None
    found: list[Standing | None] = []
    from tidemill_monitoring.experiments.acting import act_on_experiment  # scipy

    _spared(
        "the experiment was not judged",
        lambda: found.append(act_on_experiment(home, objective, at, log)),
        log,
    )
    return found[0] if found else None


def keep_record(home: Home, objective: Objective, log: Log) -> None:
    """Renew the metrics of all objectives and the history page of this one."""
    _spared("the metrics were not written", lambda: write_metrics(home), log)
    _spared("the history page was not written", lambda: _write_history(home, objective), log)


def _write_history(home: Home, objective: Objective) -> None:
    from tidemill.report.history_page import write_history  # jinja2

    write_history(home, objective, datetime.now(UTC))


def _spared(what: str, action: Callable[[], None], log: Log) -> None:
    try:
        action()
    except Exception as error:  # the verdict stands, and its exit code with it
        log(escape(f"{what}: {type(error).__name__}: {error}"))
