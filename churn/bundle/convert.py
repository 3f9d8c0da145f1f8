"""A fitted pipeline as ONNX: raw feature columns in, calibrated probability of churn out."""

import warnings
from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto
from skl2onnx import convert_sklearn
from skl2onnx.common._container import ModelComponentContainer
from skl2onnx.common._topology import Operator, Scope
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.pipeline import Pipeline

from churn.bundle.errors import BundleRefused
from churn.bundle.probability import leave_the_probability
from churn.features.catalogue import Feature
from churn.training.categories import Categories
from churn.training.numbers import Numbers

_OPSET = {"": 18, "ai.onnx.ml": 3}


def to_onnx(pipeline: Pipeline, catalogue: Sequence[Feature]) -> bytes:
    """Return the model's bytes; equal pipelines give equal bytes.

    Every feature is an input of shape rows × 1, float32 or string; the output has shape rows × 1.

    Raises:
        BundleRefused: names the first step that has no ONNX form.
    """
    try:
        model = _converted(pipeline, catalogue)
    except Exception as error:
        # The converters of skl2onnx and of others raise errors of every kind.
        name, estimator = _first_without_onnx(pipeline, catalogue)
        raise BundleRefused(
            f"{type(estimator).__name__}, the step {name} of its pipeline, cannot be converted to ONNX "
            f"({type(error).__name__}); use steps that convert (docs/extending.md)"
        ) from error
    leave_the_probability(model.graph)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _converted(pipeline: Pipeline, catalogue: Sequence[Feature]) -> onnx.ModelProto:
    with warnings.catch_warnings():
        # skl2onnx writes some integers of a tree as bool, which protobuf will refuse from version 7.34 on.
        warnings.filterwarnings("ignore", message="Field onnx.AttributeProto.ints", category=DeprecationWarning)
        model: onnx.ModelProto = convert_sklearn(
            pipeline,
            name="churn",
            initial_types=[
                (feature.name, (FloatTensorType if feature.kind == "numeric" else StringTensorType)([None, 1]))
                for feature in catalogue
            ],
            options={id(pipeline): {"zipmap": False}} if hasattr(pipeline, "predict_proba") else None,
            target_opset=_OPSET,
            custom_conversion_functions={Numbers: _convert_numbers, Categories: _convert_categories},
            custom_shape_calculators={Numbers: _shape_of_numbers, Categories: _shape_of_categories},
        )
    return model


def _first_without_onnx(pipeline: Pipeline, catalogue: Sequence[Feature]) -> tuple[str, object]:
    *before, (last, model) = pipeline.steps
    for count, (name, step) in enumerate(before, start=1):
        try:
            _converted(Pipeline(before[:count]), catalogue)
        except Exception:
            return name, step
    return last, getattr(model, "estimator", model)


class _Nodes:
    """Adds nodes to the graph under unique names."""

    def __init__(self, scope: Scope, container: ModelComponentContainer) -> None:
        self._scope, self._container = scope, container

    def node(self, kind: str, inputs: Sequence[str], output: str | None = None, **attributes: object) -> str:
        """Add a node and return the name of its output."""
        name: str = output or self._scope.get_unique_variable_name(kind.lower())
        self._container.add_node(
            kind, list(inputs), name, name=self._scope.get_unique_operator_name(kind), **attributes
        )
        return name

    def joined(self, blocks: Sequence[str], output: str) -> None:
        """Join blocks of columns; one alone is the result."""
        if len(blocks) == 1:
            self.node("Identity", blocks, output)
        else:
            self.node("Concat", blocks, output, axis=1)

    def row(self, values: ArrayLike) -> str:
        """Add float32 values that are broadcast along the rows."""
        row = np.atleast_1d(np.asarray(values, dtype=np.float32))
        return self._initializer(TensorProto.FLOAT, [1, len(row)], row)

    def indices(self, values: ArrayLike) -> str:
        """Add positions."""
        positions = np.asarray(values, dtype=np.int64)
        return self._initializer(TensorProto.INT64, [len(positions)], positions)

    def _initializer(self, kind: int, shape: list[int], values: NDArray[np.generic]) -> str:
        name: str = self._scope.get_unique_variable_name("values")
        self._container.add_initializer(name, kind, shape, values)
        return name


def _shape_of_numbers(operator: Operator) -> None:
    numbers: Numbers = operator.raw_operator
    _set_columns(operator, numbers.n_features_in_ + len(numbers.flagged_))


def _shape_of_categories(operator: Operator) -> None:
    _set_columns(operator, sum(map(len, operator.raw_operator.frequent_)))


def _set_columns(operator: Operator, columns: int) -> None:
    operator.outputs[0].type = FloatTensorType([operator.inputs[0].get_first_dimension(), columns])


def _convert_numbers(scope: Scope, operator: Operator, container: ModelComponentContainer) -> None:
    """Repeat `Numbers.transform`; NaN is set aside first, because comparing with it is left open by ONNX."""
    numbers: Numbers = operator.raw_operator
    add = _Nodes(scope, container)
    raw = operator.inputs[0].full_name
    gaps = add.node("IsNaN", [raw])
    known = add.node("Where", [gaps, add.row(0), raw])
    bounded = add.node("Min", [add.node("Max", [known, add.row(numbers.lower_)]), add.row(numbers.upper_)])
    x = add.node("Where", [gaps, add.row(numbers.fill_), bounded])
    if numbers.log:
        size = add.node("Log", [add.node("Add", [add.node("Abs", [x]), add.row(1)])])
        x = add.node("Mul", [add.node("Sign", [x]), size])
    blocks = [x]
    if len(numbers.flagged_):
        flags = add.node("Gather", [gaps, add.indices(numbers.flagged_)], axis=1)
        blocks.append(add.node("Cast", [flags], to=TensorProto.FLOAT))
    add.joined(blocks, operator.outputs[0].full_name)


def _convert_categories(scope: Scope, operator: Operator, container: ModelComponentContainer) -> None:
    """Repeat `Categories.transform`."""
    categories: Categories = operator.raw_operator
    add = _Nodes(scope, container)
    blocks = []
    for column, frequent in enumerate(categories.frequent_):
        if frequent:
            values = add.node("Gather", [operator.inputs[0].full_name, add.indices([column])], axis=1)
            known = [category.encode() for category in frequent]
            columns = add.node("OneHotEncoder", [values], op_domain="ai.onnx.ml", cats_strings=known, zeros=1)
            blocks.append(add.node("Reshape", [columns, add.indices([-1, len(frequent)])]))
    add.joined(blocks, operator.outputs[0].full_name)
