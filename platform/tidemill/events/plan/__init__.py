"""The tracking plan: what events have to look like, and which of them count."""

from tidemill.events.plan.checking import check_plan, violations
from tidemill.events.plan.loading import DEFAULT_PLAN, keep_plan, load_plan, read_plan, write_plan
from tidemill.events.plan.schema import TrackingPlan

__all__ = [
    "DEFAULT_PLAN",
    "TrackingPlan",
    "check_plan",
    "keep_plan",
    "load_plan",
    "read_plan",
    "violations",
    "write_plan",
]
