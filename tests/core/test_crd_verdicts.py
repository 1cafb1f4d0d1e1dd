"""`tidemill objective validate` and the API server give one verdict on every objective.

Left out of the comparison: how YAML is read, where the file may do more or less than kubectl (it
refuses aliases and tags, and reads dates as dates), and what only Kubernetes writes (`status`,
`metadata.uid` and the like), which is no part of a file.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from objective_documents import (
    ABSENT,
    ARMS,
    BAD,
    CHURN,
    DURATION,
    EXPERIMENT,
    FULL,
    GOOD,
    INDEX,
    METRICS,
    NAME,
    REPLICAS,
    SCHEDULE,
    SHARES,
    TRIAL,
    WHERE,
    allocated,
    changed,
    shared,
)
from pydantic import ValidationError

from tidemill.objective import Objective
from tidemill.objective.loading import parse_objective
from tidemill.objective.status import Condition, ObjectiveStatus, TrainingStatus

Verdict = Callable[[Any], list[str]]


@pytest.mark.parametrize(("path", "value"), GOOD)
def test_a_good_objective_is_taken_by_both(
    path: str, value: Any, api_server_verdict: Verdict
) -> None:
    """By `kubectl apply` and by `tidemill objective validate`."""
    document = changed(path, value)
    assert api_server_verdict(document) == []
    assert parse_objective(yaml.safe_dump(document))[1] == []


@pytest.mark.parametrize(("path", "value"), BAD)
def test_a_bad_objective_is_refused_by_both(
    path: str, value: Any, api_server_verdict: Verdict
) -> None:
    """Whichever is asked first."""
    document = changed(path, value)
    assert api_server_verdict(document) != []
    assert parse_objective(yaml.safe_dump(document))[1] != []


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (DURATION, "28 days", "a duration is a whole number and a unit (h, d, w), like 28d or 12h"),
        (DURATION, "99999d", "a duration is at most ten years"),
        (SCHEDULE, "daily", "a schedule has five fields (minute, hour, day of month, month"),
        (SCHEDULE, "0 24 * * *", "the hour of a schedule is 0 to 23, '*' or '*/n'"),
        (SCHEDULE, "0 5-3 * * *", "a range in a schedule runs forwards, like 9-17"),
        (WHERE, {"brand": "own"}, "a condition is on 'property.<name>' (of the event) or 'item.<"),
        (NAME, "Buys", "must be lower-case letters, digits and '-', with no '-' at either end"),
        ("spec/churn", CHURN, "exactly one of propensity, churn, recommendation, "),
        (EXPERIMENT, {}, "exactly one of holdout, arms must be given"),
        (EXPERIMENT, {"holdout": "5"}, "a percentage is a number and '%', with at most four dec"),
        (SHARES, shared("50%", "49%"), "the shares of the arms, two or more, must add up to"),
        (EXPERIMENT, allocated(promote=False), "a bandit allocates recommendations and offers al"),
    ],
)
def test_both_refuse_in_the_same_words(
    path: str, value: Any, words: str, api_server_verdict: Verdict
) -> None:
    """One explanation, wherever it is met."""
    document = changed(path, value)
    (ours,) = parse_objective(yaml.safe_dump(document))[1]
    assert words in str(ours)
    assert sum(words in complaint for complaint in api_server_verdict(document)) == 1


PLACES = [
    *("apiVersion", "metadata", "metadata/labels", "metadata/labels/team", "metadata/annotations"),
    *("spec", "spec/propensity", "spec/propensity/event", WHERE, f"{WHERE}/item.brand", DURATION),
    *("spec/churn", "spec/churn/within", "spec/churn/where", "spec/population", "spec/new", NAME),
    *("spec/population/active_within", "spec/training", "spec/training/cutoffs", SCHEDULE),
    *("spec/training/every", "spec/training/seed", "spec/training/minimum_positives", REPLICAS),
    *("spec/serving", f"{REPLICAS}/min", f"{REPLICAS}/max", "spec/monitoring", f"{WHERE}/item."),
    INDEX,
    *(EXPERIMENT, f"{EXPERIMENT}/holdout", SHARES, f"{EXPERIMENT}/layer", f"{EXPERIMENT}/alpha"),
    *("spec/monitoring/schedule", "spec/monitoring/retrain", "spec/monitoring/retrain/cooldown"),
    *("spec/monitoring/retrain/margin", "spec/monitoring/retrain/guard", "spec/serving/shadow"),
]
CRON = st.from_regex(
    r"\A( {0,2}([0-9]{1,2}|\*|mon|Dec)([-/,]([0-9]{1,2}|fri|jul)){0,2}){4,6} ?\Z", fullmatch=True
)
VALUES = st.one_of(
    st.sampled_from([ABSENT, None, True, "", "28d", "5%", "x", [], {}, {"within": "9d"}, 1.0, 0.5]),
    st.sampled_from([ARMS, [], METRICS, TRIAL, {"holdout": "5%"}]),
    st.integers(-2, 12),
    st.from_regex(r"\A[0-9]{1,6}[hdwm]?\Z"),
    CRON,
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), VALUES), min_size=1, max_size=2))
def test_verdicts_agree_on_any_change(
    changes: list[tuple[str, Any]], api_server_verdict: Verdict
) -> None:
    """Two places of a good objective get values of any kind."""
    document = copy.deepcopy(FULL)
    for path, value in changes:
        put(document, path.split("/"), value)
    assert (api_server_verdict(document) == []) == is_valid(document), document


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(schedule=CRON)
def test_verdicts_agree_on_any_schedule(schedule: str, api_server_verdict: Verdict) -> None:
    """Five fields or not, in range or not, forwards or not."""
    document = changed(SCHEDULE, schedule)
    assert (api_server_verdict(document) == []) == is_valid(document), schedule


def put(document: Any, path: list[str], value: Any) -> None:
    for key in path[:-1]:
        if not isinstance(document, dict):
            return
        document = document.setdefault(key, {})
    if isinstance(document, dict):
        document[path[-1]] = value
        if value is ABSENT:
            del document[path[-1]]


def is_valid(document: Any) -> bool:
    try:
        Objective.model_validate(document)
    except ValidationError:
        return False
    return True


def test_a_null_is_a_key_left_out() -> None:
    """As the API server treats it: the default applies."""
    nulls = changed("spec/population", None)
    assert Objective.model_validate(nulls) == Objective.model_validate(
        changed("spec/population", ABSENT)
    )


@pytest.mark.parametrize(
    "status",
    [
        ObjectiveStatus(),
        ObjectiveStatus(
            phase="Serving",
            training=TrainingStatus(started="2026-01-01T00:00:00Z"),
            conditions=[
                Condition(
                    type="Trained",
                    status="True",
                    reason="Promoted",
                    lastTransitionTime="2026-01-01T00:00:00Z",
                )
            ],
        ),
    ],
)
def test_what_the_operator_reports_fits(
    status: ObjectiveStatus, api_server_verdict: Verdict
) -> None:
    """A status that Kubernetes refused would stop the operator."""
    assert api_server_verdict({**FULL, "status": status.model_dump(mode="json")}) == []


def test_a_misspelt_status_does_not_fit(api_server_verdict: Verdict) -> None:
    """The test above can fail."""
    assert api_server_verdict({**FULL, "status": {"phase": "Serving!", "modle": "1"}}) != []
