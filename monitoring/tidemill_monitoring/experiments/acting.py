"""What a run of the monitor does about the running experiment: judges it, and acts on that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from rich.markup import escape

from tidemill.experiments.running import Allocation, Experiment, ExperimentBook
from tidemill.experiments.settling import settle_launch
from tidemill.experiments.standing import Standing, read_standing, write_standing
from tidemill.home import Home
from tidemill.objective import Objective
from tidemill.report.writing import write_page
from tidemill_monitoring.experiments.analysis import Analysis, analyse, known_until
from tidemill_monitoring.experiments.connection import connected
from tidemill_monitoring.experiments.exposures import update_exposures
from tidemill_monitoring.experiments.facts import standing_of
from tidemill_monitoring.experiments.page import render_page
from tidemill_monitoring.experiments.reallocating import next_shares

Log = Callable[[str], None]


def act_on_experiment(home: Home, objective: Objective, at: datetime, log: Log) -> Standing | None:
    """Judge the running experiment as known `at`; keep how it stands, and its page. None where none
    runs.

    A challenger that is to go live by the verdict goes on its way, and a bandit's arms get the
    shares of tomorrow. Raises TidemillError when the logs cannot be read.
    """
    book = ExperimentBook(home)
    book.heal(objective.name)
    experiment = book.running(objective.name)
    if experiment is None:
        return None
    now = datetime.now(UTC).replace(microsecond=0)
    standing = _known(home, experiment, at, now) or _judge(home, objective, experiment, at, log)
    done = settle_launch(home, standing, now)
    if done is not None:
        log(escape(f"the launch is over: {done}"))
    return standing


def _known(home: Home, experiment: Experiment, at: datetime, now: datetime) -> Standing | None:
    """What an earlier run said: until the next midnight nothing else can be."""
    standing = read_standing(home, experiment.objective, experiment.number)
    if standing is None or standing.at != known_until(experiment, at):
        return None
    is_bandit = experiment.declared["bandit"]
    is_allocated = _tomorrow(now) in (each.since for each in experiment.allocations)
    return standing if is_allocated or not is_bandit else None


def _judge(
    home: Home, objective: Objective, experiment: Experiment, at: datetime, log: Log
) -> Standing:
    log(f"judging experiment {experiment.name}")
    update_exposures(home, objective.name)
    with connected(home, objective.name) as con:
        analysis = analyse(home, objective, experiment, con, at)
    standing, now = standing_of(analysis), datetime.now(UTC)
    write_standing(home, standing)
    page = home.reports / f"{experiment.name}.html"
    write_page(page, render_page(analysis, now), "TIDEMILL_HOME")
    log(escape(standing.sentence))
    if experiment.declared["bandit"]:
        _allocate(home, analysis, _tomorrow(now), log)
    return standing


def _allocate(home: Home, analysis: Analysis, day: date, log: Log) -> None:
    shares = next_shares(analysis.experiment, analysis.primary)
    ExperimentBook(home).allocate(analysis.experiment.objective, Allocation(day, shares))
    named = zip(analysis.experiment.arms, shares, strict=True)
    told = ", ".join(f"{arm.name} {share:.1%}" for arm, share in named)
    log(escape(f"from {day:%Y-%m-%d} on: {told}"))


def _tomorrow(now: datetime) -> date:
    """Shares that moved within a day would not be those that were logged."""
    return now.date() + timedelta(days=1)
