"""The end of a converted classifier, of which one column is wanted: the probability of churn.

Converters also write what makes the label, and steps of the probability that change no bit of it. onnxruntime runs them
all; without them a single row costs a fifth less.
"""

from collections.abc import Iterator, Mapping

import onnx
from onnx import TensorProto, helper

OUTPUT = "churn_probability"


def leave_the_probability(graph: onnx.GraphProto) -> None:
    """Replace the outputs, labels and probabilities, by one: the second column of the probabilities, rows × 1."""
    column = _second_column(graph, graph.output[1].name)
    graph.node.append(helper.make_node("Identity", [column], [OUTPUT], name=OUTPUT))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [None, 1]))
    _drop_unused(graph)


def _second_column(graph: onnx.GraphProto, name: str) -> str:
    """Return the second of two columns: as it was before they were joined, if no more than that was done to them."""
    makers = {output: node for node in graph.node for output in node.output}
    constants = {constant.name: constant for constant in graph.initializer}
    node = makers[name]
    while _changes_nothing(node, constants):
        node = makers[node.input[0]]
    if node.op_type == "Concat" and len(node.input) == 2:
        column: str = node.input[1]
        return column
    graph.initializer.append(helper.make_tensor("churned", TensorProto.INT64, [1], [1]))
    graph.node.append(helper.make_node("Gather", [name, "churned"], ["second_column"], axis=1, name="second_column"))
    return "second_column"


def _changes_nothing(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> bool:
    """Tell whether a node is a sum of one, or divides by one."""
    others = node.input[1:]
    if node.op_type == "Div" and others[0] in constants:
        return bool(onnx.numpy_helper.to_array(constants[others[0]]).tolist() == 1.0)
    return node.op_type == "Sum" and not others


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Take away nodes and constants that the outputs do not need."""
    needed = {output.name for output in graph.output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(graph.node):  # each comes after those whose results it takes
        if not needed.isdisjoint(node.output):
            needed.update(_taken(node))
            kept.append(node)
    constants = [constant for constant in graph.initializer if constant.name in needed]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(constants)


def _taken(node: onnx.NodeProto) -> Iterator[str]:
    """Name what a node takes, and what the graphs inside of it may take from the one around them."""
    yield from node.input
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            yield from (output.name for output in inner.output)
            for step in inner.node:
                yield from _taken(step)
