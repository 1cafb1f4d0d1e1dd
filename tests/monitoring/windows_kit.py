"""Two windows of the same users with known truth: a calibrated model, and what is planted later."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.decay.features import Origin
from tidemill_monitoring.decay.known import KnownRows

FEATURES = 30
NAMES = tuple(f"f{index}" for index in range(FEATURES))
ORIGINS = {name: Origin(f"signal_{name}", f"event_{name}") for name in NAMES}
_WEIGHTS = np.zeros(FEATURES)
_WEIGHTS[:6] = (1.0, 0.8, 0.5, 0.4, 0.3, 0.2)
_BASE = -2.0


def model(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """What the champion says; right for a window in which nothing is planted."""
    return _chance(vectors.astype(np.float64) @ _WEIGHTS + _BASE)


def two_windows(
    users: int, seed: int, *, dead: int | None = None, harder: float = 0.0
) -> tuple[KnownRows, KnownRows, NDArray[np.bool_]]:
    """Test window, window now, and members of a slice.

    `dead` is a feature that means nothing any more now; in the slice, log odds are `harder` lower.
    """
    rng = np.random.default_rng(seed)
    taste = rng.normal(size=(users, FEATURES))
    member = taste[:, -1] > 0.6
    sides = []
    for is_now in (False, True):
        vectors = (0.7 * taste + 0.71 * rng.normal(size=(users, FEATURES))).astype(np.float32)
        weights = _WEIGHTS.copy()
        if is_now and dead is not None:
            weights[dead] = 0.0
        logits = vectors @ weights + _BASE - harder * (member & is_now)
        labels = rng.random(users) < _chance(logits)
        names = np.char.add("u", np.arange(users).astype(np.str_))
        cutoffs = np.zeros(users, dtype=np.int64)
        sides.append(KnownRows(names, cutoffs, vectors, model(vectors), labels))
    return sides[0], sides[1], member


def _chance(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-logits))
