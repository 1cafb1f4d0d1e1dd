"""Runs every check, decides, and keeps the answer."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import orjson

from tidemill_monitoring.checks import check_drift, check_outcomes, check_quality, check_skew
from tidemill_monitoring.choosing import checks as choosing
from tidemill_monitoring.choosing.inputs import ChoiceInputs
from tidemill_monitoring.decision import decide
from tidemill_monitoring.inputs import MonitorInputs
from tidemill_monitoring.retraining import read_state
from tidemill_monitoring.verdicts import MonitorRun, Verdict

VERDICT_FILE = "verdict.json"


def run_monitor(
    inputs: MonitorInputs | ChoiceInputs, log: Callable[[str], None]
) -> tuple[MonitorRun, Path]:
    """All verdicts and the decision, and the folder that holds them.

    The folder is named after the monitored instant; verdict.json is written last and at once, so
    a folder without it is a run that did not finish. Raises BundleError without a served model.
    """
    version = inputs.version
    folder = inputs.home.monitoring(inputs.objective.name) / f"{inputs.at:%Y%m%dT%H%M%SZ}"
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(inputs, ChoiceInputs):
        verdicts = _judge_choices(inputs, log)
    else:
        verdicts = _judge_predictions(inputs, folder, log)
    objective = inputs.objective
    decision = decide(
        verdicts,
        read_state(inputs.home, objective.name),
        inputs.at,
        objective.spec.monitoring.retrain.cooldown,
        objective.target.event,
    )
    at = inputs.at.isoformat()
    run = MonitorRun(objective.name, at, inputs.window_days, version, verdicts, decision)
    _write_at_once(folder / VERDICT_FILE, run)
    return run, folder


def _judge_predictions(
    inputs: MonitorInputs, folder: Path, log: Callable[[str], None]
) -> tuple[Verdict, ...]:
    log(f"checking events and features before {inputs.at:%Y-%m-%d %H:%M} UTC")
    quality = check_quality(inputs)
    log("rebuilding served vectors")
    skew = check_skew(inputs)
    log("measuring drift")
    drift = check_drift(inputs, folder)
    log("comparing predictions with outcomes")
    return quality, skew, drift, *check_outcomes(inputs)


def _judge_choices(inputs: ChoiceInputs, log: Callable[[str], None]) -> tuple[Verdict, ...]:
    log(f"checking events before {inputs.at:%Y-%m-%d %H:%M} UTC")
    quality = choosing.check_quality(inputs)
    log("rebuilding served histories")
    skew = choosing.check_skew(inputs)
    log("comparing what was shown with what happened")
    return quality, skew, choosing.check_drift(inputs), *choosing.check_outcomes(inputs)


def _write_at_once(path: Path, run: MonitorRun) -> None:
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_bytes(orjson.dumps(run.to_json(), option=orjson.OPT_INDENT_2))
    draft.replace(path)
