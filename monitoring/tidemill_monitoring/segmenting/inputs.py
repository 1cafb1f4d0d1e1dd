"""What the checks of a segmentation read, each at most once."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pyarrow.parquet as pq

from tidemill.bundle import REFERENCE_FILE
from tidemill.errors import BundleError
from tidemill.predictions import read_predictions
from tidemill.segmentation.bundle import SegmentationMetadata
from tidemill_features.catalog import Catalog, load_catalog
from tidemill_monitoring.freshness.asked import AskedRows
from tidemill_monitoring.inputs import LogInputs
from tidemill_monitoring.served import ServedHistory, read_served


class SegmentInputs(LogInputs):
    """The live model's metadata, who was divided at training, and what was answered since."""

    @cached_property
    def metadata(self) -> SegmentationMetadata:
        return self.models.segmentation(self.version)

    @property
    def history(self) -> ServedHistory:
        return self._log[0]

    @property
    def asked(self) -> AskedRows:
        """What the answers read from the online store."""
        return self._log[1]

    @cached_property
    def catalog(self) -> Catalog:
        return load_catalog(self.home)

    @cached_property
    def divided(self) -> dict[str, str]:
        """Segment of each user at training. Raises BundleError when the bundle came without it."""
        path = self.home.served(self.objective.name) / self.version / REFERENCE_FILE
        if not path.exists():
            raise BundleError(
                f"{path} is missing, so there is nothing to compare with",
                hint="publish the model again with `tidemill train`",
            )
        table = pq.read_table(path, columns=["user_id", "segment"])
        return dict(zip(*(column.to_pylist() for column in table.columns), strict=True))

    @cached_property
    def served_now(self) -> dict[str, str]:
        """The newest segment of each user who was asked about in the window."""
        served = self.history.vectors
        newest = served.newest_per_user()
        is_own = served.versions[newest] == np.str_(self.version)
        rows = newest[is_own]
        return dict(zip(served.users[rows].tolist(), served.grades[rows].tolist(), strict=True))

    @cached_property
    def _log(self) -> tuple[ServedHistory, AskedRows]:
        """The prediction log is read once."""
        asked = AskedRows(self.at, self.window)
        history = read_served(
            asked.watch(read_predictions(self.home.predictions(self.objective.name), asked.lose)),
            features=self.metadata.features,
            bundle_of=lambda version: self.metadata if version == self.version else None,
            at=self.at,
            window=self.window,
            known_at=self.at,
        )
        return history, asked
