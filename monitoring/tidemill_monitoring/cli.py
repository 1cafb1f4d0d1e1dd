"""`tidemill monitor`, and the commands of experiments."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidemill.cli import console
from tidemill.cli.options import At, Json, TerminationLog, instant_or_log_end
from tidemill.errors import TidemillError
from tidemill.home import Home
from tidemill_monitoring.experiments.cli import register as register_experiments

if TYPE_CHECKING:
    from tidemill.objective import Objective
    from tidemill_monitoring.choosing.inputs import ChoiceInputs
    from tidemill_monitoring.inputs import MonitorInputs
    from tidemill_monitoring.segmenting.inputs import SegmentInputs
    from tidemill_monitoring.verdicts import MonitorRun

EXIT_CODES = {"ok": 0, "watch": 0, "act": 3, "undecided": 4}


def register(app: typer.Typer) -> None:
    """Add the monitor and experiment commands to the CLI."""
    app.command()(monitor)
    register_experiments(app)


def monitor(
    objective: Annotated[str, typer.Argument(help="An objective file, or a name used before.")],
    at: At = None,
    window: Annotated[
        str, typer.Option(help="How far back to look, in whole days or weeks: 7d, 4w.")
    ] = "7d",
    retrain: Annotated[
        bool,
        typer.Option("--retrain/--no-retrain", help="Start the retraining a verdict asks for."),
    ] = False,
    termination_log: TerminationLog = None,
    as_json: Json = False,
) -> None:
    """Judge a served model, or an alert: one verdict per concern, with a sentence to act on.

    Looks at the volumes of events, at features that died, at served vectors against their offline
    rebuild, at drift of the population and of the scores, and, once outcomes are known, at ranking,
    calibration, grades and the base rate against what was promised, at features that lost their
    power and at the worst slices of users; before that at an estimate; of lists of items, at what
    their users then did; and at how fresh the rows in the online store are. Evidence, Evidently's
    page and a page with the objective's history are kept below the home's monitoring folder.
    Receivers that the objective names are told when a verdict turns to watch or act, or clears.

    Of an alert, judges the whole days (or hours) since the last run against what weekday, trend and
    the usual variation give, and those of the `--window` before again, for late arrivals. An
    incident is one verdict until it is over.

    A running experiment is judged as well. A challenger that has to win one goes live, or goes,
    when that is decided, and the arms of a bandit get their shares of tomorrow.

    Verdicts are **ok**, **watch** (look when you can), **act**, or **undecided** (the sentence says
    what is missing). A retraining starts only with `--retrain`, outside the cooldown, and never on
    broken data.

    Exit codes: 0 ok or watch; 1 the monitor, or the retraining it started, failed; 3 act;
    4 nothing could be decided. With `--termination-log`: 0 for every verdict, 1 for a failure.
    """
    from tidemill_monitoring.afterwards import act, keep_record, tell  # keeps --help fast
    from tidemill_monitoring.alerting.declared import resolve_monitored
    from tidemill_monitoring.render import render_run
    from tidemill_monitoring.termination import termination_message, write_message

    home = Home.from_environment()
    declared = resolve_monitored(home, objective, os.environ)
    run, folder = _judge(home, declared, at, parse_window(window))
    if as_json:
        console.print_json(run.to_json())
    else:
        console.out.print(render_run(run, folder))
    tell(home, declared, run, console.log)
    # Before a retraining: its challenger must meet the champion that an experiment leaves behind.
    standing = act(home, declared, datetime.fromisoformat(run.at), console.log)
    try:
        if retrain and run.decision.retrain:
            _retrain(home, objective, declared, run)
    finally:
        keep_record(home, declared, console.log)
    if termination_log is not None:
        write_message(termination_log, termination_message(run, standing))
        return
    raise typer.Exit(EXIT_CODES[run.status])


def _judge(home: Home, declared: Objective, at: str | None, days: int) -> tuple[MonitorRun, Path]:
    """What was found, and the folder it is kept in."""
    from tidemill.events import EventLog
    from tidemill_monitoring.alerting.check import AlertInputs, run_alert
    from tidemill_monitoring.monitor import run_monitor

    with EventLog(home.events).connect() as con:
        instant = instant_or_log_end(con, at)
        if declared.spec.alert is not None:
            watched = AlertInputs(home, declared, con, instant, days, is_log_end=not at)
            return run_alert(watched, console.log)
        inputs = _inputs_of(declared)
        return run_monitor(inputs(home, declared, con, instant, days), console.log)


def _inputs_of(declared: Objective) -> type[MonitorInputs | ChoiceInputs | SegmentInputs]:
    from tidemill_monitoring.choosing.inputs import ChoiceInputs
    from tidemill_monitoring.inputs import MonitorInputs
    from tidemill_monitoring.segmenting.inputs import SegmentInputs
    from tidemill_monitoring.valuing.inputs import ValueInputs

    if declared.choice is not None:
        return ChoiceInputs
    if declared.spec.segmentation is not None:
        return SegmentInputs
    return MonitorInputs if declared.spec.lifetime_value is None else ValueInputs


def _retrain(home: Home, reference: str, declared: Objective, run: MonitorRun) -> None:
    """`reference` is how the user named the objective."""
    from tidemill_monitoring.retraining import retrain

    instant, cooldown = datetime.fromisoformat(run.at), declared.spec.monitoring.retrain.cooldown
    refusal = retrain(home, reference, declared.name, instant, run.decision.reason, cooldown)
    if refusal is not None:
        console.log(f"no retraining was started: {refusal}")


def parse_window(text: str) -> int:
    """Days of `7d` or `4w`. Raises TidemillError for anything else, or less than a day."""
    from tidemill.objective.duration import parse_duration

    try:
        days = parse_duration(text) / timedelta(days=1)
    except ValueError:
        days = 0.0
    if days < 1 or not days.is_integer():
        raise TidemillError(
            f"'{text}' is not a window", hint="give whole days or weeks, for example 7d or 4w"
        )
    return int(days)
