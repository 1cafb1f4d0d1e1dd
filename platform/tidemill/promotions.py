"""Which version went live when, by whom and why: the history that nothing overwrites.

Every promotion and rollback is one numbered tag of the registered model in MLflow, beside the
models it is about. Tags of versions keep only the last word on each.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime

_TAG = "tidemill.promotion."
_REASON_LENGTH = 700
"""MLflow's tags hold 5,000 characters, and JSON may need six of them for one."""


@dataclass(frozen=True)
class Promotion:
    """One version that was made the champion."""

    at: datetime
    version: str
    instead_of: str | None
    """The champion before; None when there was none."""
    by: str
    """Who asked for it: user@host."""
    reason: str


def promotion_tag(tags: Mapping[str, str], promotion: Promotion) -> tuple[str, str]:
    """Key and value of the next tag of a registered model that has `tags`."""
    numbers = [int(key.removeprefix(_TAG)) for key in tags if key.startswith(_TAG)]
    reason = textwrap.shorten(promotion.reason, _REASON_LENGTH, placeholder=" …")
    facts = {**asdict(replace(promotion, reason=reason)), "at": promotion.at.isoformat()}
    return f"{_TAG}{max(numbers, default=0) + 1:06d}", json.dumps(facts)


def read_promotions(tags: Mapping[str, str]) -> list[Promotion]:
    """All promotions in the tags of a registered model, oldest first."""
    texts = [json.loads(tags[key]) for key in sorted(tags) if key.startswith(_TAG)]
    return [Promotion(**{**facts, "at": datetime.fromisoformat(facts["at"])}) for facts in texts]
