"""The servers that benchmarks/serving.py compares with, each in its usual form.

    python benchmarks/serving_rivals.py kserve --model FILE --store FILE --port PORT

kserve: a model server of the KServe SDK as it ships; kserve-quiet: the same with its logs off.
fastapi: FastAPI and orjson on uvicorn with uvloop and httptools, without validation, grades or a
prediction log; it answers to feature rows (/features) and to user ids with a look-up in the same
SQLite store (/users).
"""

from __future__ import annotations

import argparse
import logging
import sqlite3
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
import orjson
from numpy.typing import NDArray

MODEL_NAME = "bench"


def open_session(model: str) -> Any:
    """The same session options for everybody."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def serve_kserve(model: str, port: int, quiet: bool) -> None:
    import kserve  # 3 CPU seconds

    class Scorer(kserve.Model):  # type: ignore[misc]  # untyped
        def __init__(self) -> None:
            super().__init__(MODEL_NAME)
            self.session = open_session(model)
            self.ready = True

        def predict(self, payload: Any, *_: Any, **__: Any) -> Any:
            rows = payload.inputs[0].as_numpy()
            scores = self.session.run(["score"], {"features": rows})[0]
            output = kserve.InferOutput("score", list(scores.shape), "FP32", scores.tolist())
            return kserve.InferResponse(payload.id or "", self.name, [output])

    if quiet:
        logging.disable(logging.WARNING)
    server = kserve.ModelServer(http_port=port, enable_grpc=False, enable_latency_logging=not quiet)
    server.start([Scorer()])


def serve_fastapi(model: str, store: str, port: int) -> None:
    import uvicorn
    from fastapi import FastAPI, Request, Response

    app = FastAPI()
    session = open_session(model)
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True)

    def reply(rows: NDArray[np.float32]) -> Response:
        scores = session.run(["score"], {"features": rows})[0].tolist()
        output = {"name": "score", "datatype": "FP32", "shape": [len(scores)], "data": scores}
        body = orjson.dumps({"model_name": MODEL_NAME, "outputs": [output]})
        return Response(body, media_type="application/json")

    async def score_features(request: Request) -> Response:
        tensor = orjson.loads(await request.body())["inputs"][0]
        return reply(np.array(tensor["data"], dtype=np.float32).reshape(tensor["shape"]))

    async def score_users(request: Request) -> Response:
        tensor = orjson.loads(await request.body())["inputs"][0]
        return reply(look_up(connection, tensor["data"]))

    # The request type must be known to FastAPI while annotations are strings.
    for endpoint in (score_features, score_users):
        endpoint.__annotations__["request"] = Request
        endpoint.__annotations__["return"] = Response
    app.post("/features")(score_features)
    app.post("/users")(score_users)
    uvicorn.run(
        app, port=port, loop="uvloop", http="httptools", access_log=False, log_level="warning"
    )


def look_up(connection: sqlite3.Connection, users: Sequence[str]) -> NDArray[np.float32]:
    """Stored vectors of `users`, all of them known."""
    marks = ",".join("?" * len(users))
    query = f"SELECT entity, vector FROM rows WHERE view = 'user_activity' AND entity IN ({marks})"
    stored = dict(connection.execute(query, users))
    packed = b"".join(stored[user] for user in users)
    return np.frombuffer(packed, dtype=np.float32).reshape(len(users), -1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("server", choices=["kserve", "kserve-quiet", "fastapi"])
    parser.add_argument("--model", required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    if arguments.server != "fastapi":
        serve_kserve(arguments.model, arguments.port, quiet=arguments.server == "kserve-quiet")
    else:
        serve_fastapi(arguments.model, arguments.store, arguments.port)


if __name__ == "__main__":
    main()
