"""Promotions and catalogues are followed while requests run."""

import json
import time

import pytest
import recommender_kit
from recommender_kit import COUNT, ITEMS, NAME, PAST, fill_catalogue, lists, promote, recommend

from tidemill.errors import BundleError
from tidemill.recommendation.catalogue import read_catalogue
from tidemill_serving.repository import Repository, promoted


@pytest.fixture
def home(tmp_path):
    return recommender_kit.prepare_home(tmp_path / "home")


def shown(server, **parameters):
    body = {"instances": ["nobody"], "parameters": {"k": COUNT, **parameters}}
    answer = server.request("POST", f"/v1/models/{NAME}:predict", json.dumps(body))
    return [item["item_id"] for item in answer.json["predictions"][0]["items"]]


def test_a_new_catalogue_is_served_within_a_refresh(start_server, home):
    """Items that left it vanish, new values of attributes can be filtered by."""
    server = start_server()
    assert len(shown(server)) == COUNT
    fill_catalogue(home, items=ITEMS[1:], ends={"i2": PAST}, brands=[f"b{at}" for at in range(5)])
    server.wait_for(lambda: len(shown(server)) == COUNT - 2, seconds=5)
    assert not {"i0", "i2"} & set(shown(server))
    assert shown(server, filters={"item.brand": "b4"})[0] == "i9"


def test_an_item_ends_at_its_instant(home):
    """Between two refreshes, without any."""
    ends = time.time_ns() // 1_000 + 400_000
    fill_catalogue(home, ends={"i0": ends, "i3": ends + 100_000_000})
    recommender = recommender_kit.open_recommender(home)
    assert "i0" in lists(recommend(recommender, "nobody"))[0]
    while time.time_ns() // 1_000 < ends:
        time.sleep(0.05)
    assert lists(recommend(recommender, "nobody"))[0] == ["i1", "i2", "i3", "i4", "i5"]


@pytest.mark.parametrize("kept", [0, 500])
def test_a_catalogue_that_is_cut_off_is_named(home, kept):
    """Empty, or without its end: the file and the command that makes it."""
    path = home.catalogue(NAME)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(BundleError, match="catalogue") as caught:
        read_catalogue(path)
    assert "tidemill features materialize" in str(caught.value.hint)


def test_a_catalogue_that_is_lost_stays_as_it_was(start_server, home):
    """The log says so once."""
    server = start_server()
    home.catalogue(NAME).write_bytes(b"no catalogue")
    server.wait_for(lambda: "the catalogue stays as it was" in server.log(), seconds=5)
    time.sleep(2.5)
    assert len(shown(server)) == COUNT
    assert server.log().count("the catalogue stays as it was") == 1
    fill_catalogue(home, items=ITEMS[1:])
    server.wait_for(lambda: len(shown(server)) == COUNT - 1, seconds=5)


def test_a_promotion_is_picked_up(start_server, home):
    """The next version answers, with what it says of caps."""
    server = start_server()
    promote(home, "2", at_most={"item.kind": 1})
    server.wait_for(lambda: shown(server) == ["i0", "i1"], seconds=5)
    assert server.get(f"/v2/models/{NAME}").json["versions"] == ["2"]


def test_without_a_catalogue_nothing_starts(home):
    """The hint says how to make it."""
    home.catalogue(NAME).unlink()
    with pytest.raises(BundleError, match="catalogue") as caught:
        Repository(home, promoted(home, [NAME])).load()
    assert "tidemill features materialize" in caught.value.hint


def test_a_model_that_came_before_its_catalogue_is_served_after_it(start_server, home, kit):
    """A server that runs for other objectives waits for it."""
    kit.fill_store(home)
    kit.promote(home, "1")
    server = start_server()
    promote(home, "1", "late")
    server.wait_for(lambda: "late: the catalogue" in server.log(), seconds=5)
    assert server.get("/v1/models/late").status == 404
    fill_catalogue(home, "late")
    server.wait_for(lambda: server.get("/v1/models/late").status == 200, seconds=5)
    assert server.log().count("late: the catalogue") == 1
