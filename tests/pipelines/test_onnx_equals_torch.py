"""What ships is the ONNX file, and it gives the numbers that were trained."""

import numpy as np
import onnx
import pytest
import torch

from tidemill.bundle import INPUT_NAME, OUTPUT_NAME
from tidemill.errors import BundleError
from tidemill_pipelines.export import export, largest_difference
from tidemill_pipelines.models.preprocess import Preprocess
from tidemill_pipelines.models.wide_deep import WideDeep, fit_deep, fit_wide, score
from tidemill_pipelines.onnx_file import open_session, run

WIDTH = 12


def hard_rows(count, seed=0):
    """Heavy tails, holes, zeros, negatives, and numbers no feature ever has."""
    rng = np.random.default_rng(seed)
    rows = rng.lognormal(1, 3, (count, WIDTH)) * rng.choice([-1, 0, 1, 1, 1], (count, WIDTH))
    rows[rng.random(rows.shape) < 0.2] = np.nan
    rows[rng.random(rows.shape) < 0.01] = 3e38
    rows[rng.random(rows.shape) < 0.01] = np.inf
    return rows.astype(np.float32)


@pytest.fixture(scope="module", params=[0.0, 0.5], ids=["wide", "wide and deep"])
def exported(request, tmp_path_factory):
    """The torch model and its file."""
    rows = np.nan_to_num(hard_rows(400, seed=1), posinf=1e6)
    labels = torch.from_numpy((rows[:, 0] > 1).astype(np.float32))
    preprocess = Preprocess(rows)
    inputs = preprocess(torch.from_numpy(rows))
    deep = [fit_deep(inputs, labels, seed) for seed in range(2)]
    model = WideDeep(preprocess, fit_wide(inputs, labels, 0.01), deep, request.param)
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    export(model, WIDTH, path)
    return model, path


@pytest.mark.parametrize("batch", [1, 2, 7, 10_000])
def test_scores_are_the_same(exported, batch):
    """Within 1e-5, at every batch size, for every kind of row."""
    model, path = exported
    rows = hard_rows(batch)
    torch_scores, onnx_scores = score(model, rows), run(open_session(path), rows)
    assert onnx_scores.shape == (batch,)
    assert np.abs(torch_scores - onnx_scores).max() <= 1e-5


def test_scores_are_probabilities(exported):
    """Finite and between 0 and 1, for a row of nothing as well, and not all the same."""
    rows = np.vstack([hard_rows(500), np.full((1, WIDTH), np.nan, dtype=np.float32)])
    scores = run(open_session(exported[1]), rows)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert scores.std() > 0.05


def test_one_row_does_not_depend_on_its_neighbours(exported):
    """Alone or in a batch, to the last digits."""
    session, rows = open_session(exported[1]), hard_rows(64)
    alone = [run(session, row[None])[0] for row in rows]
    np.testing.assert_allclose(run(session, rows), alone, atol=1e-6)


def test_the_batch_dimension_is_free(exported):
    """Named in the file, and so are input and output."""
    graph = onnx.load(exported[1]).graph
    assert ([graph.input[0].name], [graph.output[0].name]) == ([INPUT_NAME], [OUTPUT_NAME])
    batch, width = graph.input[0].type.tensor_type.shape.dim
    assert batch.dim_param
    assert width.dim_value == WIDTH


def test_the_model_is_one_file(exported):
    """Weights inside, nothing beside it."""
    path = exported[1]
    assert [found.name for found in path.parent.iterdir()] == ["model.onnx"]
    tensors = onnx.load(path, load_external_data=False).graph.initializer
    assert tensors
    assert not any(tensor.external_data for tensor in tensors)


def test_a_deviating_file_is_refused(exported):
    """Another model's file does not pass for this one's."""
    model, path = exported
    rows = np.nan_to_num(hard_rows(50), posinf=0)
    assert largest_difference(model, path, rows) <= 1e-5
    other = WideDeep(model.preprocess, torch.nn.Linear(WIDTH, 1), (), 0.0)
    with pytest.raises(BundleError, match="ONNX and torch differ by"):
        largest_difference(other, path, rows)
