"""Makes a registered version live, with all it reads online."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tidemill.bundle import MODEL_FILE
from tidemill.events import EventLog
from tidemill.events.clock import log_end
from tidemill.home import Home
from tidemill.recommendation.bundle import AnyMetadata, RecommenderMetadata, read_any_metadata
from tidemill.registry import Registry
from tidemill_features.kept_interests import keep_interests
from tidemill_features.materialization import ensure_online


def go_live(
    home: Home, objective: str, version: str, reason: str, at: datetime | None = None
) -> None:
    """Promote `version` of an objective, by name, after what it reads is online.

    What is not online yet is computed as of `at`, or of the log's own now. Raises BundleError, and
    changes nothing, when the version is not registered.
    """
    registry = Registry(home)
    _bring_online(home, registry, objective, version, at)
    registry.promote(objective, version, reason)


def go_into_shadow(home: Home, objective: str, version: str, at: datetime) -> None:
    """As `go_live`, but the champion stays, and `version` is scored beside it."""
    registry = Registry(home)
    _bring_online(home, registry, objective, version, at)
    registry.put_in_shadow(objective, version)


def go_to_the_test(home: Home, objective: str, version: str, at: datetime | None) -> None:
    """As `go_live`, but the champion stays, and `version` may answer an experiment's arm."""
    registry = Registry(home)
    _bring_online(home, registry, objective, version, at)
    registry.put_to_the_test(objective, version)


def _bring_online(
    home: Home, registry: Registry, objective: str, version: str, at: datetime | None
) -> None:
    metadata = _describe(registry.fetch(objective, version))
    if isinstance(metadata, RecommenderMetadata):
        keep_interests(home, objective, metadata.interests)
    ensure_online(home, at or _now(home))


def _now(home: Home) -> datetime:
    with EventLog(home.events).connect() as con:
        return log_end(con)


def _describe(bundle: Path) -> AnyMetadata:
    import onnx

    model = onnx.load(bundle / MODEL_FILE, load_external_data=False)
    properties = {each.key: each.value for each in model.metadata_props}
    return read_any_metadata(properties, str(bundle))
