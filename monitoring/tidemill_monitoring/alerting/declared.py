"""Which objective is to be monitored."""

from __future__ import annotations

from collections.abc import Mapping

from tidemill.home import Home
from tidemill.objective import Objective, adopt_objective, keep_objective, resolve_objective
from tidemill.objective.alerting import OBJECTIVE_VARIABLE


def resolve_monitored(home: Home, reference: str, environment: Mapping[str, str]) -> Objective:
    """The objective meant by `reference`; the home knows an alert by its name from then on.

    The operator hands an alert over in OBJECTIVE_VARIABLE, because no training has brought it here.
    """
    given = environment.get(OBJECTIVE_VARIABLE)
    if given is not None:
        declared = Objective.model_validate_json(given)
        if declared.name == reference:
            keep_objective(home, declared)
            return declared
    declared = resolve_objective(home, reference)
    return declared if declared.spec.alert is None else adopt_objective(home, reference)
