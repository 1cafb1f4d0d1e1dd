"""One function per concern: from what was shown to a verdict."""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta

import numpy as np

from tidemill.recommendation.history import pack_history
from tidemill_monitoring.choosing.answers import ShownList
from tidemill_monitoring.choosing.happened import items_of
from tidemill_monitoring.choosing.inputs import ChoiceInputs
from tidemill_monitoring.choosing.quality_of_lists import judge_hits, judge_lists
from tidemill_monitoring.intervals import judge_ratio, wilson_interval
from tidemill_monitoring.performance import outcomes_unknown
from tidemill_monitoring.quality import DeadFeatures, judge_quality
from tidemill_monitoring.rebuild import MAXIMUM_PAIRS
from tidemill_monitoring.verdicts import MINIMUM_USERS, Concern, Status, Verdict
from tidemill_monitoring.volumes import earlier_windows

_SHOWN_DIFFERENCES = 50


def check_quality(inputs: ChoiceInputs) -> Verdict:
    """Event volumes of the log."""
    cutoffs = inputs.metadata.training_cutoffs + inputs.metadata.test_cutoffs
    return judge_quality(
        inputs.changes,
        DeadFeatures(),
        earlier_windows=earlier_windows(inputs.daily_counts, inputs.window_days),
        event_names=len(inputs.daily_counts.names),
        trained_until=max(datetime.fromisoformat(cutoff) for cutoff in cutoffs),
        horizon=inputs.objective.target.within,
        target_event=inputs.objective.target.event,
    )


def check_skew(inputs: ChoiceInputs, seed: int = 0) -> Verdict:
    """Served histories against their rebuild: equal bit for bit, or something is wrong."""
    lists = [each for each in inputs.answers.recent if each.checksum]
    if not lists:
        sentence = "No history was served in this window, so nothing was compared."
        return Verdict(Concern.SKEW, Status.UNDECIDED, sentence, {"rows": 0})
    chosen = np.random.default_rng(seed).permutation(len(lists))[:MAXIMUM_PAIRS]
    sample = [lists[place] for place in np.sort(chosen).tolist()]
    rebuilt = _rebuilt(inputs, sample)
    differing = [
        each.user
        for each, checksum in zip(sample, rebuilt, strict=True)
        if each.checksum != checksum
    ]
    evidence = {"rows": len(sample), "differing_users": differing[:_SHOWN_DIFFERENCES]}
    if not differing:
        equal = f"{len(sample)} served histories equal their offline rebuild exactly."
        return Verdict(Concern.SKEW, Status.OK, equal, evidence)
    sentence = (
        f"{len(differing)} of {len(sample)} served histories differ from their offline rebuild "
        f"(first: user `{differing[0]}`). Fix what fills the online store, for example with "
        "`tidemill features materialize`; retraining cannot help."
    )
    return Verdict(Concern.SKEW, Status.ACT, sentence, evidence)


def check_drift(inputs: ChoiceInputs) -> Verdict:
    """Whether more users come without a history than did in the test window."""
    answers, cold = inputs.answers.answers, inputs.answers.cold
    expected = inputs.metadata.metrics.get("cold_share", 0.0)
    evidence = {"answers": answers, "cold": cold, "expected_share": expected}
    if answers < MINIMUM_USERS:
        sentence = f"{answers} answers in this window; {MINIMUM_USERS} are needed."
        return Verdict(Concern.DRIFT, Status.UNDECIDED, sentence, evidence)
    low, high = wilson_interval(cold, answers)
    evidence |= {"share": cold / answers, "lower": low, "upper": high}
    known_low, known_high = 1 - high, 1 - low
    status = judge_ratio(known_low / (1 - expected), known_high / (1 - expected))
    sentence = (
        f"{cold / answers:.1%} of {answers} answers went to users without a history; "
        f"{expected:.1%} of the users of the test window had none."
    )
    if status is not Status.OK:
        sentence += " Check the user ids that are asked for, and that features are kept fresh."
    return Verdict(Concern.DRIFT, status, sentence, evidence)


def check_outcomes(inputs: ChoiceInputs) -> tuple[Verdict, Verdict]:
    """The lists that were served, and their probabilities, against what users then did."""
    closed = inputs.answers.closed
    if not closed:
        first = inputs.answers.first_cutoff
        due = None if first is None else first + timedelta(days=inputs.metadata.horizon_days)
        return (
            outcomes_unknown(due, Concern.PERFORMANCE),
            outcomes_unknown(due, Concern.BASE_RATE),
        )
    promised = inputs.models.recommender(closed[0].version)
    happened = items_of(inputs.con, promised.interests, closed)
    return (
        judge_lists(closed, happened, promised),
        judge_hits(closed, happened, is_offer=inputs.objective.spec.next_best_offer is not None),
    )


def _rebuilt(inputs: ChoiceInputs, sample: list[ShownList]) -> list[int]:
    """CRC-32 of each history as it is computed now, as of then; 0 where there is none."""
    from tidemill_features.interests import rebuild_histories  # duckdb

    found = rebuild_histories(
        inputs.con,
        inputs.metadata.interests,
        [each.user for each in sample],
        [each.cutoff for each in sample],
    )
    return [0 if history is None else zlib.crc32(pack_history(history)) for history in found]
