"""What the bundle of a lifetime value has beyond that of a probability.

Outputs, float32 [batch] each, over the horizon:
    score       expected value
    purchases   expected number of purchases, those of a day as one
    lower       value that the user stays below with half of what `coverage` leaves out
    upper       value that the user stays above with the other half
Beside it lies the same model as of its test cutoff, which has seen no later outcome; it has one
more input, `days` float64 [1], the horizon, and no interval. Challengers are compared with that.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

PURCHASES_OUTPUT, LOWER_OUTPUT, UPPER_OUTPUT = "purchases", "lower", "upper"
MORE_OUTPUTS = (PURCHASES_OUTPUT, LOWER_OUTPUT, UPPER_OUTPUT)
DAYS_INPUT = "days"
JUDGED_FILE = "judged.onnx"
KIND = "lifetime_value"
"""Of an evaluation, in its file."""


class ValueFacts(BaseModel):
    """Part of a bundle's metadata. There, `base_rate` is the mean value of a user and `grade_lift`
    that of a grade's users over it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    """What won, in words."""
    coverage: float
    """Share of users whose value is meant to lie between `lower` and `upper`."""
    judged_days: float
    """How far ahead the test window looked; less than the horizon where the log is short."""
    unknown_purchases: float
    """Expected of a user nothing is known of, whose value is `base_rate`."""
    unknown_interval: tuple[float, float]
    """Their `lower` and `upper`."""
