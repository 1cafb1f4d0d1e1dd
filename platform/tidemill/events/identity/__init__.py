"""Who an event belongs to, as it was known at the time.

An anonymous id joins a user with the first event that links the two, from the moment that event
was received. See docs/identity.md for the rules, `views.py` for what everybody reads.
"""

from tidemill.events.identity.known import known_before
from tidemill.events.identity.views import (
    TRIVIAL_USER_EVENTS,
    create_trivial_views,
    create_user_events,
)

__all__ = ["TRIVIAL_USER_EVENTS", "create_trivial_views", "create_user_events", "known_before"]
