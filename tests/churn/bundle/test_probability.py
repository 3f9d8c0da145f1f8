import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from churn.bundle.checked import open_session
from churn.bundle.probability import OUTPUT, leave_the_probability

CHURN = np.linspace(0, 1, 101, dtype=np.float32).reshape(-1, 1)


def value(name: str, *shape: int | None, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def number(name: str, content: float) -> onnx.TensorProto:
    return helper.make_tensor(name, TensorProto.FLOAT, [], [content])


def classifier(*end: onnx.NodeProto) -> onnx.ModelProto:
    """Return a model of a probability `churn`, the steps given, which make `probabilities`, and labels."""
    nodes = [
        helper.make_node("Sub", ["one", "churn"], ["stay"]),
        *end,
        helper.make_node("ArgMax", ["probabilities"], ["labels"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [value("churn", None, 1), value("sure", kind=TensorProto.BOOL)],
        [value("labels", None, 1, kind=TensorProto.INT64), value("probabilities", None, 2)],
        initializer=[number("one", 1.0), number("two", 2.0), number("unused", 3.0)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def run(model: onnx.ModelProto, output: str) -> NDArray[np.float32]:
    session = open_session(model.SerializeToString())
    [result] = session.run([output], {"churn": CHURN, "sure": np.array(True)})
    return np.asarray(result)


JOIN = helper.make_node("Concat", ["stay", "churn"], ["joined"], axis=1)
SUM = helper.make_node("Sum", ["joined"], ["summed"])
SUM_OF_TWO = helper.make_node("Sum", ["joined", "one"], ["probabilities"])


def divided(by: str) -> onnx.NodeProto:
    return helper.make_node("Div", ["summed", by], ["probabilities"])


@pytest.mark.parametrize(
    ("end", "kept"),
    [
        pytest.param([SUM, divided("one")], {"Identity"}, id="by one"),
        pytest.param([SUM, divided("two")], {"Sub", "Concat", "Sum", "Div", "Gather", "Identity"}, id="by two"),
        pytest.param([SUM_OF_TWO], {"Sub", "Concat", "Sum", "Gather", "Identity"}, id="of two"),
    ],
)
def test_what_changes_no_bit_of_the_second_column_goes(end: list[onnx.NodeProto], kept: set[str]) -> None:
    model = classifier(JOIN, *end)
    before = run(model, "probabilities")[:, 1:]

    leave_the_probability(model.graph)

    onnx.checker.check_model(model)
    assert run(model, OUTPUT).tobytes() == before.tobytes()
    assert {node.op_type for node in model.graph.node} == kept


def test_what_a_graph_inside_of_a_node_takes_from_around_it_stays() -> None:
    def branch(kind: str) -> onnx.GraphProto:
        return helper.make_graph([helper.make_node(kind, ["joined"], ["inner"])], kind, [], [value("inner", None, 2)])

    choice = helper.make_node("If", ["sure"], ["probabilities"], then_branch=branch("Abs"), else_branch=branch("Neg"))
    model = classifier(JOIN, choice)

    leave_the_probability(model.graph)

    assert run(model, OUTPUT).tolist() == CHURN.tolist()
    assert [constant.name for constant in model.graph.initializer] == ["one", "churned"]
