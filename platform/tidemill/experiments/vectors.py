"""Test vectors of assignment, for other languages: run this module.

python -m tidemill.experiments.vectors > docs/assignment-vectors.json
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from typing import Any

from tidemill.experiments.assignment import Slot, Split, cell_of

_UNITS = ("user-1", "user-2", "42", "", " ", "Zoë", "日本", "🛒", "a:b", "A" * 512)
_SALTS = ("welcome-1", "welcome-2", "next-items-17:2026-03-01", "séance")
_SPLITS = (("0.05", "0.95"), ("0.5", "0.5"), ("0.3334", "0.3333", "0.3333"), ("0.1",) * 10)
_SLOTS = (("pages", "0", "0.3"), ("pages", "0.3", "0.7"), ("mails", "0.125", "0.25"))


def render_vectors() -> str:
    """JSON with the answers of every rule of assignment: cells, arms and parts of layers."""
    vectors = {
        "cells": [
            {"salt": salt, "unit": unit, "cell": cell_of(salt, unit)}
            for salt in _SALTS
            for unit in _UNITS
        ],
        "arms": [_arms(salt, shares) for salt in _SALTS for shares in _SPLITS],
        "layers": [_layer(*slot) for slot in _SLOTS],
    }
    return json.dumps(vectors, indent=1, ensure_ascii=False) + "\n"


def _arms(salt: str, shares: tuple[str, ...]) -> dict[str, Any]:
    split = Split(salt, tuple(map(Decimal, shares)))
    places = {unit: split.place_of(unit) for unit in _UNITS}
    return {"salt": salt, "shares": shares, "place": places}


def _layer(name: str, start: str, share: str) -> dict[str, Any]:
    slot = Slot(name, Decimal(start), Decimal(share))
    holds = {unit: slot.holds(unit) for unit in _UNITS}
    return {"layer": name, "start": start, "share": share, "takes_part": holds}


if __name__ == "__main__":
    sys.stdout.write(render_vectors())
