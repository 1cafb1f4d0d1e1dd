"""Nothing is divided where there is nothing to divide by, or nobody."""

from datetime import timedelta

import pytest

from tidemill.errors import NotReadyError
from tidemill.objective.segmenting import Factor, Segmentation
from tidemill_features.catalog import Catalog
from tidemill_pipelines.segmenting.factors import factor_columns, factor_signals
from tidemill_pipelines.segmenting.readiness import check_segment_readiness

SPEC = "segmentation: {factors: [{name: visits, event: visit}, {name: orders, event: order}]}"


@pytest.fixture
def con(con_of, shop_events):
    return con_of(shop_events(200, 100))


def test_users_and_the_older_instant_are_named(con, cutoff, objective_of):
    """Twenty-eight days before, unless `training.every` says otherwise."""
    readiness = check_segment_readiness(con, objective_of(SPEC), cutoff)
    assert 150 < readiness.users <= 200
    assert readiness.older == cutoff - timedelta(days=28)
    assert readiness.note == ""


def test_a_short_log_is_divided_without_older_data(con_of, shop_events, cutoff, objective_of):
    """And it is said that this was not looked at."""
    con = con_of(shop_events(200, 40))
    readiness = check_segment_readiness(con, objective_of(SPEC), cutoff)
    assert readiness.older is None
    assert "too short to look for the same segments" in readiness.note


def test_a_factor_that_never_happens_is_refused(con, cutoff, objective_of):
    """By its name, with the event that was probably meant."""
    declared = objective_of("segmentation: {factors: [{name: often, event: visits}]}")
    with pytest.raises(NotReadyError, match="factor 'often': 'visits' never occurs") as error:
        check_segment_readiness(con, declared, cutoff)
    assert error.value.hint == "did you mean 'visit'?"


def test_conditions_that_never_hold_are_refused(con, cutoff, objective_of):
    """The event is there, so the conditions are what to look at."""
    declared = objective_of(
        'segmentation: {factors: [{name: a, event: visit, where: {property.device: "fax"}}]}'
    )
    with pytest.raises(NotReadyError, match="where property.device = fax never occurs") as error:
        check_segment_readiness(con, declared, cutoff)
    assert error.value.hint == "check the conditions of `where`"


def test_too_few_users_are_refused(con_of, shop_events, cutoff, objective_of):
    """With both numbers."""
    with pytest.raises(NotReadyError, match="users have been active .* at least 100"):
        check_segment_readiness(con_of(shop_events(60, 100)), objective_of(SPEC), cutoff)


@pytest.mark.parametrize("where", [{}, {"property.kind": "web"}])
@pytest.mark.parametrize(
    ("measure", "within"),
    [
        *(("count", within) for within in (None, "14d", "28d", "56d", "112d")),
        *(("value", within) for within in (None, "28d", "112d")),
        *(("recency", None), ("weeks", None)),
    ],
)
def test_every_factor_is_among_the_features(measure, within, where):
    """Whatever may be declared, also of some events only."""
    factor = Factor(name="it", event="order", measure=measure, within=within, where=where)
    declared = Segmentation(factors=[factor])
    (column,) = factor_columns(declared)
    assert {column.feature, column.count} <= set(Catalog(tuple(factor_signals(declared))).names)
