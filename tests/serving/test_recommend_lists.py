"""Which items a recommender lists, and in which order."""

import numpy as np
import pytest
import recommender_kit as kit
from recommender_kit import lists, recommend

from tidemill.errors import BundleError
from tidemill_serving.errors import RequestError, UnavailableError

BY_POPULARITY = kit.ranking(kit.logits_of(None))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return kit.prepare_home(tmp_path_factory.mktemp("lists") / "home")


@pytest.fixture(scope="module")
def recommender(home):
    return kit.open_recommender(home)


def best_of(number, *without):
    """What the model's own order says for a stored user, the live exclusion left out."""
    excluded = kit.ITEMS[(number + 1) % kit.COUNT]
    return kit.ranking(kit.logits_of(kit.history_of(number)), excluded, *without)


def test_lists_follow_the_models_order(recommender):
    """Own interests, the user's own context, and the exclusions stored with the user."""
    answer = recommend(recommender, *(f"u{number}" for number in range(kit.USERS)))
    assert lists(answer) == [best_of(number)[:5] for number in range(kit.USERS)]


def test_scores_are_the_models_probabilities(recommender):
    """Of the items listed, in float32."""
    answer = recommend(recommender, "u3", k=3)
    logits = kit.logits_of(kit.history_of(3))
    wanted = [1 / (1 + np.exp(-logits[kit.ITEMS.index(item)])) for item in lists(answer)[0]]
    assert answer.scores[0].tolist() == pytest.approx(wanted, abs=1e-6)
    assert answer.scores.dtype == np.float32


def test_an_exclusion_that_has_expired_no_longer_holds(recommender):
    """u1 may not be shown i2 any more, and i3 again."""
    (items,) = lists(recommend(recommender, "u1", k=kit.COUNT))
    assert "i2" not in items
    assert "i3" in items


def test_a_request_excludes_items_for_everybody(recommender):
    """Ids the model does not know are no fault."""
    answer = recommend(recommender, "u1", "u2", "nobody", exclude=["i0", "i1", "no such item"])
    gone = ("i0", "i1")
    assert lists(answer) == [
        best_of(1, *gone)[:5],
        best_of(2, *gone)[:5],
        kit.ranking(kit.logits_of(None), *gone)[:5],
    ]


def test_filters_keep_what_has_one_of_the_values(recommender):
    """Every named attribute must fit; a value nobody has changes nothing."""
    filters = {"item.brand": ("b1", "b3", "none has it"), "item.kind": ("odd",)}
    (items,) = lists(recommend(recommender, "nobody", k=kit.COUNT, filters=filters))
    assert items == [item for item in BY_POPULARITY if int(item[1:]) % 2]
    with pytest.raises(RequestError, match="no item on offer has item.brand"):
        recommend(recommender, "u1", filters={"item.brand": ("b1",), "item.kind": ("even",)})


def test_an_unknown_attribute_is_refused(recommender):
    """The message names those there are."""
    with pytest.raises(RequestError, match=r"'item\.colour'; filter by item\.brand, item\.kind"):
        recommend(recommender, "u1", filters={"item.colour": ("red",)})


def test_a_session_counts_like_a_history(recommender):
    """What was just looked at leads; ids the model does not know are passed over."""
    answer = recommend(recommender, sessions=[["i20", "i30", "i20", "no such item"]], k=kit.COUNT)
    logits = kit.logits_of(None)
    logits[[20, 30]] += 1
    assert lists(answer)[0] == kit.ranking(logits)
    assert (answer.cold_start.tolist(), answer.fallback) == ([False], [""])


def test_strangers_get_what_is_popular(recommender):
    """Unknown users and sessions without a known item are flagged."""
    answer = recommend(recommender, "nobody", sessions=[["no such item"], []])
    assert lists(answer) == [BY_POPULARITY[:5]] * 3
    assert answer.cold_start.tolist() == [True] * 3
    assert answer.fallback == ["popular"] * 3


def test_the_context_of_a_request_is_for_those_without_one(recommender):
    """u4 is in the north already; u5 and the stranger are taken for northerners."""
    answer = recommend(recommender, "u4", "u5", "nobody", context="north")
    north = kit.ranking(kit.logits_of(kit.history_of(5), "north"), "i6")[:5]
    assert lists(answer) == [best_of(4)[:5], north, kit.ranking(kit.logits_of(None, "north"))[:5]]
    unknown = recommend(recommender, "nobody", context="nowhere at all")
    assert lists(unknown) == [BY_POPULARITY[:5]]


def test_a_history_that_was_cut_is_flagged(recommender):
    """u10 has looked at more than is kept."""
    answer = recommend(recommender, "u10", "u11", "nobody")
    assert answer.is_cut.tolist() == [True, False, False]


def test_lists_end_where_nothing_is_left(recommender):
    """What stands beyond the end is "", 0 and 0."""
    answer = recommend(recommender, "nobody", k=3, filters={"item.brand": ("b1",)}, exclude=["i1"])
    assert answer.lengths.tolist() == [3]
    gone = [f"i{number}" for number in range(1, 38, 4)][1:]
    answer = recommend(recommender, "nobody", k=3, filters={"item.brand": ("b1",)}, exclude=gone)
    assert answer.items.tolist() == [["i1", "", ""]]
    assert answer.probabilities.tolist() == [[1, 0, 0]]
    assert answer.scores[0, 1:].tolist() == [0, 0]


@pytest.mark.parametrize("k", [0, -1, kit.COUNT + 1])
def test_a_count_outside_the_catalogue_is_refused(recommender, k):
    """The message says how many there are."""
    with pytest.raises(RequestError, match=f"k: {k} of 40 items; send 1 to 40"):
        recommend(recommender, "u1", k=k)


def test_without_a_store_only_sessions_are_answered(tmp_path):
    """503 for users, and service once the store is there."""
    home = kit.Home(tmp_path / "home")
    kit.fill_catalogue(home)
    kit.promote(home, "1")
    recommender = kit.open_recommender(home)
    with pytest.raises(UnavailableError, match="user_id"):
        recommend(recommender, "u1")
    assert lists(recommend(recommender, sessions=[["i7"]]))[0]
    kit.fill_histories(home)
    assert lists(recommend(recommender, "u1"))[0] == best_of(1)[:5]


def test_own_items_are_left_out_where_repeats_are(tmp_path):
    """Those of a stored history and of a session."""
    recommender = kit.open_recommender(kit.prepare_home(tmp_path / "home", repeats=False))
    answer = recommend(recommender, "u1", sessions=[["i0"]], k=kit.COUNT)
    known, session = lists(answer)
    assert not {"i1", "i10"} & set(known)
    assert session == BY_POPULARITY[1:]


def test_many_users_are_chosen_for_in_parts(recommender, monkeypatch):
    """However many are scored at once, each row is its own."""
    users = [f"u{number}" for number in range(kit.USERS)]
    filters = {"item.kind": ("even",)}
    whole = lists(recommend(recommender, *users, filters=filters))
    monkeypatch.setattr("tidemill_serving.recommender_model._CELLS_PER_RUN", 7 * kit.COUNT)
    assert lists(recommend(recommender, *users, filters=filters)) == whole


def test_a_damaged_catalogue_is_refused(tmp_path):
    """In words of ours: NumPy would offer to load it as a pickle."""
    home = kit.prepare_home(tmp_path / "home")
    home.catalogue(kit.NAME).write_bytes(b"no archive")
    with pytest.raises(BundleError, match=r"catalogue\.npz cannot be read: it is damaged$"):
        kit.open_recommender(home)


def test_a_recommender_without_a_catalogue_is_refused(tmp_path):
    """The hint says how to make it."""
    home = kit.Home(tmp_path / "home")
    kit.promote(home, "1")
    with pytest.raises(BundleError, match=r"catalogue\.npz cannot be read") as caught:
        kit.open_recommender(home)
    assert "tidemill features materialize" in caught.value.hint


def test_a_graph_that_does_not_fit_its_description_is_refused(tmp_path):
    """41 items over a graph of 40."""
    kit.write_recommender(tmp_path, items=(*kit.ITEMS, "one more"))
    with pytest.raises(BundleError, match="cannot choose among 41 items"):
        kit.load_model(tmp_path, "m")


def test_a_graph_that_scores_nan_is_refused(tmp_path):
    """The warm-up run asks for finite scores."""
    kit.write_recommender(tmp_path, bias=float("nan"))
    with pytest.raises(BundleError, match="finite"):
        kit.load_model(tmp_path, "m")
