"""Whatever is asked of a recommender, the answer is 200 or 400 with a message, never 5xx."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest
import recommender_kit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["user_id", "items", "BYTES", "i1", "u1", '["i1"]', "{}", "north"])
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
FILTERS = st.dictionaries(
    st.sampled_from(["item.brand", "item.kind", "item.", "brand"]),
    st.sampled_from(["b1", "even", ["b1", "b2"], []]) | ANYTHING,
    max_size=3,
)
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "k": st.integers(-2, 50) | ANYTHING,
        "filters": FILTERS | FILTERS.map(json.dumps) | ANYTHING,
        "exclude": st.lists(st.sampled_from(recommender_kit.ITEMS), max_size=3) | ANYTHING,
        "context": ANYTHING,
        "binary_data_output": ANYTHING,
    },
)
TENSORS = st.fixed_dictionaries(
    {"name": st.sampled_from(["user_id", "items"]) | ANYTHING},
    optional={
        "datatype": st.sampled_from(["BYTES", "FP32"]) | ANYTHING,
        "shape": st.sampled_from([[1], [1, 2], [2, 1]]) | st.lists(st.integers(), max_size=3),
        "data": st.lists(SCALARS, max_size=3) | ANYTHING,
    },
)
SOUND = st.sampled_from(
    [
        {"name": "user_id", "datatype": "BYTES", "shape": [2], "data": ["u1", "nobody"]},
        {"name": "items", "datatype": "BYTES", "shape": [1, 2], "data": ["i1", ""]},
    ]
)
INSTANCES = st.lists(
    st.sampled_from(["u1", {"user_id": "u2"}, {"items": ["i1", "x"]}]) | ANYTHING, max_size=3
)
DOCUMENTS = st.fixed_dictionaries(
    {"inputs": st.lists(SOUND | TENSORS, max_size=2), "instances": INSTANCES | ANYTHING},
    optional={"parameters": PARAMETERS | ANYTHING, "outputs": ANYTHING, "id": ANYTHING},
)


@pytest.fixture(scope="module")
def shop(kit):
    root = Path(tempfile.mkdtemp(prefix="tidemill-recommending-"))
    server = kit.Server(recommender_kit.prepare_home(root, at_most={"item.brand": 2})).start()
    yield server
    server.process.kill()
    server.process.wait()
    server.stderr.close()
    shutil.rmtree(root)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(document=DOCUMENTS)
def test_any_question_is_answered_or_refused(shop, kit, document):
    """V2 and V1 on one kept connection."""
    connection = shop.connect()
    name = recommender_kit.NAME
    for path in (f"/v2/models/{name}/infer", f"/v1/models/{name}:predict"):
        response = kit.exchange(connection, "POST", path, json.dumps(document))
        assert response.status in (200, 400)
        assert response.status == 200 or response.json["error"]
    connection.close()
