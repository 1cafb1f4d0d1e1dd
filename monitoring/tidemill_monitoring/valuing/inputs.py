"""What the checks of a value model read beyond those of a probability."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from tidemill.errors import BundleError
from tidemill_monitoring.inputs import MonitorInputs

if TYPE_CHECKING:
    from tidemill.objective.valuing import LifetimeValue
    from tidemill_features.purchases import Purchases


class ValueInputs(MonitorInputs):
    """The live model's answers, and what their customers then bought."""

    @property
    def block(self) -> LifetimeValue:
        """Raises BundleError for an objective that predicts something else."""
        if self.objective.spec.lifetime_value is None:
            raise BundleError(f"'{self.objective.name}' is a {self.objective.type}")
        return self.objective.spec.lifetime_value

    @cached_property
    def bought(self) -> Purchases | None:
        """By each of `history.closed` within the horizon; None before any horizon closed."""
        from tidemill_features.purchases import count_purchases  # duckdb

        closed = self.history.closed
        if closed is None:
            return None
        users, cutoffs = closed.users.tolist(), closed.cutoffs.tolist()
        return count_purchases(self.con, self.objective.target, self.block.value, users, cutoffs)
