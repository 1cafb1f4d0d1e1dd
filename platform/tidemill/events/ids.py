"""Ids that name nobody."""

from __future__ import annotations

NOBODY_IDS = frozenset(
    (
        *("null", "(null)", "none", "nil", "nan", "undefined", "n/a", "na", "{}", "[]", "-1"),
        *("notset", "not_set", "(not set)", "[object object]", "true", "false"),
        *("anonymous", "unknown", "guest", "visitor"),
        *("userid", "user_id", "anonymousid", "anonymous_id", "distinct_id"),
    )
)
"""In lower case; so is anything of nothing but zeros and dashes."""
_LONGEST = max(map(len, NOBODY_IDS))


def is_junk_id(text: str) -> bool:
    """Whether `text` is what a program writes when it has no id.

    Two people with such an id would become one. Among them: `null`, `undefined`, `anonymous`,
    and ids of nothing but zeros and dashes.
    """
    text = text.strip()
    return not text.strip("0-") or (len(text) <= _LONGEST and text.lower() in NOBODY_IDS)
