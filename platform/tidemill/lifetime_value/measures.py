"""How good predicted values of users are. Absolute errors are no measure here: where most never
return, predicting nothing for everybody looks good.

Values are float [n], of what users then spent and of what was predicted; predictions are positive.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill.evaluation import PairedDifference

Values = NDArray[np.float64]
TOP_SHARE = 0.1
_DRAWS = 500
_SMALLEST = 0.01
"""Of the mean: predictions below it count as that. Who is said to be gone for good and comes back
would outweigh everybody else."""


@dataclass(frozen=True)
class ValueQuality:
    """One set of predictions."""

    explained: float
    """Share of the Poisson deviance from the mean that is explained: 1 is perfect, 0 no better than
    everybody's mean. Order and level both count (Cameron & Windmeijer 1996)."""
    capture: float
    """Share of all value that came from the tenth predicted highest."""
    correlation: float
    """Pearson's."""
    decile_error: float
    """Distances of predicted and observed totals of the tenths by prediction, over the total."""
    predicted_over_observed: float
    """Of the totals."""

    def to_json(self) -> dict[str, float]:
        return asdict(self)


def measure(observed: Values, predicted: Values) -> ValueQuality:
    """All of it; NaN where nobody spent anything."""
    total = float(observed.sum())
    if not total > 0:
        return ValueQuality(*[float("nan")] * 5)
    return ValueQuality(
        explained=1 - _deviance(observed, predicted).sum() / _null_deviance(observed).sum(),
        capture=capture(observed, predicted),
        correlation=_correlation(observed, predicted),
        decile_error=_decile_error(observed, predicted),
        predicted_over_observed=float(predicted.sum() / total),
    )


def _decile_error(observed: Values, predicted: Values) -> float:
    found = deciles(observed, predicted)
    return sum(each.users * abs(each.predicted - each.observed) for each in found) / float(
        observed.sum()
    )


def capture(observed: Values, predicted: Values) -> float:
    """Share of the observed total that the tenth predicted highest holds; ties by their mean."""
    top = max(1, round(TOP_SHARE * len(observed)))
    threshold = np.partition(predicted, -top)[-top]
    above, tied = predicted > threshold, predicted == threshold
    left = (top - int(above.sum())) / max(1, int(tied.sum()))
    return float((observed[above].sum() + left * observed[tied].sum()) / observed.sum())


@dataclass(frozen=True)
class Decile:
    """Users of similar prediction; means per user."""

    users: int
    predicted: float
    observed: float


def deciles(observed: Values, predicted: Values) -> list[Decile]:
    """Tenths by prediction, the lowest first."""
    order = np.argsort(predicted, kind="stable")
    return [
        Decile(len(part), float(predicted[part].mean()), float(observed[part].mean()))
        for part in np.array_split(order, 10)
        if len(part)
    ]


def compare(
    observed: Values, challenger: Values, incumbent: Values, seed: int = 0
) -> PairedDifference:
    """Explained deviance of one minus that of the other, over resampled users; one row a user."""
    null = _null_deviance(observed)
    gain = _deviance(observed, incumbent) - _deviance(observed, challenger)
    rng, count = np.random.default_rng(seed), len(observed)
    draws = np.empty(_DRAWS)
    for draw in range(_DRAWS):
        drawn = np.bincount(rng.integers(0, count, count), minlength=count)
        draws[draw] = (drawn @ gain) / (drawn @ null)
    lower, upper = np.quantile(draws, (0.05, 0.95))
    return PairedDifference(float(gain.sum() / null.sum()), float(lower), float(upper))


def observed_over_predicted(
    observed: Values, predicted: Values, seed: int = 0
) -> tuple[float, float, float]:
    """Of the totals, with the 5% and the 95% quantile over resampled users."""
    rng, count = np.random.default_rng(seed), len(observed)
    draws = np.empty(_DRAWS)
    for draw in range(_DRAWS):
        rows = rng.integers(0, count, count)
        draws[draw] = observed[rows].sum() / predicted[rows].sum()
    lower, upper = np.quantile(draws, (0.05, 0.95))
    return float(observed.sum() / predicted.sum()), float(lower), float(upper)


def user_deviance(observed: Values, predicted: Values) -> Values:
    """Poisson deviance of each user, in units of the mean, [n]."""
    return _deviance(observed, predicted) / max(float(observed.mean()), 1e-12)


def _deviance(observed: Values, predicted: Values) -> Values:
    """What was given back by refunds beyond all spending counts as zero."""
    spent = np.maximum(observed, 0)
    expected = np.maximum(predicted, _SMALLEST * max(float(spent.mean()), 1e-12))
    ratio = np.log(np.where(spent > 0, spent, expected) / expected)
    found: Values = 2 * (spent * ratio - (spent - expected))
    return found


def _null_deviance(observed: Values) -> Values:
    return _deviance(observed, np.full(len(observed), np.maximum(observed, 0).mean()))


def _correlation(observed: Values, predicted: Values) -> float:
    if min(np.ptp(observed), np.ptp(predicted)) <= 0:
        return 0.0
    return float(np.corrcoef(observed, predicted)[0, 1])
