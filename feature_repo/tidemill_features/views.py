"""How Feast sees the catalog: one entity, one source with a push path, one view, one service."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource
from feast.types import Float32
from feast.value_type import ValueType

from tidemill_features.catalog import FEATURE_VIEW, Catalog

USER = Entity(
    name="user",
    join_keys=["user_id"],
    value_type=ValueType.STRING,
    description="Who did the events.",
)
SERVICE = "user_activity_service"
# A row is replaced at every materialisation; older ones would only hide that it stopped.
_MAX_AGE = timedelta(days=400)


def feast_objects(
    catalog: Catalog, rows: Path
) -> list[Entity | FileSource | PushSource | FeatureView | FeatureService]:
    """Everything `feast apply` needs, for feature rows in the Parquet files `rows` (a glob)."""
    batch = FileSource(
        name="feature_rows",
        path=str(rows),
        timestamp_field="event_timestamp",
        description="One row per user and cutoff, computed from the event log.",
    )
    push = PushSource(
        name="feature_push", batch_source=batch, description="Rows fresher than the last batch."
    )
    view = FeatureView(
        name=FEATURE_VIEW,
        entities=[USER],
        ttl=_MAX_AGE,
        schema=[
            Field(name=feature.name, dtype=Float32, description=feature.description)
            for feature in catalog.features
        ],
        source=push,
        online=True,
        description="What a user did before the cutoff, as known at the cutoff.",
    )
    service = FeatureService(
        name=SERVICE, features=[view], description="The vector that every objective reads."
    )
    return [USER, batch, push, view, service]
