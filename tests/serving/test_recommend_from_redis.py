"""On a cluster histories come from a Redis."""

import pytest
import recommender_kit
from recommender_kit import NAME, history_of, lists, logits_of, ranking, recommend

from tidemill_serving.errors import UnavailableError


@pytest.fixture
def home(tmp_path, start_redis, monkeypatch):
    """Histories in a Redis, the rest in the home."""
    monkeypatch.setenv("TIDEMILL_ONLINE_STORE", start_redis().url)
    return recommender_kit.prepare_home(tmp_path / "home")


def test_lists_are_those_of_a_file(home):
    """Known users and strangers alike; the home's file is not even made."""
    answer = recommend(recommender_kit.open_recommender(home), "u3", "nobody")
    known = ranking(logits_of(history_of(3)), "i4")[:5]
    assert lists(answer) == [known, ["i0", "i1", "i2", "i3", "i4"]]
    assert answer.cold_start.tolist() == [False, True]
    assert not home.online_store.exists()


def test_histories_that_are_gone_are_in_words(home, start_redis, monkeypatch):
    """An empty Redis is no crowd of strangers: users are refused, sessions are not."""
    monkeypatch.setenv("TIDEMILL_ONLINE_STORE", start_redis().url)
    recommender = recommender_kit.open_recommender(home)
    with pytest.raises(UnavailableError, match="user_id") as refused:
        recommend(recommender, "u3")
    assert "tidemill features materialize" in str(refused.value)
    assert lists(recommend(recommender, sessions=[["i9"]]))[0][0] == "i9"
    assert home.predictions(NAME).exists()
