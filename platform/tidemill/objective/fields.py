"""Names of what an event or an item carries: `property.<name>`, `item.<name>`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema

from tidemill.objective.cel import rules

PROPERTY = "property."
ITEM = "item."
LONGEST_FIELD = 512


def _one_of(prefixes: tuple[str, ...], meaning: str, *words: str) -> Any:
    """Metadata of a text that starts with one of `prefixes` or is one of `words`."""

    def check(text: str) -> str:
        named = any(text.startswith(prefix) and len(text) > len(prefix) for prefix in prefixes)
        if text not in words and not named:
            raise ValueError(meaning)
        return text

    tests = [f"self.startsWith('{prefix}') && self.size() > {len(prefix)}" for prefix in prefixes]
    tests += [f"self == '{word}'" for word in words]
    schema = {
        "type": "string",
        "maxLength": LONGEST_FIELD,
        **rules((" || ".join(tests), meaning)),
    }
    return AfterValidator(check), WithJsonSchema(schema)


_text = Field(max_length=LONGEST_FIELD)
_attribute = _one_of((ITEM,), "expected 'item.<name>', an attribute of items")
_property = _one_of((PROPERTY,), "expected 'property.<name>', a property of events")
_either = _one_of((ITEM, PROPERTY), "expected 'item.<name>' or 'property.<name>'")
_value = _one_of((ITEM,), "expected 'event' or 'item.<name>', a numeric attribute", "event")
_metric = _one_of(
    (PROPERTY,),
    "expected 'count', 'users', 'value' or 'property.<name>', a numeric property",
    "count",
    "users",
    "value",
)
_amount = _one_of(
    (PROPERTY,),
    "expected 'value' or 'property.<name>', a numeric property",
    "value",
)

_amount = _one_of((PROPERTY,), "expected 'value' or 'property.<name>', a numeric property", "value")

Attribute = Annotated[str, _text, *_attribute]
"""`item.<name>`."""
Property = Annotated[str, _text, *_property]
"""`property.<name>`."""
FieldName = Annotated[str, _text, *_either]
"""`item.<name>` or `property.<name>`."""
Value = Annotated[str, _text, *_value]
"""`event` or `item.<name>`."""
Metric = Annotated[str, _text, *_metric]
"""`count`, `users`, `value` or `property.<name>`."""
Amount = Annotated[str, _text, *_amount]
"""`value` or `property.<name>`."""
