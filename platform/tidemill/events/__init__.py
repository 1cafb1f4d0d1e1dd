"""The event log: what is kept of events, who they belong to, and which of them count."""

from tidemill.events.ingesting import ImportReport
from tidemill.events.log import Appended, EventLog

__all__ = ["Appended", "EventLog", "ImportReport"]
