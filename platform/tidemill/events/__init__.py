"""The event log: importing, validating, deduplicating and reading events."""

from tidemill.events.log import Appended, EventLog

__all__ = ["Appended", "EventLog"]
