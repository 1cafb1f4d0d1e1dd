"""The served models as files: their metadata, and the test rows kept as drift's reference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tidemill.bundle import (
    INPUT_NAME,
    MODEL_FILE,
    OUTPUT_NAME,
    REFERENCE_FILE,
    BundleMetadata,
    read_metadata,
)
from tidemill.errors import BundleError
from tidemill.events.schema import TIMESTAMP
from tidemill.home import Home
from tidemill.live_model import served_bundle
from tidemill.recommendation.bundle import RecommenderMetadata, read_any_metadata
from tidemill.segmentation.bundle import SegmentationMetadata


@dataclass(frozen=True)
class Reference:
    """The test-window rows of a model; a user may have one row per cutoff."""

    users: NDArray[np.str_]
    cutoffs: NDArray[np.int64]
    """Microseconds since 1970 UTC."""
    vectors: NDArray[np.float32]
    scores: NDArray[np.float64]
    labels: NDArray[np.bool_]

    def newest_per_user(self) -> NDArray[np.intp]:
        """Row of each user's latest cutoff."""
        order = np.argsort(self.cutoffs, kind="stable")[::-1]
        _, first = np.unique(self.users[order], return_index=True)
        return order[first]


class ServedModels:
    """The versions in an objective's served folder, opened at most once each."""

    def __init__(self, home: Home, objective: str) -> None:
        self._home = home
        self._folder = home.served(objective)
        self._known: dict[str, BundleMetadata | None] = {}

    def current_version(self) -> str:
        """Name of the version that is served. Raises BundleError when there is none."""
        return served_bundle(self._home, self._folder.name).name

    def metadata(self, version: str) -> BundleMetadata | None:
        """None when the version's bundle is no longer there."""
        if version not in self._known:
            path = self._folder / version / MODEL_FILE
            self._known[version] = _read(path) if path.exists() else None
        return self._known[version]

    def recommender(self, version: str) -> RecommenderMetadata:
        """Raises BundleError when the version is gone, or predicts an outcome."""
        path = self._folder / version / MODEL_FILE
        if path.exists():
            found = read_any_metadata(_open(path).get_modelmeta().custom_metadata_map, str(path))
            if isinstance(found, RecommenderMetadata):
                return found
        raise BundleError(
            f"{path} is no model that chooses items",
            hint=f"train and promote one with `tidemill train {self._folder.name}`",
        )

    def segmentation(self, version: str) -> SegmentationMetadata:
        """Raises BundleError when the version is gone, or divides nobody."""
        path = self._folder / version / MODEL_FILE
        if path.exists():
            found = read_any_metadata(_open(path).get_modelmeta().custom_metadata_map, str(path))
            if isinstance(found, SegmentationMetadata):
                return found
        raise BundleError(
            f"{path} is no model that divides users into segments",
            hint=f"train and promote one with `tidemill train {self._folder.name}`",
        )

    def score(self, version: str, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """What the version says about raw feature vectors [rows, features]."""
        session = _open(self._folder / version / MODEL_FILE)
        (scores,) = session.run([OUTPUT_NAME], {INPUT_NAME: vectors})
        return np.asarray(scores, dtype=np.float64).reshape(-1)

    def reference(self, version: str, features: tuple[str, ...]) -> Reference:
        """Raises BundleError when the version was published without its test rows."""
        path = self._folder / version / REFERENCE_FILE
        if not path.exists():
            raise BundleError(
                f"{path} is missing, so there is nothing to compare with",
                hint="publish the model again with `tidemill train`",
            )
        table = pq.read_table(path)
        columns = [table.column(name).to_numpy() for name in features]
        return Reference(
            np.asarray(table.column("user_id").to_pylist(), dtype=np.str_),
            table.column("cutoff").cast(TIMESTAMP).cast("int64").to_numpy(),
            np.column_stack(columns).astype(np.float32),
            table.column("score").to_numpy().astype(np.float64),
            table.column("label").to_numpy(zero_copy_only=False).astype(np.bool_),
        )


def _open(path: Path):  # type: ignore[no-untyped-def]  # onnxruntime ships no types
    import onnxruntime  # not for --help

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise BundleError(
            f"{path} cannot be loaded: {error}",
            hint=f"restore it, or train again with `tidemill train {path.parent.parent.name}`",
        ) from error


def _read(path: Path) -> BundleMetadata:
    return read_metadata(_open(path).get_modelmeta().custom_metadata_map, str(path))
