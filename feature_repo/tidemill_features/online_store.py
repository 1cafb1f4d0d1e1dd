"""A Feast online store that keeps one packed row per user (see tidemill.online).

`feast materialize`, push and `get_online_features` work as with any other store; the server reads
the same rows without Feast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from feast import Entity, FeatureView, RepoConfig
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import FeastConfigBaseModel

from tidemill.errors import OnlineStoreError
from tidemill.online import is_url, reader_at, writer_at

_US = 1_000_000


class PackedOnlineStoreConfig(FeastConfigBaseModel):  # type: ignore[misc]  # feast ships no types
    """`online_store:` block of feature_store.yaml."""

    type: str = "tidemill_features.online_store.PackedOnlineStore"
    path: str
    """Redis URL, or SQLite file; relative to the feature repository."""


class PackedOnlineStore(OnlineStore):  # type: ignore[misc]  # feast ships no types
    """Float32 views of one string entity."""

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[tuple[EntityKey, dict[str, Value], datetime, datetime | None]],
        progress: Callable[[int], Any] | None,
    ) -> None:
        names = [feature.name for feature in table.features]
        writer = writer_at(_address(config))
        writer.write(
            table.name,
            names,
            ((_entity(key), _to_us(at), _pack(values, names)) for key, values, at, _ in data),
        )
        writer.close()
        if progress:
            progress(len(data))

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        names = requested_features or [feature.name for feature in table.features]
        reader = reader_at(_address(config), table.name, names)
        rows = reader.read([_entity(key) for key in entity_keys])
        reader.close()
        return [
            (_from_us(int(rows.cutoffs[i])), _unpack(rows.vectors[i], names))
            if rows.found[i]
            else (None, None)
            for i in range(len(entity_keys))
        ]

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        self._forget(config, tables_to_delete)

    def teardown(
        self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]
    ) -> None:
        self._forget(config, tables)

    def _forget(self, config: RepoConfig, tables: Sequence[FeatureView]) -> None:
        writer = writer_at(_address(config))
        for table in tables:
            writer.delete(table.name)
        writer.close()


def _address(config: RepoConfig) -> str:
    path = str(config.online_store.path)
    return path if is_url(path) else str(Path(config.repo_path or ".") / path)


def _entity(key: EntityKey) -> str:
    if len(key.entity_values) != 1 or key.entity_values[0].WhichOneof("val") != "string_val":
        raise OnlineStoreError(
            f"the packed store holds one string entity per row, not {list(key.join_keys)}",
            hint="join the view by `user_id` alone",
        )
    return str(key.entity_values[0].string_val)


def _pack(values: dict[str, Value], names: Sequence[str]) -> bytes:
    return np.asarray([_number(values.get(name)) for name in names], dtype="<f4").tobytes()


def _number(value: Value | None) -> float:
    return value.float_val if value is not None and value.HasField("float_val") else float("nan")


def _unpack(
    vector: np.ndarray[Any, np.dtype[np.float32]], names: Sequence[str]
) -> dict[str, Value]:
    return {
        name: Value() if np.isnan(value) else Value(float_val=float(value))
        for name, value in zip(names, vector, strict=True)
    }


def _to_us(instant: datetime) -> int:
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return round(aware.timestamp() * _US)


def _from_us(instant: int) -> datetime:
    return datetime.fromtimestamp(instant / _US, tz=UTC)
