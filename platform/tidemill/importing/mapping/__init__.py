"""A file that says what the columns of other files are."""

from tidemill.importing.mapping.applying import mapper_of
from tidemill.importing.mapping.schema import EventMapping, read_mapping

__all__ = ["EventMapping", "mapper_of", "read_mapping"]
