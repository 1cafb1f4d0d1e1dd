"""One ONNX graph from histories to the best items: the model in torch, the choice behind it.

Inputs and outputs are those of tidemill.recommendation.bundle. The choice is written in ONNX's own
text form, because the places it changes in the [n, I] scores must be changed where they are: a
scatter works in place as long as nothing else reads its input, and the mask of what is allowed
costs a factored model nothing when it is the bias of its matrix product.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper, parser

from tidemill.errors import BundleError
from tidemill.recommendation.bundle import (
    ACTIVITY_INPUT,
    ALLOWED,
    CONTEXT,
    COUNT,
    EXCLUDED,
    FACTS_INPUT,
    HISTORY,
    ITEM_OUTPUT,
    QUERY_OUTPUT,
    REPEAT_OUTPUT,
    SCORE_OUTPUT,
    VECTORS_OUTPUT,
)
from tidemill.recommendation.interests import ACTIVITY, FACTS
from tidemill_pipelines.export import OPSET
from tidemill_pipelines.recommending.slim import share_weights

_LOGITS = "logits"
_LARGEST = 1_900_000_000
"""Bytes of weights; a file of protocol buffers ends at 2 GiB."""
_PUBLIC = {ITEM_OUTPUT, SCORE_OUTPUT, VECTORS_OUTPUT}
_DYNAMIC = {
    HISTORY: {0: "n", 1: "L"},
    FACTS_INPUT: {0: "n", 1: "L"},
    ACTIVITY_INPUT: {0: "n"},
    CONTEXT: {0: "n"},
}

# For an index beside the graph, a k of 0 asks for queries alone: nothing is ranked then.
# Items whose score becomes "nothing" may not be offered. A place of -1 changes nothing: it stands
# for item 0 and offers a value that no minimum or maximum takes.
_ASKED = """
  everybody = Shape <end = 1> (history)
  at_least = Min(k, single)
  upto = Mul(everybody, at_least)
  asked_query = Slice(query, start, upto)
  asked_history = Slice(history, start, upto)
  asked_repeat = Slice(repeat, start, upto)
  asked_excluded = Slice(excluded, start, upto)
"""
_OWN_SCORES = """
  own_place = Max(asked_history, zero)
  is_own = GreaterOrEqual(asked_history, zero)
  masks = Shape(allowed)
  last_mask = Gather(masks, zero)
  last = Sub(last_mask, one)
  sizes = Shape(asked_history)
  users = Gather(sizes, zero)
  rows = Range(zero, users, one)
  mask_row = Min(rows, last)
  mask_start = Mul(mask_row, items)
  mask_starts = Unsqueeze(mask_start, second)
  mask_place = Add(mask_starts, own_place)
  mask = Reshape(allowed, flat)
  is_allowed = Gather(mask, mask_place)
  is_offered = And(is_own, is_allowed)
  own_score = Where(is_offered, asked_repeat, nothing)
  cleared = Where(is_own, nothing, anything)
  without_own = ScatterElements <axis = 1, reduction = "min"> (product, own_place, cleared)
  scored = ScatterElements <axis = 1, reduction = "max"> (without_own, own_place, own_score)
"""
_PRODUCT = """
  bias = Where(allowed, nil, nothing)
  {product} = Gemm <transB = 1> (asked_query, item_vectors, bias)
"""
_MASKED = "scored = Where(allowed, logits, nothing)"
_WORTH = """
  is_open = Greater(scored, nothing)
  chance = Sigmoid(scored)
  expected = Mul(chance, values)
  worth = Where(is_open, expected, nothing)
"""
_BEST = """
  struck_place = Max({struck}, zero)
  is_struck = GreaterOrEqual({struck}, zero)
  strike = Where(is_struck, nothing, anything)
  open = ScatterElements <axis = 1, reduction = "min"> ({ranked}, struck_place, strike)
  most = Min(k, all)
  best, place = TopK(open, most)
  is_found = Greater(best, nothing)
  item = Where(is_found, place, none)
"""
_CHANCE = """
  best_chance = Sigmoid(best)
  score = Where(is_found, best_chance, nil)
"""
_EXPECTED = "score = Where(is_found, best, nil)"
_FULL_SIZE = ("product", "without_own", "scored", "worth", "open")


def export_recommender(
    module: torch.nn.Module,
    *,
    items: int,
    values: NDArray[np.float32] | None,
    repeats: bool,
    is_factored: bool,
    path: Path,
) -> None:
    """Write the whole recommender to `path`, one file with its weights inside.

    The module is given every history with one place of -1 behind it, so never an empty one.
    `module(history, facts, activity, context)` gives log odds [n, items]; a factored one also has
    `query` of the same arguments, `item_vectors` [items, d] and `repeat(history, facts, activity)`
    [n, L]. `values` [items] makes the score an expected value; without `repeats` nothing of the
    history is offered. Raises BundleError when the weights do not fit into one file.
    """
    _check_size(module)
    _export_torch(_Factors(module) if is_factored else _Dense(module), is_factored, path)
    model = onnx.load(path)
    constants = _constants(items, values)
    width = None
    if is_factored:
        constants[VECTORS_OUTPUT] = _array(module.item_vectors)
        width = constants[VECTORS_OUTPUT].shape[1]
    _append(model.graph, _choice(is_factored, repeats, values is not None), constants)
    _declare(model.graph, items, width)
    share_weights(model.graph)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _check_size(module: torch.nn.Module) -> None:
    weights = sum(each.numel() * each.element_size() for each in module.state_dict().values())
    if weights > _LARGEST:
        raise BundleError(
            f"the model has {weights / 2**30:.1f} GB of weights, more than one ONNX file may hold "
            f"({_LARGEST / 2**30:.1f} GB)",
            hint="choose from fewer items: `items.minimum_users`, `items.where`",
        )


class _Dense(torch.nn.Module):
    """A model that never sees an empty history: every row ends with a place of -1."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module: Any = module

    def forward(
        self,
        history: torch.Tensor,
        facts: torch.Tensor,
        activity: torch.Tensor,
        context: torch.Tensor,
    ) -> torch.Tensor:
        scores: torch.Tensor = self.module(*with_end(history, facts), activity, context)
        return scores


class _Factors(_Dense):
    """The parts of a factored model that depend on the user."""

    def forward(  # type: ignore[override]  # two outputs are what it is for
        self,
        history: torch.Tensor,
        facts: torch.Tensor,
        activity: torch.Tensor,
        context: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        ended = with_end(history, facts)
        query = self.module.query(*ended, activity, context)
        repeat = self.module.repeat(*ended, activity)
        return query, repeat[:, : history.shape[1]]


def with_end(history: torch.Tensor, facts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Histories [n, L + 1] and their facts, with a place of -1 behind each."""
    pad = torch.nn.functional.pad
    return pad(history, (0, 1), value=-1), pad(facts, (0, 0, 0, 1))


def _export_torch(module: torch.nn.Module, is_factored: bool, path: Path) -> None:
    # Two users and three items, because the exporter takes sizes of 0 and 1 for constants.
    example = {
        HISTORY: torch.tensor([[0, -1, -1], [-1, -1, -1]]),
        FACTS_INPUT: torch.zeros((2, 3, len(FACTS))),
        ACTIVITY_INPUT: torch.zeros((2, len(ACTIVITY))),
        CONTEXT: torch.tensor([-1, -1]),
    }
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            module.eval(),
            tuple(example.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(example),
            output_names=[QUERY_OUTPUT, REPEAT_OUTPUT] if is_factored else [_LOGITS],
            dynamic_shapes=tuple(_DYNAMIC.values()),
            external_data=False,
            # The exporter's own optimiser takes an epsilon of 1e-12 for zero and leaves it out.
            optimize=False,
            verbose=False,
        )
    assert program is not None  # noqa: S101  # None only for dynamo=False
    program.save(path)


def _choice(is_factored: bool, repeats: bool, is_valued: bool) -> str:
    """The steps from a model's outputs to the best items, in ONNX's text form."""
    steps = [_MASKED]
    if is_factored:
        steps = [_ASKED, _PRODUCT.format(product="product" if repeats else "scored")]
        steps += [_OWN_SCORES] if repeats else []
    if is_valued:
        steps.append(_WORTH)
    of_whom = "asked_" if is_factored else ""
    if not repeats:
        steps.append(f"unwanted = Concat <axis = 1> ({of_whom}history, {of_whom}excluded)")
    best = _BEST.format(
        struck=f"{of_whom}excluded" if repeats else "unwanted",
        ranked="worth" if is_valued else "scored",
    )
    return "\n".join([*steps, best, _EXPECTED if is_valued else _CHANCE])


def _constants(items: int, values: NDArray[np.float32] | None) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {
        "nothing": np.array(-np.inf, np.float32),
        "anything": np.array(np.inf, np.float32),
        "nil": np.array(0, np.float32),
        "zero": np.array(0),
        "one": np.array(1),
        "none": np.array(-1),
        "flat": np.array([-1]),
        "second": np.array([1]),
        "single": np.array([1]),
        "start": np.array([0]),
        "items": np.array(items),
        "all": np.array([items]),
    }
    if values is not None:
        found["values"] = values.astype(np.float32)
    return found


def _append(graph: onnx.GraphProto, choice: str, constants: dict[str, NDArray[Any]]) -> None:
    """Add the nodes of the choice behind those of torch, with the constants that they read."""
    tail = parser.parse_graph(f"choice () => () {{ {choice} }}")
    made = {name for node in tail.node for name in node.output}
    names = {name: f"choice.{name}" for name in made | constants.keys() if name not in _PUBLIC}
    read = {name for node in tail.node for name in node.input}
    for node in tail.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    graph.node.extend(tail.node)
    for name in constants.keys() & read:
        graph.initializer.append(numpy_helper.from_array(constants[name], names.get(name, name)))
    # ONNX Runtime works in place only where it can prove that the shapes are equal.
    size = int(constants["items"])
    rows = "asked" if "asked_query" in made else "n"
    for name in made.intersection(_FULL_SIZE):
        graph.value_info.append(_tensor(names[name], onnx.TensorProto.FLOAT, rows, size))


def _declare(graph: onnx.GraphProto, items: int, width: int | None) -> None:
    """Inputs and outputs as tidemill.recommendation.bundle has them; `width` of the factors."""
    kinds = onnx.TensorProto
    graph.input.extend(
        [
            _tensor(ALLOWED, kinds.BOOL, "m", items),
            _tensor(EXCLUDED, kinds.INT64, "n", "E"),
            _tensor(COUNT, kinds.INT64, 1),
        ]
    )
    del graph.output[:]
    graph.output.extend(
        [
            _tensor(ITEM_OUTPUT, kinds.INT64, "n", "offered"),
            _tensor(SCORE_OUTPUT, kinds.FLOAT, "n", "offered"),
        ]
    )
    if width is not None:
        graph.output.extend(
            [
                _tensor(QUERY_OUTPUT, kinds.FLOAT, "n", width),
                _tensor(VECTORS_OUTPUT, kinds.FLOAT, items, width),
                _tensor(REPEAT_OUTPUT, kinds.FLOAT, "n", "L"),
            ]
        )


def _tensor(name: str, kind: int, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _array(tensor: Any) -> NDArray[np.float32]:
    return np.asarray(tensor.detach().cpu().numpy(), np.float32)
