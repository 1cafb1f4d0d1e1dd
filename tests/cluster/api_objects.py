"""The objects of the API double: versions, conflicts, deletion, garbage collection, history."""

from __future__ import annotations

import threading
import uuid
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import jsonpatch
import orjson
from api_kinds import BUILT_IN, Kind, Manifest, kinds_of
from api_patches import apply_over, merge_patch

Key = tuple[str, str]
"""Namespace ("" for objects of the whole cluster) and name."""
DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
_SERVER_FIELDS = ("uid", "creationTimestamp", "generation", "resourceVersion", "managedFields")


class Refused(Exception):  # noqa: N818 - it is an answer
    """An answer that is not 2xx."""

    def __init__(
        self, status: int, reason: str, message: str, details: Manifest | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.details = status, reason, message, details


@dataclass(frozen=True)
class Change:
    """One entry of the history that watches replay."""

    revision: int
    type: str
    object: Manifest
    before: Manifest | None


class Objects:
    """All objects, by kind and key. Stored objects are never changed, only replaced."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.revision = 1
        self.oldest = 0
        """Watches from before this revision are told that it is gone."""
        self.listeners: set[Callable[[], None]] = set()
        self.checks: dict[str, Callable[[Manifest], Mapping[str, str]]] = {}
        self._stored: dict[str, dict[Key, Manifest]] = defaultdict(dict)
        self._history: dict[str, list[Change]] = defaultdict(list)
        self._dependents: dict[str, set[tuple[Kind, Key]]] = defaultdict(set)
        self._applied: dict[tuple[str, Key], dict[str, Manifest]] = defaultdict(dict)
        self._uids: set[str] = set()
        self._kinds = BUILT_IN

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Everything that is served now."""
        return self._kinds

    def all(self, kind: Kind, namespace: str = "") -> list[Manifest]:
        """In the order of their names; of all namespaces when none is named."""
        with self.lock:
            stored = self._stored[kind.qualified]
            return [stored[key] for key in sorted(stored) if namespace in ("", key[0])]

    def get(self, kind: Kind, key: Key) -> Manifest:
        with self.lock:
            found = self._stored[kind.qualified].get(key)
        if found is None:
            raise Refused(
                404, "NotFound", f'{kind.qualified} "{key[1]}" not found', _named(kind, key)
            )
        return found

    def history(self, kind: Kind, since: int) -> list[Change]:
        with self.lock:
            changes = self._history[kind.qualified]
            return changes[bisect_right(changes, since, key=lambda change: change.revision) :]

    def create(self, kind: Kind, namespace: str, body: Manifest) -> Manifest:
        metadata = body.get("metadata") or {}
        if "name" not in metadata and metadata.get("generateName"):
            metadata = {**metadata, "name": f"{metadata['generateName']}{uuid.uuid4().hex[:5]}"}
        if not metadata.get("name"):
            raise _invalid(kind, "", {"metadata.name": "Required value: name is required"})
        key = (namespace, metadata["name"])
        with self.lock:
            if key in self._stored[kind.qualified]:
                message = f'{kind.qualified} "{key[1]}" already exists'
                raise Refused(409, "AlreadyExists", message, _named(kind, key))
            self._check_namespace(namespace)
            return self._put(kind, key, {**body, "metadata": metadata}, None)

    def update(self, kind: Kind, key: Key, body: Manifest, subresource: str = "") -> Manifest:
        with self.lock:
            return self._change(kind, key, lambda before: body, subresource)

    def patch(self, kind: Kind, key: Key, patch: Manifest, subresource: str = "") -> Manifest:
        with self.lock:
            return self._change(kind, key, lambda before: merge_patch(before, patch), subresource)

    def json_patch(
        self, kind: Kind, key: Key, patch: list[Manifest], subresource: str = ""
    ) -> Manifest:
        def change(before: Manifest) -> Any:
            try:
                return jsonpatch.apply_patch(before, patch)
            except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
                raise Refused(422, "Invalid", f"the patch does not fit: {error}") from error

        with self.lock:
            return self._change(kind, key, change, subresource)

    def apply(
        self, kind: Kind, key: Key, body: Manifest, manager: str, subresource: str = ""
    ) -> Manifest:
        with self.lock:
            applied = self._applied[kind.qualified, key]
            others = [earlier for name, earlier in applied.items() if name != manager]
            kept = dict(applied)
            applied[manager] = body
            try:
                if key not in self._stored[kind.qualified]:
                    metadata = {**(body.get("metadata") or {}), "name": key[1]}
                    return self.create(kind, key[0], {**body, "metadata": metadata})
                last = kept.get(manager, {})
                merge = partial(apply_over, applied=body, applied_before=last, by_others=others)
                return self._change(kind, key, merge, subresource)
            except Refused:
                self._applied[kind.qualified, key] = kept
                raise

    def delete(self, kind: Kind, key: Key, options: Manifest | None = None) -> Manifest:
        with self.lock:
            before = self.get(kind, key)
            wanted = ((options or {}).get("preconditions") or {}).get("uid")
            if wanted not in (None, before["metadata"]["uid"]):
                raise _conflict(kind, key, "the UID in the precondition is another")
            if before["metadata"].get("finalizers"):
                stamp = {"deletionTimestamp": _now(), "deletionGracePeriodSeconds": 0}
                metadata = {**stamp, **before["metadata"]}
                return self._put(kind, key, {**before, "metadata": metadata}, before)
            return self._remove(kind, key, before)

    def forget_history(self) -> None:
        with self.lock:
            self.oldest = self.revision
            self._history.clear()

    def _change(
        self, kind: Kind, key: Key, change: Callable[[Manifest], Manifest], subresource: str
    ) -> Manifest:
        before = self.get(kind, key)
        after = change(before)
        wanted = (after.get("metadata") or {}).get("resourceVersion")
        if wanted not in (None, before["metadata"]["resourceVersion"]):
            raise _conflict(kind, key, "the object has been modified; please apply your changes to "
                            "the latest version and try again")  # fmt: skip
        if subresource == "status":
            after = {**before, "status": after.get("status")}
        elif kind.has_status:
            after = {**after, "status": before.get("status")}
        return self._put(kind, key, after, before)

    def _put(self, kind: Kind, key: Key, body: Manifest, before: Manifest | None) -> Manifest:
        after = self._completed(kind, key, body, before)
        if before is not None and after == before:
            return before
        self._check(kind, key, after)
        if after["metadata"].get("deletionTimestamp") and not after["metadata"].get("finalizers"):
            return self._remove(kind, key, after)
        self.revision += 1
        after["metadata"]["resourceVersion"] = str(self.revision)
        self._stored[kind.qualified][key] = after
        self._uids.add(after["metadata"]["uid"])
        for owner in _owners(after):
            self._dependents[owner].add((kind, key))
        self._record(kind, "MODIFIED" if before else "ADDED", after, before)
        self._collect_orphan(kind, key, after)
        return after

    def _completed(self, kind: Kind, key: Key, body: Manifest, before: Manifest | None) -> Manifest:
        """With what the server itself fills in; a copy."""
        after: Manifest = orjson.loads(orjson.dumps(body))
        if after.get("status") is None or (before is None and kind.has_status):
            after.pop("status", None)
        given = {k: v for k, v in (after.get("metadata") or {}).items() if k not in _SERVER_FIELDS}
        if before is None:
            own = {"uid": str(uuid.uuid4()), "creationTimestamp": _now()}
            own |= {"generation": 1} if kind.has_status else {}
        else:
            had = before["metadata"]
            own = {name: had[name] for name in _SERVER_FIELDS if name in had}
            if kind.has_status and _intent(after) != _intent(before):
                own["generation"] += 1
        applied = self._applied.get((kind.qualified, key), {})
        fields = [{"manager": name, "operation": "Apply"} for name in sorted(applied)]
        own |= {"managedFields": fields} if fields else {}
        place = {"namespace": key[0]} if key[0] else {}
        after["metadata"] = {**given, "name": key[1], **place, **own}
        return {"apiVersion": kind.api_version, "kind": kind.kind, **after}

    def _remove(self, kind: Kind, key: Key, last: Manifest) -> Manifest:
        self.revision += 1
        gone = {**last, "metadata": {**last["metadata"], "resourceVersion": str(self.revision)}}
        before = self._stored[kind.qualified].pop(key)
        self._record(kind, "DELETED", gone, before)
        uid = gone["metadata"]["uid"]
        self._uids.discard(uid)
        self._applied.pop((kind.qualified, key), None)
        for dependent, at in self._dependents.pop(uid, set()):
            if at in self._stored[dependent.qualified]:
                self._collect_orphan(dependent, at, self.get(dependent, at))
        return gone

    def _collect_orphan(self, kind: Kind, key: Key, found: Manifest) -> None:
        """What says that it is owned, by something that is not there, is deleted."""
        owners = _owners(found)
        if owners and not owners & self._uids and not found["metadata"].get("deletionTimestamp"):
            self.delete(kind, key)

    def _record(self, kind: Kind, type_: str, after: Manifest, before: Manifest | None) -> None:
        self._history[kind.qualified].append(Change(self.revision, type_, after, before))
        if kind.qualified == DEFINITIONS:
            self._serve_definitions()
        for listener in list(self.listeners):
            listener()

    def _serve_definitions(self) -> None:
        definitions = self._stored[DEFINITIONS].values()
        custom = [kind for definition in definitions for kind in kinds_of(definition)]
        for lost in set(self._kinds) - {*BUILT_IN, *custom}:
            self._stored.pop(lost.qualified, None)
        self._kinds = (*BUILT_IN, *custom)

    def _check(self, kind: Kind, key: Key, after: Manifest) -> None:
        if kind.kind in self.checks:
            problems = self.checks[kind.kind](after)
            if problems:
                raise _invalid(kind, key[1], problems)

    def _check_namespace(self, namespace: str) -> None:
        if namespace and ("", namespace) not in self._stored["namespaces"]:
            details = {"name": namespace, "kind": "namespaces"}
            raise Refused(404, "NotFound", f'namespaces "{namespace}" not found', details)


def _intent(found: Manifest) -> Manifest:
    return {name: part for name, part in found.items() if name not in ("metadata", "status")}


def _owners(found: Manifest) -> set[str]:
    return {owner["uid"] for owner in found["metadata"].get("ownerReferences", [])}


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _named(kind: Kind, key: Key) -> Manifest:
    return {"name": key[1], "group": kind.group, "kind": kind.plural}


def _conflict(kind: Kind, key: Key, why: str) -> Refused:
    message = f'Operation cannot be fulfilled on {kind.qualified} "{key[1]}": {why}'
    return Refused(409, "Conflict", message, _named(kind, key))


def _invalid(kind: Kind, name: str, problems: Mapping[str, str]) -> Refused:
    causes = [{"field": field, "message": message} for field, message in problems.items()]
    text = ", ".join(f"{field}: {message}" for field, message in problems.items())
    message = f'{kind.kind} "{name}" is invalid: {text}'
    return Refused(422, "Invalid", message, {**_named(kind, ("", name)), "causes": causes})


def selected(objects: list[Manifest], labels: str, fields: str) -> Iterator[Manifest]:
    """Those that match a label selector and a field selector on the metadata."""
    return (found for found in objects if matches(found, labels, fields))


def matches(found: Manifest, labels: str, fields: str) -> bool:
    have = found["metadata"].get("labels") or {}
    by_label = all(_holds(have, part) for part in labels.split(",") if part)
    values = {f"metadata.{name}": value for name, value in found["metadata"].items()}
    if found["kind"] == "Event":
        involved = found.get("involvedObject") or {}
        values |= {f"involvedObject.{name}": value for name, value in involved.items()}
    return by_label and all(_holds(values, part) for part in fields.split(",") if part)


def _holds(have: Mapping[str, Any], part: str) -> bool:
    if "!=" in part:
        key, _, value = part.partition("!=")
        return have.get(key.strip()) != value.strip()
    key, equals, value = part.replace("==", "=").partition("=")
    if equals:
        return have.get(key.strip()) == value.strip()
    if " in " in part or " notin " in part:
        raise Refused(400, "BadRequest", f"the double has no set-based selectors: {part}")
    return key.strip() in have if not key.startswith("!") else key[1:].strip() not in have
