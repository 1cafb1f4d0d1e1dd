"""`tidemill experiment`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidemill.cli import console
from tidemill.cli.options import At, Json, instant_or_log_end
from tidemill.errors import ObjectiveError, TidemillError
from tidemill.home import Home

if TYPE_CHECKING:
    from tidemill.experiments.running import Experiment, Serve
    from tidemill.objective import Objective
    from tidemill.objective.experimenting import DeclaredExperiment
    from tidemill_monitoring.experiments.promised import Promise

Reference = Annotated[
    str, typer.Argument(metavar="OBJECTIVE", help="An objective file, or a name used before.")
]
Number = Annotated[
    int | None, typer.Option(min=1, help="Which experiment of the objective. Default: the newest.")
]


def register(app: typer.Typer) -> None:
    """Add the experiment commands to the CLI."""
    experiment = typer.Typer(
        help="Measure what an objective is worth, against a holdout or between arms.",
        no_args_is_help=True,
    )
    for command in (plan, start, status, analyse, stop):
        experiment.command()(command)
    app.add_typer(experiment, name="experiment")


def plan(reference: Reference, at: At = None, as_json: Json = False) -> None:
    """How long the declared experiment takes, and what it would notice.

    From the event log's history: each metric's mean and variance, how much of it users' own past
    explains (CUPED), and present traffic, by the prediction log where it reaches back a week. The
    power is that of daily looks, for the treatment with the smallest share. Nothing is written but
    the prediction log's copy in columns.
    """
    from tidemill.objective import adopt_objective  # keeps --help fast
    from tidemill_monitoring.experiments.connection import connected
    from tidemill_monitoring.experiments.history import read_history
    from tidemill_monitoring.experiments.metrics import metrics_of
    from tidemill_monitoring.experiments.plan_words import plan_json, render_plan
    from tidemill_monitoring.experiments.promised import promise, with_detectable

    home = Home.from_environment()
    objective = adopt_objective(home, reference)
    declared, metrics = _declared(objective), metrics_of(_declared(objective), objective.target)
    _update(home, objective.name)
    with connected(home, objective.name) as con:
        history = read_history(con, metrics, _midnight(instant_or_log_end(con, at)))
    promises: list[Promise] = []
    for metric, baseline in zip(metrics, history.baselines, strict=True):
        if promises and baseline.mean == 0:
            console.log(f"{metric.name} has not happened in the history, so it has no plan")
            continue
        promises.append(with_detectable(promise(declared, metric, baseline, history), history))
    if as_json:
        console.print_json(plan_json(history, promises))
        return
    console.out.print(render_plan(declared, history, promises))


def start(
    reference: Reference,
    challenger: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Which version the challenger's arm gets.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Start the declared experiment; it is in force for the next answer.

    A running experiment with the same declaration goes on. A changed declaration ends it, and
    starts another, in which everybody is assigned anew.
    """
    from tidemill.experiments.running import ExperimentBook
    from tidemill.objective import adopt_objective
    from tidemill.objective.percent import format_percent

    home = Home.from_environment()
    objective = adopt_objective(home, reference)
    declared = _declared(objective)
    versions: dict[Serve, str | None] = {
        "challenger": _challenger(home, objective.name, declared, challenger)
    }
    book = ExperimentBook(home)
    before = book.running(objective.name)
    begun = book.start(objective.name, declared, versions, datetime.now(UTC))
    if before is not None and before.name != begun.name:
        console.log(f"{before.name} has ended: what is declared now is another experiment")
        _retire_challenger(home, before, begun)
    for other in book.sharing_users(begun):
        console.log(f"{begun.name} shares users with {other.name}: {_overlap(begun, other)}")
    if objective.name not in home.served_objectives():
        console.log(
            f"no model of {objective.name} is served yet, so nobody is in an arm: `tidemill train "
            f"{objective.name}` makes one"
        )
    if as_json:
        console.print_json({"experiment": begun.name, **begun.to_json()})
        return
    arms = ", ".join(f"{arm.name} {format_percent(arm.share)}" for arm in begun.arms)
    console.out.print(f"{begun.name} runs since {begun.started_at:%Y-%m-%d %H:%M} UTC: {arms}")


def status(reference: Reference, as_json: Json = False) -> None:
    """What runs, who was exposed so far, and what the newest analysis said."""
    from tidemill.experiments.running import ExperimentBook
    from tidemill.objective import adopt_objective
    from tidemill_monitoring.experiments.connection import connected
    from tidemill_monitoring.experiments.state import render_state, states

    home = Home.from_environment()
    objective = adopt_objective(home, reference)
    book = ExperimentBook(home).all(objective.name)
    if book:
        _update(home, objective.name)
    with connected(home, objective.name) as con:
        found = states(home, book, con)
    if as_json:
        console.print_json([each.to_json() for each in found])
        return
    if not found:
        console.out.print(f"{objective.name} has had no experiment yet")
        return
    console.out.print(render_state(found))


def analyse(
    reference: Reference,
    number: Number = None,
    at: At = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD",
            help="Segments by the newest value of a property of events, `property.<name>`. "
            "Default: users who were known before, and new ones.",
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="Write the page there. Default: reports/<experiment>.html in the home."),
    ] = None,
    as_json: Json = False,
) -> None:
    """What the experiment found: the effect on each metric, its bounds, and what to do.

    First whether the arms are as large as was declared. Then, from ingested events alone, each
    metric within its window after a user's first answer, corrected for what the user did before
    (CUPED). Looks are the ends of whole days (UTC), and the bounds hold at all of them together, so
    looking every day is safe. A page is kept in the home.

    Exit codes: 0 decided; 1 failed; 3 somebody has to act: a guardrail is hurt, or the arms are not
    as large as was declared; 4 no answer yet.
    """
    from tidemill.experiments.standing import write_standing
    from tidemill.objective import adopt_objective
    from tidemill.report.writing import write_page
    from tidemill_monitoring.experiments.analysis import analyse as find_out
    from tidemill_monitoring.experiments.connection import connected
    from tidemill_monitoring.experiments.facts import exit_code, standing_of, to_json
    from tidemill_monitoring.experiments.page import render_page
    from tidemill_monitoring.experiments.terminal import render_analysis

    home = Home.from_environment()
    objective = adopt_objective(home, reference)
    experiment = _experiment(home, objective.name, number)
    _check_property(by)
    _update(home, objective.name)
    with connected(home, objective.name) as con:
        instant = instant_or_log_end(con, at)
        found = find_out(home, objective, experiment, con, instant, by)
    now = datetime.now(UTC)
    if instant > now:
        console.log("that instant is yet to come: windows that are still open count as closed")
    else:
        write_standing(home, standing_of(found))
    page = html or home.reports / f"{experiment.name}.html"
    write_page(page, render_page(found, now), "--html")
    if as_json:
        console.print_json(to_json(found))
    else:
        console.out.print(render_analysis(found))
        console.out.print(f"[dim]page: {page}[/]")
    raise typer.Exit(exit_code(found))


def stop(
    reference: Reference,
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
) -> None:
    """End the running experiment: from the next answer on, everybody is served the live model.

    What was answered until then can be analysed for good.
    """
    from tidemill.experiments.settling import stop_experiment
    from tidemill.objective import adopt_objective

    home = Home.from_environment()
    objective = adopt_objective(home, reference)
    ended = stop_experiment(home, objective.name, reason, datetime.now(UTC))
    if ended is None:
        raise TidemillError(
            f"no experiment of '{objective.name}' is running",
            hint=f"see `tidemill experiment status {objective.name}`",
        )
    console.log(f"{ended.name} has ended")


def _declared(objective: Objective) -> DeclaredExperiment:
    if objective.spec.experiment is None:
        raise ObjectiveError(
            f"'{objective.name}' declares no experiment",
            hint="add `experiment: {holdout: 5%}` to its spec, or arms",
        )
    return objective.spec.experiment


def _challenger(
    home: Home, objective: str, declared: DeclaredExperiment, version: str | None
) -> str | None:
    """The version, ready to be served; None where no arm needs one."""
    if all(arm.serve != "challenger" for arm in declared.every_arm):
        return None
    from tidemill.registry import Registry  # imports mlflow

    if version is None:
        raise TidemillError(
            f"an arm of '{objective}' serves a challenger, and none is named",
            hint=f"add --challenger VERSION; `tidemill models {objective}` lists them",
        )
    Registry(home).put_to_the_test(objective, version)
    return version


def _retire_challenger(home: Home, before: Experiment, begun: Experiment) -> None:
    def has_challenger(experiment: Experiment) -> bool:
        return any(arm.serve == "challenger" for arm in experiment.arms)

    if has_challenger(before) and not has_challenger(begun):
        from tidemill.registry import Registry  # imports mlflow

        Registry(home).end_challenge(before.objective)


def _overlap(*experiments: Experiment) -> str:
    """`0% to 50% and 30% to 80% of layer front-page overlap`."""
    from tidemill.objective.percent import format_percent

    slots = [each.slot for each in experiments if each.slot is not None]
    parts = " and ".join(
        f"{format_percent(slot.start)} to {format_percent(slot.start + slot.share)}"
        for slot in slots
    )
    return f"{parts} of layer {slots[0].layer} overlap"


def _experiment(home: Home, objective: str, number: int | None) -> Experiment:
    from tidemill.experiments.running import ExperimentBook

    every = ExperimentBook(home).all(objective)
    found = every[-1:] if number is None else [each for each in every if each.number == number]
    if not found:
        numbers = ", ".join(str(each.number) for each in every)
        there_are = f"there are: {numbers}; " if every else ""
        raise TidemillError(
            f"'{objective}' has no experiment{'' if number is None else f' {number}'}",
            hint=f"{there_are}`tidemill experiment start {objective}` starts one",
        )
    return found[0]


def _check_property(by: str | None) -> None:
    if by is not None and not (by.startswith("property.") and len(by) > len("property.")):
        raise TidemillError(
            f"'{by}' is no property of events", hint="write it like property.country"
        )


def _update(home: Home, objective: str) -> None:
    from tidemill_monitoring.experiments.exposures import update_exposures

    update_exposures(home, objective, _warn_of_damage)


def _warn_of_damage(segment: Path) -> None:
    console.log(
        f"a segment of the prediction log is damaged, and read as far as it goes: {segment}"
    )


def _midnight(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
