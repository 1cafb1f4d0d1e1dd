"""What came of a training: one sentence that travels with the experiment, so that nobody has to
read the log of a pod that is gone."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

Outcome = Literal["promoted", "shadowed", "launched", "refused", "not_ready", "failed"]


@dataclass(frozen=True)
class TrainingOutcome:
    """The newest training of an objective."""

    at: datetime
    """When the outcome was known."""
    outcome: Outcome
    reason: str
    """Why, in a sentence."""
    version: str | None
    """The version it registered, None when it did not come that far."""

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "at": self.at.isoformat()})

    @classmethod
    def from_json(cls, text: str) -> TrainingOutcome:
        """Raises ValueError or KeyError for anything but the text of an outcome."""
        facts = json.loads(text)
        return cls(
            at=datetime.fromisoformat(facts["at"]),
            outcome=facts["outcome"],
            reason=facts["reason"],
            version=facts["version"],
        )
