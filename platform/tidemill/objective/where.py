"""Conditions on events and their items: `property.<name>` or `item.<name>` equals a text."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from tidemill.objective.cel import rules

_PREFIXES = ("property.", "item.")
_MOST = 64
_LONGEST_KEY = 512
_LONGEST_VALUE = 1024
_NOT_A_KEY = (
    "a condition is on 'property.<name>' (of the event) or 'item.<name>' (an attribute of its item)"
)


def _check_key(key: str) -> str:
    if not any(key.startswith(prefix) and len(key) > len(prefix) for prefix in _PREFIXES):
        raise ValueError(_NOT_A_KEY)
    return key


_KEY_RULE = " || ".join(
    f"key.startsWith('{prefix}') && key.size() > {len(prefix)}" for prefix in _PREFIXES
)
_RULES = rules(
    (f"self.all(key, {_KEY_RULE})", _NOT_A_KEY),
    (
        f"self.all(key, key.size() <= {_LONGEST_KEY})",
        f"the key of a condition has at most {_LONGEST_KEY} characters",
    ),
    # Fails on a null, which has no size. Were nulls not let in as far as here, the API server would
    # drop such a condition without a word, and the objective would be about more than was meant.
    (
        "self.all(key, self[key].size() >= 0)",
        "a condition compares with a text (in quotes if it looks like a number)",
    ),
)

Where = Annotated[
    dict[
        Annotated[str, Field(max_length=_LONGEST_KEY), AfterValidator(_check_key)],
        Annotated[str, Field(max_length=_LONGEST_VALUE)],
    ],
    Field(max_length=_MOST),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": _MOST,
            "additionalProperties": {
                "type": "string",
                "maxLength": _LONGEST_VALUE,
                "nullable": True,
            },
            **_RULES,
        }
    ),
]
