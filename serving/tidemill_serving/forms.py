"""How questions to each kind of model look in the protocols, and its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from tidemill_serving import rest_v1
from tidemill_serving.model import Model
from tidemill_serving.predictor import Answer, Predictor
from tidemill_serving.recommendation_query import RecommendationQuery
from tidemill_serving.recommendation_tensors import (
    ITEMS_INPUT,
    LISTS,
    list_values,
    read_recommendation,
)
from tidemill_serving.recommendation_tensors import OUTPUTS as LIST_OUTPUTS
from tidemill_serving.recommendation_v1 import decode_recommendation, encode_recommendation
from tidemill_serving.recommended import Recommendations
from tidemill_serving.recommender import Recommender
from tidemill_serving.recommender_model import RecommenderModel
from tidemill_serving.segment_model import SegmentModel
from tidemill_serving.segment_v1 import OUTPUTS as SEGMENT_OUTPUTS
from tidemill_serving.segment_v1 import encode_segments, segment_values
from tidemill_serving.segmenter import Segmented, Segmenter
from tidemill_serving.stored_rows import Query
from tidemill_serving.tensors import (
    FEATURES_INPUT,
    OF_THE_PROTOCOL,
    OUTPUTS,
    USER_INPUT,
    Tensor,
    output_values,
    read_query,
    refuse_parameters,
)
from tidemill_serving.valuer import OUTPUTS as VALUE_OUTPUTS
from tidemill_serving.valuer import Valuer, encode_values, value_outputs

Values = Mapping[str, list[Any] | NDArray[Any]]


class Form(Protocol):
    """One kind of model in V2 and V1. Reading raises RequestError.

    Models, questions and answers are those of the kind.
    """

    @property
    def outputs(self) -> Mapping[str, str]:
        """Datatype of each output, by name."""

    def inputs(self, model: Any) -> list[dict[str, Any]]:
        """Name, datatype and shape of each input."""

    def shape(self, output: str, answer: Any | None) -> list[int]:
        """Of an output; -1 for what depends on the answer when there is none."""

    def read(
        self, tensors: Sequence[Tensor], parameters: Mapping[str, Any], model: Any
    ) -> Query | RecommendationQuery:
        """The question of a V2 request."""

    def values(self, answer: Any) -> Values:
        """Values of every output, row by row."""

    def read_v1(self, body: bytes) -> Query | RecommendationQuery:
        """The question of a V1 request."""

    def write_v1(self, answer: Any) -> bytes:
        """The answer to a V1 request."""


class ScoreForm:
    """Users or their features in, scores out."""

    outputs = OUTPUTS

    def inputs(self, model: Model) -> list[dict[str, Any]]:
        width = len(model.metadata.features)
        return [
            {"name": USER_INPUT, "datatype": "BYTES", "shape": [-1]},
            {"name": FEATURES_INPUT, "datatype": "FP32", "shape": [-1, width]},
        ]

    def shape(self, output: str, answer: Answer | None) -> list[int]:  # noqa: ARG002  # all alike
        return [-1 if answer is None else len(answer.grades)]

    def read(
        self,
        tensors: Sequence[Tensor],
        parameters: Mapping[str, Any],
        model: Model,
    ) -> Query:
        refuse_parameters(parameters, OF_THE_PROTOCOL)
        return read_query(tensors, len(model.metadata.features))

    def values(self, answer: Answer) -> Values:
        return output_values(answer)

    def read_v1(self, body: bytes) -> Query:
        return rest_v1.decode_predict(body)

    def write_v1(self, answer: Answer) -> bytes:
        return rest_v1.encode_predict(answer)


class ValueForm(ScoreForm):
    """Users or their features in, expected values and what belongs to them out."""

    outputs = VALUE_OUTPUTS

    def values(self, answer: Answer) -> Values:
        return value_outputs(answer)

    def write_v1(self, answer: Answer) -> bytes:
        return encode_values(answer)


class ListForm:
    """Users or sessions in, lists of items out."""

    outputs = LIST_OUTPUTS

    def inputs(self, model: RecommenderModel) -> list[dict[str, Any]]:  # noqa: ARG002  # all alike
        return [
            {"name": USER_INPUT, "datatype": "BYTES", "shape": [-1]},
            {"name": ITEMS_INPUT, "datatype": "BYTES", "shape": [-1, -1]},
        ]

    def shape(self, output: str, answer: Recommendations | None) -> list[int]:
        shape = (-1, -1) if answer is None else answer.items.shape
        return [*shape] if output in LISTS else [shape[0]]

    def read(
        self,
        tensors: Sequence[Tensor],
        parameters: Mapping[str, Any],
        model: RecommenderModel,  # noqa: ARG002  # questions to all of them look alike
    ) -> RecommendationQuery:
        return read_recommendation(tensors, parameters)

    def values(self, answer: Recommendations) -> Values:
        return list_values(answer)

    def read_v1(self, body: bytes) -> RecommendationQuery:
        return decode_recommendation(body)

    def write_v1(self, answer: Recommendations) -> bytes:
        return encode_recommendation(answer)


class SegmentForm:
    """Users or their features in, segments out."""

    outputs = SEGMENT_OUTPUTS

    def inputs(self, model: SegmentModel) -> list[dict[str, Any]]:
        width = len(model.metadata.features)
        return [
            {"name": USER_INPUT, "datatype": "BYTES", "shape": [-1]},
            {"name": FEATURES_INPUT, "datatype": "FP32", "shape": [-1, width]},
        ]

    def shape(self, output: str, answer: Segmented | None) -> list[int]:  # noqa: ARG002  # all alike
        return [-1 if answer is None else len(answer.segments)]

    def read(
        self,
        tensors: Sequence[Tensor],
        parameters: Mapping[str, Any],
        model: SegmentModel,
    ) -> Query:
        refuse_parameters(parameters, OF_THE_PROTOCOL)
        return read_query(tensors, len(model.metadata.features))

    def values(self, answer: Segmented) -> Values:
        return segment_values(answer)

    def read_v1(self, body: bytes) -> Query:
        return rest_v1.decode_predict(body)

    def write_v1(self, answer: Segmented) -> bytes:
        return encode_segments(answer)


_SCORES, _VALUES, _LISTS, _SEGMENTS = ScoreForm(), ValueForm(), ListForm(), SegmentForm()


def form_of(served: Predictor | Recommender | Segmenter) -> Form:
    """The form of what is served."""
    if isinstance(served, Segmenter):
        return _SEGMENTS
    if isinstance(served, Valuer):
        return _VALUES
    return _SCORES if isinstance(served, Predictor) else _LISTS
