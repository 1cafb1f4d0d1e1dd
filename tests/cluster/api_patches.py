"""How the API double changes objects: merge patch, server-side apply, what is kept from before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Path = tuple[str, ...]


def merge_patch(value: Any, patch: Any) -> Any:
    """RFC 7386: maps are merged, null removes, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(value) if isinstance(value, dict) else {}
    for key, change in patch.items():
        if change is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), change)
    return merged


def apply_over(
    before: Mapping[str, Any],
    applied: Mapping[str, Any],
    applied_before: Mapping[str, Any],
    by_others: Iterable[Mapping[str, Any]],
) -> dict[str, Any]:
    """Server-side apply: lists replace, and what this manager applied before and not now goes."""
    kept = {path for other in by_others for path in _leaves(other)}
    gone = _leaves(applied_before) - _leaves(applied) - kept
    result: Any = dict(before)
    for path in gone:
        result = _without(result, path)
    merged: dict[str, Any] = merge_patch(result, _without_nulls(applied))
    metadata = merged["metadata"]
    for key in ("finalizers", "ownerReferences"):  # sets, of which each writer has a part
        old = before.get("metadata", {}).get(key, [])
        new = [entry for entry in metadata.get(key, []) if entry not in old]
        if old or new:
            metadata[key] = [*old, *new]
    return merged


def _leaves(value: Mapping[str, Any], at: Path = ()) -> set[Path]:
    found: set[Path] = set()
    for key, inner in value.items():
        is_map = isinstance(inner, dict) and inner
        found |= _leaves(inner, (*at, key)) if is_map else {(*at, key)}
    return found


def _without(value: Any, path: Path) -> Any:
    if not isinstance(value, dict) or path[0] not in value:
        return value
    rest = {key: inner for key, inner in value.items() if key != path[0]}
    inner = _without(value[path[0]], path[1:]) if path[1:] else None
    return {**rest, path[0]: inner} if inner not in (None, {}) else rest


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
