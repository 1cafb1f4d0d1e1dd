"""One signal, a few events, and its features by short name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from tidemill.objective import Target
from tidemill_features.catalog import Catalog, Signal
from tidemill_features.engine import compute_features


@pytest.fixture
def features_of(
    events_of: Callable[..., pa.Table], con_of: Callable[..., Any], cutoff: datetime
) -> Callable[..., dict[str, float | None]]:
    """`features_of({"days_ago": 3}, ...)`: features of user u1 over `order`, by aggregate.

    The user did something else 80 days ago, and so has a row in any case.
    """

    def compute(
        *rows: Mapping[str, Any],
        where: Mapping[str, str] | None = None,
        event: str | None = "order",
        items: Mapping[str, str] | None = None,
        at: datetime = cutoff,
    ) -> dict[str, float | None]:
        signal = Signal(event, where or {})
        con = con_of(events_of({"name": "other", "days_ago": 80}, *rows), items)
        catalog = Catalog().grown_by([signal])
        found = compute_features(con, catalog, [at], users=["u1"]).to_pylist()
        prefix = f"{signal.name}__"
        row = found[0] if found else {}
        return {k.removeprefix(prefix): v for k, v in row.items() if k.startswith(prefix)}

    return compute


@pytest.fixture
def target_of() -> Callable[..., Target]:
    """`target_of(days=28, event="order", where={...}, absent=False)`."""

    def build(
        days: float = 28,
        event: str | None = "order",
        where: Mapping[str, str] | None = None,
        absent: bool = False,
    ) -> Target:
        return Target(event, dict(where or {}), timedelta(days=days), absent)

    return build
