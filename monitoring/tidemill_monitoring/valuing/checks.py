"""Outcomes of a value model: from what was read to the verdicts on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tidemill_monitoring.performance import outcomes_unknown
from tidemill_monitoring.served import from_us
from tidemill_monitoring.valuing.inputs import ValueInputs
from tidemill_monitoring.valuing.promises import (
    ValueOutcomes,
    ValuePromise,
    judge_spending,
    judge_values,
)
from tidemill_monitoring.verdicts import Concern, Verdict


def check_outcomes(inputs: ValueInputs) -> tuple[Verdict, Verdict]:
    """Performance and mean spending of the last answers whose horizon is over."""
    closed, bought = inputs.history.closed, inputs.bought
    promised = None if closed is None else inputs.models.metadata(closed.version)
    if closed is None or bought is None or promised is None:
        due, gone = inputs.first_outcome_at, inputs.history.gone_versions
        return (
            outcomes_unknown(due, Concern.PERFORMANCE, gone),
            outcomes_unknown(due, Concern.BASE_RATE, gone),
        )
    judged_days = promised.horizon_days if promised.value is None else promised.value.judged_days
    promise = ValuePromise(closed.version, promised.metrics, judged_days == promised.horizon_days)
    outcomes = ValueOutcomes(closed.scores, bought.values, bought.counts)
    judged = judge_values(outcomes, promise)
    cutoffs = [from_us(cutoff).isoformat() for cutoff in np.unique(closed.cutoffs)]
    return (
        replace(judged, evidence={**judged.evidence, "cutoffs": cutoffs}),
        judge_spending(outcomes, promise),
    )
