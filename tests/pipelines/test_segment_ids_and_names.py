"""A segment keeps its id as long as it keeps its users, and is called by what sets it apart."""

import numpy as np
import pytest

from tidemill_pipelines.segmenting.factors import FactorColumn
from tidemill_pipelines.segmenting.matching import first_ids, matched_ids
from tidemill_pipelines.segmenting.naming import names, standings

VISITS = FactorColumn("visits", "count", "visit", "", "")
TEA = FactorColumn("tea", "count", "tea", "", "")
VISIT = FactorColumn("visit", "recency", "visit", "", "")


def labels(*sizes):
    return np.repeat(np.arange(len(sizes)), sizes)


def told(raw, kinds, *columns):
    raw = np.asarray(raw, dtype=np.float32)
    return [standings(raw, kinds == kind, columns) for kind in range(kinds.max() + 1)]


def test_the_first_ids_go_by_size():
    """The largest segment is S1."""
    assert first_ids(labels(10, 30, 20), 3).ids == ["S3", "S1", "S2"]


def test_ids_follow_their_users():
    """Whatever position a segment has this time."""
    before, now = labels(30, 20, 10), np.array([2] * 30 + [0] * 20 + [1] * 10)
    found = matched_ids(now, 3, before, ["S1", "S2", "S3"], 4)
    assert found.ids == ["S2", "S3", "S1"]
    assert (found.next_number, found.gone) == (4, [])


def test_a_new_segment_gets_a_number_that_was_never_used():
    """S2 has lost most of its users, and what is there instead is not called S2 again."""
    before, now = labels(60, 40), np.array([0] * 60 + [1] * 10 + [0] * 10 + [2] * 20)
    found = matched_ids(now, 3, before, ["S1", "S2"], 7)
    assert found.ids == ["S1", "S7", "S2"]
    split = matched_ids(np.array([0] * 60 + [1] * 19 + [2] * 21), 3, before, ["S1", "S2"], 7)
    assert split.ids == ["S1", "S7", "S2"]


def test_less_than_half_the_users_is_another_segment():
    """It is gone, and the report says so."""
    found = matched_ids(labels(40, 30, 30), 3, labels(100), ["S1"], 2)
    assert found.ids == ["S2", "S3", "S4"]
    assert found.gone == ["S1"]


def test_a_segment_is_called_by_what_is_unusual():
    """Not by what most users are like anyway."""
    kinds = labels(10, 10, 30)
    raw = np.column_stack([np.repeat([20, 1, 0], [10, 10, 30]), np.repeat([0, 9, 0], [10, 10, 30])])
    found = names(told(raw, kinds, VISITS, TEA))
    assert found == ["high visits", "high tea, high visits", "like most"]


def test_who_never_did_it_is_told_from_who_did_long_ago():
    """A missing recency is the longest of all."""
    raw = np.repeat([1, 80, np.nan], 20)[:, None]
    assert names(told(raw, labels(20, 20, 20), VISIT)) == [
        "recent visit",
        "like most",
        "never visit",
    ]


def test_no_two_segments_have_one_name():
    """Where words do not tell them apart, numbers do."""
    kinds = labels(20, 20, 40)
    raw = np.repeat([30, 40, 1], [20, 20, 40])[:, None]
    assert names(told(raw, kinds, VISITS)) == ["high visits", "high visits (2)", "low visits"]


def test_effects_are_cliffs_delta():
    """1 when every user of the segment has more than everybody else."""
    (first,), _ = told([[5], [6], [1], [2]], labels(2, 2), VISITS)
    assert first.effect == pytest.approx(1)
    assert (first.median, first.median_of_all) == (5.5, 3.5)
