"""Port to Feast: apply the catalog, read training rows point-in-time, fill the online store."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pyarrow as pa

from tidemill.home import Home
from tidemill.online import online_address
from tidemill_features.catalog import FEATURE_VIEW, Catalog
from tidemill_features.rows import rows_folder

_PROJECT = "tidemill"


class FeatureStorePort:
    """The home's Feast store, with the definitions of one catalog applied."""

    def __init__(self, home: Home, catalog: Catalog) -> None:
        os.environ.setdefault("FEAST_USAGE", "False")
        from feast import FeatureStore, RepoConfig  # 6 CPU seconds to import

        from tidemill_features.views import SERVICE, feast_objects  # imports feast

        self._catalog = catalog
        self._service = SERVICE
        home.root.mkdir(parents=True, exist_ok=True)
        with home.lock("feast"), _quiet():
            self._store = FeatureStore(
                config=RepoConfig(
                    project=_PROJECT,
                    provider="local",
                    registry=str(home.feast_registry),
                    offline_store={"type": "duckdb"},
                    online_store={
                        "type": "tidemill_features.online_store.PackedOnlineStore",
                        "path": online_address(home),
                    },
                    entity_key_serialization_version=3,
                )
            )
            self._store.apply(feast_objects(catalog, rows_folder(home, catalog) / "*.parquet"))

    def training_rows(self, users: Sequence[str], cutoffs: Sequence[datetime]) -> pa.Table:
        """The newest feature row at or before each (user, cutoff), in the order given.

        Columns: `user_id`, `event_timestamp`, then the catalog's features.
        """
        import pandas as pd  # Feast takes its entity rows as a data frame

        keys = pd.DataFrame({"user_id": list(users), "event_timestamp": list(cutoffs)})
        with _quiet():
            job = self._store.get_historical_features(
                entity_df=keys, features=self._store.get_feature_service(self._service)
            )
            return job.to_arrow().select(["user_id", "event_timestamp", *self._catalog.names])

    def materialize(self, cutoff: datetime) -> None:
        """Copy the rows of `cutoff` to the online store."""
        with _quiet():
            self._store.materialize(
                cutoff - timedelta(microseconds=1), cutoff, feature_views=[FEATURE_VIEW]
            )

    def online_rows(self, users: Sequence[str]) -> dict[str, list[float | None]]:
        """What `get_online_features` answers: feature name to values in the order of `users`."""
        answer = self._store.get_online_features(
            features=self._store.get_feature_service(self._service),
            entity_rows=[{"user_id": user} for user in users],
        ).to_dict()
        return {name: answer[name] for name in self._catalog.names}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Feast prints banners to stdout and warns about its own dependencies; stdout is for data."""
    logging.getLogger("feast").setLevel(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
