"""Who was exposed? Outcomes that only some users were given a chance for.

Where an outcome needs something that was done to chosen users (a mailing, an offer), a model
learns who was chosen. Which events are done to users no log says; what it shows is an event without
which the outcome next to never happens to users who are otherwise as active.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill_features.aggregates import COUNT_EVER
from tidemill_features.catalog import Signal, feature_name
from tidemill_pipelines.assessing.findings import Finding, cannot_say, ok, warning
from tidemill_pipelines.assessing.material import Material
from tidemill_pipelines.population import target_signal

_STRATA = 10
_RARE = 0.2
"""Outcomes without the event, over those that users as active have with it."""
_LEVEL = 0.001
"""Of seeing so few outcomes by chance, for all events together."""
_FEWEST = 20
"""Users on either side."""
_WHY = (
    "A model of outcomes that only the exposed can have learns whom somebody exposed, and not who "
    "would respond."
)


@dataclass(frozen=True)
class Exposure:
    """An event without which the outcome next to never happens."""

    event: str
    exposed: float
    """Share of users."""
    outcomes_without: int
    expected_without: float
    """Had users without it done as those with it, who are as active."""
    difference: float
    """Activity before, exposed less not exposed, in standard deviations of its logarithm."""


def judge_selection(material: Material) -> Finding:
    """On the newest training window and the test window, which share no outcome."""
    found = _exposures(material)
    facts = {"exposures": [vars(each) for each in found]}
    if found is None or not _candidates(material):
        return cannot_say("self-selection", "There is no other event that could be one.", _WHY)
    if not found:
        return ok(
            "self-selection",
            "There is no event without which the outcome stays away from users as active.",
            _WHY,
            **facts,
        )
    seen = "; ".join(
        f"without `{e.event}`, which {e.exposed:.0%} of users have had, {e.outcomes_without:,} "
        f"outcomes were seen where {e.expected_without:,.0f} are usual for users as active (those "
        f"who had it were {e.difference:+.1f} standard deviations more active)"
        for e in found[:3]
    )
    return warning(
        "self-selection",
        seen[0].upper() + seen[1:] + ".",
        _WHY,
        "if it is something done to users, leave a random few out of it and compare, or predict "
        "only for those who get it; if users do it themselves, it is a step on their way",
        **facts,
    )


def _candidates(material: Material) -> list[str]:
    own = target_signal(material.objective).event
    return [s.event for s in material.catalog.signals if s.event and not s.where and s.event != own]


def _exposures(material: Material) -> list[Exposure]:
    """The largest lack of outcomes first."""
    events = _candidates(material)
    rows = material.test
    did = ~rows.labels if material.objective.target.absent else rows.labels
    everything = rows.column(feature_name(Signal(None), COUNT_EVER.name)).astype(np.float64)
    found = []
    for event in events:
        own = rows.column(feature_name(Signal(event), COUNT_EVER.name)).astype(np.float64)
        exposure = _compare(event, own > 0, did, np.log1p(everything - own), len(events))
        if exposure is not None:
            found.append(exposure)
    return sorted(found, key=lambda each: each.outcomes_without - each.expected_without)


def _compare(
    event: str,
    had: NDArray[np.bool_],
    did: NDArray[np.bool_],
    activity: NDArray[np.float64],
    tested: int,
) -> Exposure | None:
    """None where outcomes without the event are as many as chance allows, or not few."""
    if min(had.sum(), (~had).sum()) < _FEWEST:
        return None
    stratum = np.searchsorted(np.quantile(activity, np.arange(1, _STRATA) / _STRATA), activity)
    expected = 0.0
    for each in np.unique(stratum):
        inside = stratum == each
        with_it = inside & had
        if with_it.any():
            expected += float(did[with_it].mean() * (inside & ~had).sum())
    observed = int(did[~had].sum())
    if observed > _RARE * expected or _poisson_at_most(observed, expected) > _LEVEL / tested:
        return None
    spread = float(activity.std()) or 1.0
    difference = float(activity[had].mean() - activity[~had].mean()) / spread
    return Exposure(event, float(had.mean()), observed, expected, difference)


def _poisson_at_most(count: int, mean: float) -> float:
    ranks = np.arange(1, count + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log(mean) - np.log(ranks))]) - mean
    return float(np.exp(logs).sum())
