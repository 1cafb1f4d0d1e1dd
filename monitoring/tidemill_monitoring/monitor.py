"""Runs every check, decides, and keeps the answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.markup import escape

from tidemill_monitoring.checks import check_drift, check_outcomes, check_quality, check_skew
from tidemill_monitoring.choosing import checks as choosing
from tidemill_monitoring.choosing.inputs import ChoiceInputs
from tidemill_monitoring.decay.check import check_estimate, check_feature_decay, check_segments
from tidemill_monitoring.decision import decide
from tidemill_monitoring.freshness.check import check_histories, check_rows
from tidemill_monitoring.inputs import MonitorInputs
from tidemill_monitoring.isolation import fail_if_all_failed, judged, judged_together
from tidemill_monitoring.keeping import keep_run
from tidemill_monitoring.retraining import read_state
from tidemill_monitoring.segmenting import checks as segmenting
from tidemill_monitoring.segmenting.inputs import SegmentInputs
from tidemill_monitoring.valuing import checks as valuing
from tidemill_monitoring.valuing.inputs import ValueInputs
from tidemill_monitoring.verdicts import Concern, MonitorRun, Verdict

_OUTCOMES = (Concern.PERFORMANCE, Concern.BASE_RATE)


def run_monitor(
    inputs: MonitorInputs | ChoiceInputs | SegmentInputs, log: Callable[[str], None]
) -> tuple[MonitorRun, Path]:
    """All verdicts and the decision, and the folder that holds them.

    The folder is named after the monitored instant; verdict.json is written last and at once, so
    a folder without it is a run that did not finish. A check that fails leaves its concern
    undecided. Raises BundleError without a served model, TidemillError if every check failed.
    """
    version = inputs.version
    folder = inputs.home.monitoring(inputs.objective.name) / f"{inputs.at:%Y%m%dT%H%M%SZ}"
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(inputs, ChoiceInputs):
        verdicts = _judge_choices(inputs, log)
    elif isinstance(inputs, SegmentInputs):
        verdicts = _judge_segments(inputs, log)
    else:
        verdicts = _judge_predictions(inputs, folder, log)
    fail_if_all_failed(verdicts, inputs.objective.name)
    objective = inputs.objective
    decision = decide(
        verdicts,
        read_state(inputs.home, objective.name),
        inputs.at,
        objective.spec.monitoring.retrain.cooldown,
        None if isinstance(inputs, SegmentInputs) else objective.target.event,
        inputs.earlier.apart,
    )
    at = inputs.at.isoformat()
    run = MonitorRun(objective.name, at, inputs.window_days, version, verdicts, decision)
    keep_run(folder, run)
    return run, folder


def _judge_predictions(
    inputs: MonitorInputs, folder: Path, log: Callable[[str], None]
) -> tuple[Verdict, ...]:
    log(f"checking events and features before {inputs.at:%Y-%m-%d %H:%M} UTC")
    quality = judged(Concern.DATA_QUALITY, lambda: check_quality(inputs), log)
    log("rebuilding served vectors")
    skew = judged(Concern.SKEW, lambda: check_skew(inputs), log)
    log("measuring drift")
    drift = judged(Concern.DRIFT, lambda: check_drift(inputs, folder), log)
    for note in drift.evidence.get("notes", ()):
        log(escape(note))
    log("comparing predictions with outcomes")
    if isinstance(inputs, ValueInputs):
        return (
            quality,
            skew,
            drift,
            *judged_together(_OUTCOMES, lambda: valuing.check_outcomes(inputs), log),
            judged(Concern.ONLINE_STORE, lambda: check_rows(inputs), log),
        )
    return (
        quality,
        skew,
        drift,
        *judged_together(_OUTCOMES, lambda: check_outcomes(inputs), log),
        judged(Concern.FEATURE_DECAY, lambda: check_feature_decay(inputs), log),
        judged(Concern.SEGMENTS, lambda: check_segments(inputs), log),
        judged(Concern.ESTIMATE, lambda: check_estimate(inputs), log),
        judged(Concern.ONLINE_STORE, lambda: check_rows(inputs), log),
    )


def _judge_choices(inputs: ChoiceInputs, log: Callable[[str], None]) -> tuple[Verdict, ...]:
    log(f"checking events before {inputs.at:%Y-%m-%d %H:%M} UTC")
    quality = judged(Concern.DATA_QUALITY, lambda: choosing.check_quality(inputs), log)
    log("rebuilding served histories")
    skew = judged(Concern.SKEW, lambda: choosing.check_skew(inputs), log)
    log("comparing what was shown with what happened")
    return (
        quality,
        skew,
        judged(Concern.DRIFT, lambda: choosing.check_drift(inputs), log),
        *judged_together(_OUTCOMES, lambda: choosing.check_outcomes(inputs), log),
        judged(Concern.ONLINE_STORE, lambda: check_histories(inputs), log),
    )


def _judge_segments(inputs: SegmentInputs, log: Callable[[str], None]) -> tuple[Verdict, ...]:
    log(f"checking events before {inputs.at:%Y-%m-%d %H:%M} UTC")
    quality = judged(Concern.DATA_QUALITY, lambda: segmenting.check_quality(inputs), log)
    log("rebuilding served vectors")
    skew = judged(Concern.SKEW, lambda: segmenting.check_skew(inputs), log)
    log("comparing segments with those of training")
    return (
        quality,
        skew,
        judged(Concern.DRIFT, lambda: segmenting.check_drift(inputs), log),
        judged(Concern.ONLINE_STORE, lambda: check_rows(inputs), log),
    )
