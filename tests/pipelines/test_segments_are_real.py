"""Segments are reported where there are gaps between crowds, and only there."""

import numpy as np
import pytest

from tidemill.objective.segmenting import Segments
from tidemill_pipelines.segmenting.choosing import choose
from tidemill_pipelines.segmenting.clustering import Division, cluster
from tidemill_pipelines.segmenting.dip import dip
from tidemill_pipelines.segmenting.factors import FactorColumn
from tidemill_pipelines.segmenting.gaps import find_gaps
from tidemill_pipelines.segmenting.kmeans import nearest
from tidemill_pipelines.segmenting.partners import adjusted_rand
from tidemill_pipelines.segmenting.scaling import Scaling
from tidemill_pipelines.segmenting.stability import bootstrap_jaccard

FACULTY = (
    "30 33 35 36 37 37 39 39 39 39 39 40 40 40 40 41 42 43 43 43 44 44 45 45 46 47 47 48 48 48 "
    "49 50 50 51 52 52 53 53 53 53 53 54 54 57 57 59 60 60 60 61 61 61 61 62 62 62 62 63 66 "
    "70 72 72 72"
)
"""Ages, an example of Hartigan & Hartigan's algorithm in many packages."""
VISITS = FactorColumn("visits", "count", "visit", "visits", "visits")
SPEND = FactorColumn("spend", "value", "visit", "spend", "visits")
VISIT = FactorColumn("visit", "recency", "visit", "since", "visits")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def standardised(points):
    return ((points - points.mean(axis=0)) / points.std(axis=0)).astype(np.float32)


def crowds(rng, centres, each=150):
    """Points of normal crowds, and which crowd each is of."""
    kinds = np.repeat(np.arange(len(centres)), each)
    noise = rng.normal(size=(len(kinds), len(centres[0])))
    return standardised(np.array(centres, dtype=float)[kinds] + noise), kinds


@pytest.mark.parametrize(
    ("values", "distance"),
    [
        (np.arange(20), 1 / 40),
        (np.repeat([0, 1], 50), 0.25),
        (np.array(FACULTY.split(), dtype=float), 0.05952381),
    ],
)
def test_the_dip_is_the_published_one(values, distance):
    """Least for what is spread evenly, a quarter for two equal points."""
    assert dip(values) == pytest.approx(distance, abs=1e-8)


def test_a_crowd_cut_in_two_has_no_gap(rng):
    """However stable the cut, because a crowd is always cut where that saves most."""
    points = standardised(np.column_stack([rng.random(600), rng.normal(size=600)]))
    division = cluster(points, 2, rng, 6)
    assert bootstrap_jaccard(points, division, rng).min() > 0.75
    assert not find_gaps(points, division, rng)[0].is_clear


def test_a_small_crowd_beside_a_large_one_is_seen(rng):
    """Thirty users beside two thousand."""
    sizes = [2000, 30]
    points = np.concatenate([rng.normal([8 * at, 0], 1, (n, 2)) for at, n in enumerate(sizes)])
    division = Division(np.array([[0, 0], [8, 0]], np.float32), np.eye(2, dtype=np.float32))
    (gap,) = find_gaps(points.astype(np.float32), division, rng)
    assert gap.is_clear
    assert gap.valley < 0.1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "crowd",
    [
        lambda rng: rng.normal(size=(400, 4)),
        lambda rng: rng.random((400, 2)),
        lambda rng: rng.normal(size=(400, 4)) @ rng.normal(size=(4, 4)),
        lambda rng: np.exp(rng.normal(size=(400, 1)) + 0.3 * rng.normal(size=(400, 3))),
    ],
    ids=["noise", "uniform", "correlated", "light to heavy"],
)
def test_one_crowd_is_no_segments(crowd, seed):
    """Whatever its shape; and the reason is a number."""
    points = standardised(crowd(np.random.default_rng(seed)))
    choice = choose(points, None, Segments(max=5), seed)
    assert not choice.is_real
    assert all("there is no gap" in each.faults[0] for each in choice.tried)


@pytest.mark.parametrize("seed", range(3))
def test_crowds_are_found_as_they_were_planted(seed):
    """Their number and their members, also among factors that say nothing."""
    rng = np.random.default_rng(seed)
    points, kinds = crowds(rng, [(0, 0, 0), (6, 0, 0), (0, 6, 0), (6, 6, 0)])
    choice = choose(points, None, Segments(), seed)
    assert (choice.is_real, choice.chosen.k) == (True, 4)
    assert adjusted_rand(choice.chosen.division.assign(points), kinds) > 0.95


@pytest.mark.parametrize("seed", range(3))
def test_long_crowds_side_by_side_are_not_cut_across(seed):
    """Each is four times as long as wide, and they differ only across."""
    rng = np.random.default_rng(seed)
    kinds = np.repeat([0, 1], 300)
    along, across = 4 * rng.normal(size=600), 6 * kinds + rng.normal(size=600)
    points = standardised(np.column_stack([along + across, along - across]))
    choice = choose(points, None, Segments(max=3), seed)
    assert (choice.is_real, choice.chosen.k) == (True, 2)
    assert adjusted_rand(choice.chosen.division.assign(points), kinds) > 0.95


def test_clusters_are_as_wide_in_every_direction_as_distances_go(rng):
    """One standard deviation, though the factors they are found in go together."""
    points, _ = crowds(rng, [(0, 0), (9, 0)], each=2000)
    division = cluster(points @ np.array([[1, 0.4], [0, 1]], np.float32), 2, rng, 4)
    seen = division.seen(points @ np.array([[1, 0.4], [0, 1]], np.float32))
    away = seen - division.seen(division.centres)[nearest(seen, division.seen(division.centres))]
    np.testing.assert_allclose(away.std(axis=0), 1, atol=0.1)


def test_what_older_data_does_not_show_is_refused(rng):
    """The crowds of then were others."""
    now, _ = crowds(rng, [(0, 0), (8, 0)])
    before, _ = crowds(rng, [(0, 0), (0, 8)])
    choice = choose(now, before, Segments(max=2), 0)
    assert "older data divides users differently" in choice.chosen.faults[0]
    assert choose(now, now, Segments(max=2), 0).is_real


def test_a_crumb_is_no_segment(rng):
    """Ten users far away from everybody."""
    points = np.concatenate([rng.normal(size=(500, 2)), rng.normal(40, 1, (10, 2))])
    choice = choose(standardised(points), None, Segments(max=2), 0)
    assert choice.chosen.faults[-1] == "the smallest segment has 10 users, 20 are needed"


@pytest.mark.parametrize("rate", [0.5, 2, 20])
def test_one_purchase_more_is_no_gap(rate, rng):
    """Users who buy at one rate are one crowd, though some never have and some have once."""
    count = rng.poisson(rate, 800)
    spend = count * np.exp(rng.normal(2, 0.5, 800))
    since = np.where(count > 0, 112 * rng.random(800) / np.maximum(count, 1), np.nan)
    raw = np.column_stack([count, spend, since]).astype(np.float32)
    counts = np.repeat(count[:, None], 3, axis=1).astype(np.float32)
    columns = (VISITS, SPEND, VISIT)
    scaling = Scaling.fit(raw, counts, columns, rng)
    assert not choose(scaling.spread(raw, columns, rng), None, Segments(max=4), 0).is_real
