"""Is a model needed at all, or does one line of SQL do?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidemill.evaluation import roc_auc
from tidemill_pipelines.assessing.findings import Finding, cannot_say, ok, warning
from tidemill_pipelines.assessing.skill import Skill

_WORTH = 0.01
"""AUC below which a gap is not worth a model: less than between two trainings."""
_REACHED = 0.1
"""Share of users that a campaign is taken to reach."""
_WHY = "A rule costs nothing to run and to explain; a model has to pay for what it takes to keep."


def judge_need(skill: Skill, value_per_outcome: float | None) -> Finding:
    """The one-line rule beside the model, in AUC and in outcomes among the tenth ranked first.

    `value_per_outcome` is the mean value of the target's event, None where events carry none.
    """
    test = skill.test
    caught, by_rule = (
        _caught(test.labels, scores) for scores in (test.model, skill.scores_to_beat)
    )
    rule_auc = roc_auc(test.labels, skill.scores_to_beat)
    gap = skill.gap
    facts = {
        "rule": str(skill.to_beat),
        "rule_auc": rule_auc,
        "model_auc": test.model_auc,
        "gap": {"expected": gap.difference, "between": [gap.lower, gap.upper]},
        "first_tenth": {"model": caught, "rule": by_rule, "outcomes": int(test.labels.sum())},
        "value_per_outcome": value_per_outcome,
    }
    seen = (
        f"The best rule of one line ranks by {skill.to_beat}, with AUC {rule_auc:.3f}; a linear "
        f"model has {test.model_auc:.3f} ({gap.difference:+.3f}, {gap.lower:+.3f} to "
        f"{gap.upper:+.3f}). Among the tenth of users ranked first the model finds {caught:,.0f} "
        f"of {int(test.labels.sum()):,} outcomes, the rule {by_rule:,.0f}"
        f"{_worth(caught - by_rule, value_per_outcome)}."
    )
    if gap.upper < _WORTH:
        return warning(
            "need", seen, _WHY, "use the rule; train when there is more to learn from", **facts
        )
    if gap.lower > 0:
        return ok("need", seen, _WHY, **facts)
    return cannot_say(
        "need",
        seen,
        _WHY,
        "train and let the gate compare: it asks for a model beyond doubt",
        **facts,
    )


def _caught(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Outcomes among the users ranked first; those tied at the edge count for their share."""
    reached = _REACHED * len(scores)
    edge = np.partition(scores, -max(1, int(np.ceil(reached))))[-max(1, int(np.ceil(reached)))]
    above, tied = scores > edge, scores == edge
    share = (reached - above.sum()) / max(1, tied.sum())
    return float(labels[above].sum() + share * labels[tied].sum())


def _worth(more: float, value: float | None) -> str:
    """What the outcomes would be worth, where their events carry a value."""
    if value is None or round(more) < 1:
        return ""
    return f"; the difference is worth {more * value:,.0f} in `value` of their events"
