"""One function per concern: from what was answered to a verdict."""

from __future__ import annotations

from datetime import datetime

from tidemill.objective.segmenting import PERIOD
from tidemill_monitoring.quality import DeadFeatures, judge_quality
from tidemill_monitoring.rebuild import rebuild_vectors, sample_pairs
from tidemill_monitoring.segmenting.drift import judge_segment_drift
from tidemill_monitoring.segmenting.inputs import SegmentInputs
from tidemill_monitoring.skew import find_skew, judge_skew
from tidemill_monitoring.verdicts import Verdict
from tidemill_monitoring.volumes import earlier_windows


def check_quality(inputs: SegmentInputs) -> Verdict:
    """Event volumes of the log."""
    return judge_quality(
        inputs.changes,
        DeadFeatures(),
        earlier_windows=earlier_windows(inputs.daily_counts, inputs.window_days),
        event_names=len(inputs.daily_counts.names),
        trained_until=max(map(datetime.fromisoformat, inputs.metadata.training_cutoffs)),
        horizon=PERIOD,
        target_event=None,
    )


def check_skew(inputs: SegmentInputs) -> Verdict:
    """Served vectors against their rebuild."""
    served = inputs.history.vectors
    rows = sample_pairs(served)
    if not len(rows):
        return judge_skew([], 0, None)
    names = inputs.metadata.features
    rebuilt = rebuild_vectors(
        inputs.con, inputs.catalog, names, served.users[rows], served.cutoffs[rows]
    )
    return judge_skew(find_skew(served.vectors[rows], rebuilt, names), len(rows), None)


def check_drift(inputs: SegmentInputs) -> Verdict:
    """Shares of the segments, and who has changed from one to another."""
    segments = {each.id: each for each in inputs.metadata.segments}
    return judge_segment_drift(segments, inputs.divided, inputs.served_now)
