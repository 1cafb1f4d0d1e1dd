"""What the gate says about a total that does not come true."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill_pipelines.promises import Promise


@dataclass(frozen=True)
class ValuePromise(Promise):
    """Observed value over what was predicted."""

    @property
    def accusation(self) -> str:
        return (
            f"its values cannot be believed: for each 1 that was predicted {self.kept:.2f} came, "
            f"90% interval {self.lower:.2f} to {self.upper:.2f}; `tidemill promote` takes it where "
            "only the order counts"
        )
