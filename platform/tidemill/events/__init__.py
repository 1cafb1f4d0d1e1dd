"""The event log: importing, validating, deduplicating and reading events."""

from tidemill.events.importing import ImportReport, import_files, import_table
from tidemill.events.log import Appended, EventLog

__all__ = ["Appended", "EventLog", "ImportReport", "import_files", "import_table"]
