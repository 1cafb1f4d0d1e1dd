"""Values that were answered against what customers then spent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.lifetime_value.measures import capture, deciles, measure
from tidemill_monitoring.intervals import Estimate, judge_ratio
from tidemill_monitoring.verdicts import (
    MINIMUM_OUTCOMES,
    MINIMUM_USERS,
    Concern,
    Status,
    Verdict,
)

CAPTURE_WATCH, CAPTURE_ACT = 0.9, 0.75
"""Share of the promised capture that must lie within its interval."""
DECILE_WATCH = 0.1
"""By how much the decile error, beyond chance, may exceed the promised one."""
_DRAWS = 500
_Z = 2.58
Values = NDArray[np.float64]


@dataclass(frozen=True)
class ValueOutcomes:
    """What was predicted of each customer and what happened; one row per user."""

    predicted: Values
    observed: Values
    purchases: Values


@dataclass(frozen=True)
class ValuePromise:
    """What the model showed in its test window."""

    model_version: str
    metrics: Mapping[str, float]
    is_same_horizon: bool
    """Whether that window was as long as the horizon."""


def judge_values(outcomes: ValueOutcomes, promise: ValuePromise, seed: int = 0) -> Verdict:
    """Total, order and deciles of predictions whose horizon is over."""
    missing = _too_little(outcomes)
    if missing:
        return Verdict(Concern.PERFORMANCE, Status.UNDECIDED, missing, _sizes(outcomes))
    observed, predicted = outcomes.observed, outcomes.predicted
    ratio = _resampled(
        outcomes,
        float(predicted.sum() / observed.sum()),
        lambda rows: predicted[rows].sum() / max(observed[rows].sum(), 1e-12),
        seed,
    )
    held = _resampled(
        outcomes,
        capture(observed, predicted),
        lambda rows: capture(observed[rows], predicted[rows]),
        seed,
    )
    excess = _decile_error_beyond_chance(observed, predicted)
    evidence = _evidence(outcomes, promise, ratio, held, excess)
    findings = [
        found
        for found in (_of_total(ratio), _of_order(held, promise), _of_shape(excess, promise))
        if found is not None
    ]
    return _combined(findings, outcomes, ratio, held, evidence)


def judge_spending(outcomes: ValueOutcomes, promise: ValuePromise, seed: int = 0) -> Verdict:
    """Mean value of a customer against the test window's; no alarm where predictions followed."""
    trained = promise.metrics.get("mean_value", 0.0)
    observed = outcomes.observed
    evidence: dict[str, Any] = {**_sizes(outcomes), "trained": trained}
    if not promise.is_same_horizon or len(observed) < MINIMUM_USERS or not trained > 0:
        sentence = (
            f"Outcomes of {len(observed)} users are known, {MINIMUM_USERS} are needed, over the "
            "same time as in the test window."
        )
        return Verdict(Concern.BASE_RATE, Status.UNDECIDED, sentence, evidence)
    mean = _resampled(outcomes, float(observed.mean()), lambda rows: observed[rows].mean(), seed)
    status = judge_ratio(mean.lower / trained, mean.upper / trained)
    predicted = float(outcomes.predicted.mean())
    followed = predicted > 0 and (
        judge_ratio(mean.lower / predicted, mean.upper / predicted) is Status.OK
    )
    sentence = (
        f"A customer spent {mean.observed:.2f} on average ({mean.lower:.2f} to {mean.upper:.2f}); "
        f"{trained:.2f} in the test window."
    )
    if status is not Status.OK and followed:
        status = Status.WATCH
        sentence += f" The predictions moved with it ({predicted:.2f})."
    elif status is not Status.OK:
        sentence += f" The predictions did not follow ({predicted:.2f}): retrain."
    evidence |= {"mean": asdict(mean), "predicted": predicted}
    return Verdict(Concern.BASE_RATE, status, sentence, evidence)


def _sizes(outcomes: ValueOutcomes) -> dict[str, int]:
    return {"users": len(outcomes.observed), "buyers": int((outcomes.purchases > 0).sum())}


def _too_little(outcomes: ValueOutcomes) -> str | None:
    users, buyers = len(outcomes.observed), int((outcomes.purchases > 0).sum())
    if users < MINIMUM_USERS:
        return f"Outcomes of only {users} users are known; {MINIMUM_USERS} are needed."
    if buyers < MINIMUM_OUTCOMES or not outcomes.observed.sum() > 0:
        return f"{buyers} of {users} users bought again; {MINIMUM_OUTCOMES} are needed."
    return None


def _resampled(
    outcomes: ValueOutcomes,
    observed: float,
    statistic: Callable[[NDArray[np.intp]], float],
    seed: int,
) -> Estimate:
    rng, count = np.random.default_rng(seed), len(outcomes.observed)
    draws = [statistic(rng.integers(0, count, count)) for _ in range(_DRAWS)]
    return Estimate.of(observed, np.array(draws))


def _decile_error_beyond_chance(observed: Values, predicted: Values) -> float:
    """Distances of decile totals beyond 99% intervals of what was observed, over the total."""
    excess = 0.0
    for rows in np.array_split(np.argsort(predicted, kind="stable"), 10):
        chance = _Z * float(observed[rows].std()) * np.sqrt(len(rows))
        excess += max(0.0, abs(float(predicted[rows].sum() - observed[rows].sum())) - chance)
    return float(excess / observed.sum())


def _evidence(
    outcomes: ValueOutcomes, promise: ValuePromise, ratio: Estimate, held: Estimate, excess: float
) -> dict[str, Any]:
    quality = measure(outcomes.observed, outcomes.predicted)
    return {
        **_sizes(outcomes),
        "model_version": promise.model_version,
        "predicted_over_observed": asdict(ratio),
        "capture": {**asdict(held), "promised": promise.metrics.get("capture")},
        "decile_error": {
            "observed": quality.decile_error,
            "beyond_chance": excess,
            "promised": promise.metrics.get("decile_error"),
        },
        "correlation": quality.correlation,
        "deciles": [asdict(each) for each in deciles(outcomes.observed, outcomes.predicted)],
    }


Finding = tuple[Status, str]


def _combined(
    findings: list[Finding],
    outcomes: ValueOutcomes,
    ratio: Estimate,
    held: Estimate,
    evidence: dict[str, Any],
) -> Verdict:
    if not findings:
        sentence = (
            f"As promised: for each 1 that {len(outcomes.observed)} customers spent "
            f"{ratio.observed:.2f} was predicted ({ratio.lower:.2f} to {ratio.upper:.2f}); the "
            f"highest tenth held {held.observed:.0%} of it."
        )
        return Verdict(Concern.PERFORMANCE, Status.OK, sentence, evidence)
    text = "; ".join(text for _, text in findings)
    is_act = any(status is Status.ACT for status, _ in findings)
    status = Status.ACT if is_act else Status.WATCH
    return Verdict(Concern.PERFORMANCE, status, f"{text[0].upper()}{text[1:]}.", evidence)


def _of_total(ratio: Estimate) -> Finding | None:
    status = judge_ratio(ratio.lower, ratio.upper)
    if status is Status.OK:
        return None
    side = "high" if ratio.observed > 1 else "low"
    return status, (
        f"values are too {side}: {ratio.observed:.2f} predicted for each 1 that was spent "
        f"({ratio.lower:.2f} to {ratio.upper:.2f})"
    )


def _of_order(held: Estimate, promise: ValuePromise) -> Finding | None:
    promised = promise.metrics.get("capture")
    if not promised or held.upper >= CAPTURE_WATCH * promised:
        return None
    status = Status.ACT if held.upper < CAPTURE_ACT * promised else Status.WATCH
    return status, (
        f"the highest tenth holds {held.observed:.0%} of what was spent where {promised:.0%} was "
        "promised"
    )


def _of_shape(excess: float, promise: ValuePromise) -> Finding | None:
    promised = promise.metrics.get("decile_error", 0.0)
    if excess <= promised + DECILE_WATCH:
        return None
    return Status.WATCH, (
        f"decile error {excess:.2f} beyond what chance explains, {promised:.2f} was promised"
    )
