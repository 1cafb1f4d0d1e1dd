"""Whatever JSON arrives, the answer is 200 or 4xx with a message, never 5xx."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["user_id", "features", "BYTES", "FP32", "score", "u1"])
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
TENSORS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["user_id", "features"]) | ANYTHING,
        "datatype": st.sampled_from(["BYTES", "FP32"]) | ANYTHING,
        "shape": st.sampled_from([[1], [1, 3], [2, 3]]) | st.lists(st.integers(), max_size=3),
        "data": st.lists(SCALARS, max_size=6) | ANYTHING,
        "parameters": ANYTHING,
    },
)
DOCUMENTS = ANYTHING | st.fixed_dictionaries(
    {"inputs": st.lists(TENSORS, max_size=2) | ANYTHING},
    optional={"outputs": ANYTHING, "id": ANYTHING, "parameters": ANYTHING, "instances": ANYTHING},
)
FEW = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FEW
@given(document=DOCUMENTS)
def test_any_document_is_answered_or_refused(server, kit, document):
    """V2 and V1 on one kept connection."""
    connection = server.connect()
    for path in (f"/v2/models/{kit.OBJECTIVE}/infer", f"/v1/models/{kit.OBJECTIVE}:predict"):
        response = kit.exchange(connection, "POST", path, json.dumps(document))
        assert response.status in (200, 400)
        assert response.status == 200 or response.json["error"]
    connection.close()


@FEW
@given(body=st.binary(max_size=200), length=st.integers(-5, 250))
def test_any_binary_body_is_refused(server, kit, body, length):
    """Random bytes behind random header lengths."""
    response = server.request(
        "POST",
        f"/v2/models/{kit.OBJECTIVE}/infer",
        body,
        Content_Type="application/octet-stream",
        Inference_Header_Content_Length=str(length),
    )
    assert 400 <= response.status < 500
