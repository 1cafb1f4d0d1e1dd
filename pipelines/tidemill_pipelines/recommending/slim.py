"""Graphs that hold no weights twice.

Vectors that a model looks items up in and ranks items by are exported once for each use, and a
transposition that changes nothing is a third copy as soon as ONNX Runtime folds constants.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import onnx


def share_weights(graph: onnx.GraphProto) -> None:
    """Let equal weights be one, under the name of an output where one of them is."""
    _rename_reads(graph, _drop_equal(graph))
    _rename_reads(graph, _drop_transpositions(graph))


def _drop_equal(graph: onnx.GraphProto) -> dict[str, str]:
    """Remove weights that are there twice; returns which name stands for which."""
    public = {output.name for output in graph.output}
    kept: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    instead: dict[str, str] = {}
    for weights in sorted(graph.initializer, key=lambda each: each.name not in public):
        raw = weights.raw_data
        key = (weights.data_type, tuple(weights.dims), hashlib.sha256(raw).digest())
        name = kept.setdefault(key, weights.name) if raw else weights.name
        if name != weights.name and weights.name not in public:
            instead[weights.name] = name
    for weights in [each for each in graph.initializer if each.name in instead]:
        graph.initializer.remove(weights)
    return instead


def _drop_transpositions(graph: onnx.GraphProto) -> dict[str, str]:
    """Remove those that leave every axis where it is; returns what stands for their outputs."""
    public = {output.name for output in graph.output}
    idle = [node for node in graph.node if _is_idle(node) and node.output[0] not in public]
    instead: dict[str, str] = {}
    for node in idle:
        instead[node.output[0]] = instead.get(node.input[0], node.input[0])
        graph.node.remove(node)
    return instead


def _is_idle(node: onnx.NodeProto) -> bool:
    orders = [list(each.ints) for each in node.attribute if each.name == "perm"]
    return node.op_type == "Transpose" and orders == [sorted(order) for order in orders] != []


def _rename_reads(graph: onnx.GraphProto, instead: Mapping[str, str]) -> None:
    for node in graph.node:
        node.input[:] = [instead.get(name, name) for name in node.input]
