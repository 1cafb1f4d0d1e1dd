"""What is served divides users as training did."""

import numpy as np
import pytest

from tidemill.errors import BundleError
from tidemill_pipelines.segmenting.clustering import Division
from tidemill_pipelines.segmenting.factors import FactorColumn
from tidemill_pipelines.segmenting.graph import check_parity, divide, export_segments
from tidemill_pipelines.segmenting.scaling import Scaling

COLUMNS = (
    FactorColumn("visits", "count", "visit", "", ""),
    FactorColumn("spend", "value", "visit", "", ""),
    FactorColumn("visit", "recency", "visit", "", ""),
)
CENTRES = np.array([[-1, -1, 1], [1, 1, -1], [0, 2, 0]], dtype=np.float32)
METRIC = np.array([[2, 0, 0], [-1, 1, 0], [0.5, 0, 1]], dtype=np.float32)
DIVISION = Division(CENTRES, METRIC)


def distances(points):
    """To each centre, [n, 3]."""
    return np.linalg.norm(points[:, None] @ METRIC - CENTRES @ METRIC, axis=2)


@pytest.fixture
def raw():
    """Counts, values and recencies of a hundred users, some of whom never did it."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(2, 100)
    spend = counts * 7.5
    since = np.where(counts > 0, rng.random(100) * 90, np.nan)
    return np.column_stack([counts, spend, since]).astype(np.float32)


@pytest.fixture
def scaling(raw):
    counts = np.repeat(raw[:, :1], 3, axis=1)
    return Scaling.fit(raw, counts, COLUMNS, np.random.default_rng(1))


@pytest.fixture
def model(tmp_path, scaling):
    """The factors are the last three of four features, in another order."""
    path = tmp_path / "model.onnx"
    export_segments(path, scaling, DIVISION, [3, 1, 2], 4)
    return path


@pytest.fixture
def rows(raw):
    return np.column_stack([np.full(len(raw), np.nan), raw[:, 1], raw[:, 2], raw[:, 0]]).astype(
        "f4"
    )


def test_the_graph_divides_as_numpy_does(model, scaling, raw, rows):
    """The same segment and the same distance for everybody."""
    points = scaling.exact(raw)
    segment, distance, _ = divide(model, rows)
    assert segment.tolist() == DIVISION.assign(points).tolist()
    np.testing.assert_allclose(distance, distances(points).min(axis=1), atol=1e-4)
    assert check_parity(model, rows, points, DIVISION) < 1e-3


def test_another_division_is_noticed(model, scaling, raw, rows):
    """Before anybody is served by it."""
    with pytest.raises(BundleError, match="ONNX and NumPy differ by"):
        check_parity(model, rows, scaling.exact(raw), Division(CENTRES + 0.1, METRIC))


def test_confidence_is_how_much_nearer_the_centre_is(model, scaling, raw, rows):
    """Nothing halfway, everything at the centre."""
    away = np.sort(distances(scaling.exact(raw)), axis=1)
    _, _, confidence = divide(model, rows)
    np.testing.assert_allclose(confidence, 1 - away[:, 0] / away[:, 1], atol=1e-4)


def test_whatever_comes_in_has_a_segment(model):
    """Nothing known, negative values, and more than was ever seen."""
    rows = np.array([[np.nan] * 4, [-5] * 4, [1e30] * 4], dtype=np.float32)
    segment, distance, confidence = divide(model, rows)
    assert set(segment.tolist()) <= {0, 1, 2}
    assert np.isfinite(distance).all()
    assert np.isfinite(confidence).all()


def test_never_is_longer_ago_than_ever(scaling):
    """A missing recency lies beyond the longest there is, and a count of none below one."""
    raw = np.array([[0, 0, np.nan], [1, 7.5, 89]], dtype=np.float32)
    never, once = scaling.exact(raw)
    assert never[2] > once[2]
    assert (never[:2] < once[:2]).all()
