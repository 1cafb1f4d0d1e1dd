"""Whether the fields that an objective names for its items exist."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from tidemill.errors import NotReadyError
from tidemill.objective import Objective
from tidemill.objective.fields import ITEM, PROPERTY
from tidemill.objective.problems import nearest
from tidemill.recommendation.interests import InterestDefinition
from tidemill_features.interest_sql import key_of
from tidemill_features.set_items import target_events
from tidemill_pipelines.recommending.declared import AnyChoice

_IMPORT = "item attributes come from `tidemill items import`"


def check_key(
    con: duckdb.DuckDBPyConnection, definition: InterestDefinition, objective: Objective
) -> None:
    """Raise NotReadyError when no event of the target says which item it is about."""
    events, keyed = con.execute(
        f"SELECT count(*), count({key_of(definition)}) FROM {target_events(definition, objective)}"
    ).fetchall()[0]
    if keyed:
        return
    event = objective.target.event
    if definition.by is None:
        raise NotReadyError(
            f"none of the {events:,} events '{event}' has an item_id, so there is nothing to offer",
            hint="send the item with the event, or offer values of a property: "
            "`items: {by: property.<name>}`",
        )
    known = _properties(con, event) if definition.by.startswith(PROPERTY) else _attributes(con)
    raise NotReadyError(
        f"'{definition.by}', which `items.by` names, is never set for the {events:,} events "
        f"'{event}'",
        hint=_hint(definition.by, known),
    )


def check_named_attributes(
    con: duckdb.DuckDBPyConnection, choice: AnyChoice, objective: Objective
) -> None:
    """Raise NotReadyError for an attribute that no item has, or a condition that none meets."""
    named: dict[str, list[str | None]] = {
        "items.where": list(choice.items.where),
        "items.available.start": [choice.items.available.start],
        "items.available.end": [choice.items.available.end],
        "at_most": list(choice.at_most),
    }
    if objective.spec.next_best_offer is not None:
        named["value"] = [objective.spec.next_best_offer.value]
    known = _attributes(con)
    for key, fields in named.items():
        for field in fields:
            if field is not None and field.startswith(ITEM) and field not in known:
                raise NotReadyError(
                    f"no item has '{field}', which `{objective.type}.{key}` names",
                    hint=_hint(field, known),
                )


def _hint(field: str, known: Sequence[str]) -> str:
    if field.startswith(ITEM) and not known:
        return f"no item has attributes; {_IMPORT}"
    return nearest(field, known) if known else "no event of this name has properties"


def _attributes(con: duckdb.DuckDBPyConnection) -> list[str]:
    """`item.<name>` of every attribute, sorted."""
    rows = con.execute(
        "SELECT DISTINCT unnest(json_keys(attributes)) AS name FROM items ORDER BY name"
    ).fetchall()
    return [f"{ITEM}{name}" for (name,) in rows]


def _properties(con: duckdb.DuckDBPyConnection, event: str | None) -> list[str]:
    """`property.<name>` of every property that events of a name have, sorted."""
    rows = con.execute(
        "SELECT DISTINCT unnest(json_keys(properties)) AS name FROM events "
        "WHERE name = $event ORDER BY name",
        {"event": event},
    ).fetchall()
    return [f"{PROPERTY}{name}" for (name,) in rows]
