"""Limits of an event, and what is said about one beyond them."""

from __future__ import annotations

LONGEST_ID = 512
"""Characters of an id or a name."""
LARGEST_PROPERTIES = 32 * 1024
"""Bytes of an event's properties as JSON."""

NO_NAME = "no name"
NOBODY = "no user_id or anonymous_id"
TOO_LARGE = f"properties over {LARGEST_PROPERTIES // 1024} KB"
TOO_DEEP = "properties nested too deeply"
