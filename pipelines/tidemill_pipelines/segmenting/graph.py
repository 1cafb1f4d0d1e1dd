"""Scaling, distances and the nearest centre as one ONNX graph, checked against NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tidemill.bundle import INPUT_NAME
from tidemill.errors import BundleError
from tidemill.segmentation.bundle import CONFIDENCE_OUTPUT, DISTANCE_OUTPUT, SEGMENT_OUTPUT
from tidemill_pipelines.onnx_file import open_session
from tidemill_pipelines.segmenting.clustering import Division
from tidemill_pipelines.segmenting.kmeans import Labels, Points, squared_distances
from tidemill_pipelines.segmenting.scaling import FARTHEST, MIDDLE, TWICE, Scaling

_OPSET = 20
_IR_VERSION = 10
_PARITY = 1e-3
"""Standard deviations; both sides compute in single precision, in a different order."""
_TINY = np.float32(1e-12)
_ROWS_PER_RUN = 50_000
"""The graph holds a number for each row, segment and factor."""


def export_segments(
    path: Path, scaling: Scaling, division: Division, columns: list[int], width: int
) -> None:
    """Write the graph that divides as `division` does.

    `columns` are the places of the factors among the `width` features of the input.
    """
    graph = helper.make_graph(
        _nodes(),
        "segments",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, ["batch", width])],
        [
            helper.make_tensor_value_info(SEGMENT_OUTPUT, TensorProto.INT64, ["batch"]),
            helper.make_tensor_value_info(DISTANCE_OUTPUT, TensorProto.FLOAT, ["batch"]),
            helper.make_tensor_value_info(CONFIDENCE_OUTPUT, TensorProto.FLOAT, ["batch"]),
        ],
        [
            numpy_helper.from_array(values, name)
            for name, values in _constants(scaling, division, columns).items()
        ],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def divide(path: Path, rows: NDArray[np.float32]) -> tuple[Labels, Points, Points]:
    """Segment, distance and confidence of raw feature rows [n, features], each [n]."""
    session = open_session(path)
    parts = [
        session.run(None, {INPUT_NAME: rows[at : at + _ROWS_PER_RUN]})
        for at in range(0, max(len(rows), 1), _ROWS_PER_RUN)
    ]
    segment, distance, confidence = (np.concatenate(each) for each in zip(*parts, strict=True))
    return segment, distance, confidence


def check_parity(
    path: Path, rows: NDArray[np.float32], points: Points, division: Division
) -> float:
    """Largest difference of a distance to the nearest centre; `points` are of `rows`.

    Raises BundleError when it is more than a thousandth of a standard deviation.
    """
    _, distance, _ = divide(path, rows)
    centres = division.seen(division.centres)
    meant = np.sqrt(squared_distances(division.seen(points), centres).min(axis=1))
    difference = float(np.abs(distance - meant).max(initial=0))
    if not difference <= _PARITY:
        raise BundleError(f"ONNX and NumPy differ by {difference:.2e}, more than {_PARITY:.0e}")
    return difference


def _constants(
    scaling: Scaling, division: Division, columns: list[int]
) -> dict[str, NDArray[np.generic]]:
    floats = {
        "zero": np.float32(0),
        "half_step": 1 + scaling.step * MIDDLE,
        "never": scaling.never + TWICE * MIDDLE,
        "mean": scaling.mean,
        "scale": scaling.scale,
        "low": np.float32(-FARTHEST),
        "high": np.float32(FARTHEST),
        "metric": division.metric,
        "centres": division.seen(division.centres)[None],
        "tiny": _TINY,
    }
    integers = {"columns": columns, "factors": [2], "middle": [1], "two": [2]}
    return {
        **{name: np.asarray(values, dtype=np.float32) for name, values in floats.items()},
        **{name: np.asarray(values, dtype=np.int64) for name, values in integers.items()},
        "first": np.asarray(0, dtype=np.int64),
        "second": np.asarray(1, dtype=np.int64),
    }


def _nodes() -> list[onnx.NodeProto]:
    make = helper.make_node
    return [
        make("Gather", [INPUT_NAME, "columns"], ["raw"], axis=1),
        make("IsNaN", ["raw"], ["is_missing"]),
        make("Where", ["is_missing", "zero", "raw"], ["filled"]),
        make("Max", ["filled", "zero"], ["known"]),
        make("Add", ["known", "half_step"], ["raised"]),
        make("Log", ["raised"], ["logs_of_known"]),
        make("Where", ["is_missing", "never", "logs_of_known"], ["logs"]),
        make("Sub", ["logs", "mean"], ["centred"]),
        make("Div", ["centred", "scale"], ["unbounded"]),
        make("Clip", ["unbounded", "low", "high"], ["points"]),
        make("MatMul", ["points", "metric"], ["seen"]),
        make("Unsqueeze", ["seen", "middle"], ["beside"]),
        make("Sub", ["beside", "centres"], ["away"]),
        make("ReduceL2", ["away", "factors"], ["distances"], keepdims=0),
        make("TopK", ["distances", "two"], ["nearest", "which"], largest=0, sorted=1),
        make("Gather", ["which", "first"], [SEGMENT_OUTPUT], axis=1),
        make("Gather", ["nearest", "first"], [DISTANCE_OUTPUT], axis=1),
        make("Gather", ["nearest", "second"], ["next"], axis=1),
        make("Sub", ["next", DISTANCE_OUTPUT], ["margin"]),
        make("Max", ["next", "tiny"], ["beyond_zero"]),
        make("Div", ["margin", "beyond_zero"], [CONFIDENCE_OUTPUT]),
    ]
