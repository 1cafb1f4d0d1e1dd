"""Does anything know of the future? Audits of training tables, and of the event log itself."""

from tidemill_pipelines.assessing.leakage.foreign import audit_table
from tidemill_pipelines.assessing.leakage.own import audit_log

__all__ = ["audit_log", "audit_table"]
