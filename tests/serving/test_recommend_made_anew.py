"""Another version's lists, made anew for a comparison, are those the server would have given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recommender_kit import NAME, catalogue, history_of, lists, open_recommender, prepare_home
from recommender_kit import recommend as served

from tidemill_pipelines.position_bias.answers import Asked
from tidemill_pipelines.position_bias.rival import Rival

NOW = 1_750_000_000_000_000
USERS = [f"u{number}" for number in range(20)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"k": 40},
        {"exclude": ["i0", "i4", "unknown"]},
        {"filters": {"item.brand": ("b1", "b3"), "item.kind": ("odd",)}},
    ],
)
@pytest.mark.parametrize("at_most", [{}, {"item.brand": 1}])
def test_lists_are_those_of_the_server(
    tmp_path: Path, options: dict[str, Any], at_most: dict[str, int]
) -> None:
    """For the same history, k, filters, exclusions and caps."""
    home = prepare_home(tmp_path, at_most=at_most)
    expected = lists(served(open_recommender(home), *USERS, **options))
    rival = Rival(home.served(NAME) / "1", catalogue())
    asked = Asked(options.get("k", 5), options.get("filters", {}), options.get("exclude", []))
    found = [rival.choose(history_of(int(user[1:])), asked, NOW) for user in USERS]
    assert found == expected
