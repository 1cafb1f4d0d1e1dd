"""V2 over gRPC, with the standard health service, in the same process as REST."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tidemill import __version__
from tidemill.errors import TidemillError
from tidemill_serving import open_inference_pb2 as pb
from tidemill_serving import open_inference_pb2_grpc as pb_grpc
from tidemill_serving.app import ask
from tidemill_serving.errors import NotFoundError, RequestError
from tidemill_serving.forms import Form, form_of
from tidemill_serving.metrics import Metrics
from tidemill_serving.predictor import Answer
from tidemill_serving.recommended import Recommendations
from tidemill_serving.repository import Repository
from tidemill_serving.rest_v2 import EXTENSIONS, describe_model, read_id
from tidemill_serving.tensors import Tensor, check_outputs, pack_output

logger = logging.getLogger("tidemill.serving")

# A call waits in its thread for its search, so this is how many calls are searched for together:
# at a million items 16 threads answer three times as many as two. Elsewhere it makes no difference.
_THREADS = 16
_SERVICE = "inference.GRPCInferenceService"
_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    503: grpc.StatusCode.UNAVAILABLE,
}
_CONTENTS = {"BYTES": "bytes_contents", "FP32": "fp32_contents"}


class InferenceService(pb_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]  # generated
    """The RPCs. Every fault ends in a status code with the message REST would give."""

    def __init__(self, repository: Repository, metrics: Metrics) -> None:
        self._repository = repository
        self._metrics = metrics

    def ServerLive(self, _request: Any, _context: Any) -> Any:
        return pb.ServerLiveResponse(live=True)

    def ServerReady(self, _request: Any, _context: Any) -> Any:
        return pb.ServerReadyResponse(ready=self._repository.ready)

    def ModelReady(self, request: Any, _context: Any) -> Any:
        try:
            self._repository.get(request.name, request.version)
        except NotFoundError:
            return pb.ModelReadyResponse(ready=False)
        return pb.ModelReadyResponse(ready=self._repository.ready)

    def ServerMetadata(self, _request: Any, _context: Any) -> Any:
        return pb.ServerMetadataResponse(
            name="tidemill", version=__version__, extensions=EXTENSIONS
        )

    def ModelMetadata(self, request: Any, context: Any) -> Any:
        return _guard(context, lambda: self._describe(request))

    def ModelInfer(self, request: Any, context: Any) -> Any:
        started = perf_counter()
        try:
            return _guard(context, lambda: self._infer(request))
        finally:
            known = request.model_name in self._repository.predictors
            code = (context.code() or grpc.StatusCode.OK).name
            self._metrics.answered(
                request.model_name if known else "", "grpc", code, perf_counter() - started
            )

    def _describe(self, request: Any) -> Any:
        document = describe_model(self._repository.get(request.name, request.version))
        return pb.ModelMetadataResponse(**document)

    def _infer(self, request: Any) -> Any:
        predictor = self._repository.get(request.model_name, request.model_version)
        form = form_of(predictor)
        outputs = check_outputs([output.name for output in request.outputs], form.outputs)
        query = form.read(_read_tensors(request), _read_parameters(request), predictor.model)
        answer = ask(predictor, query, read_id(request.id), self._metrics)
        return _encode(answer, outputs, form)


class GrpcServer:
    """The listening server and what its health service says."""

    def __init__(
        self, repository: Repository, metrics: Metrics, address: str, max_message: int
    ) -> None:
        workers = ThreadPoolExecutor(_THREADS, thread_name_prefix="grpc")
        self._server = grpc.server(
            workers,
            options=[("grpc.max_receive_message_length", max_message), ("grpc.so_reuseport", 0)],
        )
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        pb_grpc.add_GRPCInferenceServiceServicer_to_server(
            InferenceService(repository, metrics), self._server
        )
        try:
            self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise TidemillError(
                f"cannot listen for gRPC on {address}", "choose another --grpc-port, 0 for none"
            ) from error

    def start(self) -> None:
        self._server.start()
        self._tell(health_pb2.HealthCheckResponse.SERVING)

    def drain(self) -> None:
        """Health turns to NOT_SERVING; calls are still answered."""
        self._tell(health_pb2.HealthCheckResponse.NOT_SERVING)

    def stop(self, grace: float) -> None:
        """Refuse new calls and wait up to `grace` seconds for those running."""
        self._server.stop(grace).wait()

    def _tell(self, status: int) -> None:
        for service in ("", _SERVICE):
            self._health.set(service, status)


def _guard(context: Any, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except RequestError as error:
        context.abort(_CODES[error.status], str(error))
    except Exception:  # one call may fail, the server may not; no internals leave it
        logger.exception("gRPC call failed")
        context.abort(grpc.StatusCode.INTERNAL, "internal error; the server's log has the cause")


def _read_tensors(request: Any) -> list[Tensor]:
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise RequestError(
            f"raw_input_contents: {len(raw)} buffers for {len(request.inputs)} inputs",
            "send one for each input, or none",
        )
    return [
        _read_tensor(tensor, raw[at] if raw else None) for at, tensor in enumerate(request.inputs)
    ]


def _read_tensor(tensor: Any, raw: bytes | None) -> Tensor:
    if raw is not None and tensor.HasField("contents"):
        raise RequestError(
            f"{tensor.name}: has both contents and raw_input_contents", "send one of them"
        )
    data = None
    if raw is None and tensor.datatype in _CONTENTS:
        data = list(getattr(tensor.contents, _CONTENTS[tensor.datatype]))
    return Tensor(tensor.name, tensor.datatype, list(tensor.shape), data, raw)


def _read_parameters(request: Any) -> dict[str, Any]:
    return {
        name: getattr(value, chosen) if (chosen := value.WhichOneof("parameter_choice")) else None
        for name, value in request.parameters.items()
    }


def _encode(answer: Answer | Recommendations, outputs: Iterable[str], form: Form) -> Any:
    response = pb.ModelInferResponse(
        model_name=answer.model_name, model_version=answer.model_version, id=answer.prediction_id
    )
    values = form.values(answer)
    for name in outputs:
        shape = form.shape(name, answer)
        response.outputs.add(name=name, datatype=form.outputs[name], shape=shape)
        response.raw_output_contents.append(pack_output(values[name]))
    return response
