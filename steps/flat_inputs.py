"""A model whose inputs are flat, as MLflow hands over the columns of a data frame."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto

_AXIS = "column_axis"


def with_flat_inputs(content: bytes) -> "ModelProto":
    """Return a bundle's model, which takes columns of shape rows × 1, as one that takes the same columns flat."""
    import onnx
    from onnx import helper

    model = onnx.load_model_from_string(content)
    graph = model.graph
    columns = {value.name: f"{value.name}_column" for value in graph.input}
    for value in graph.input:
        del value.type.tensor_type.shape.dim[1:]
    for node in graph.node:
        node.input[:] = [columns.get(name, name) for name in node.input]
    nodes = [helper.make_node("Unsqueeze", [name, _AXIS], [column], name=column) for name, column in columns.items()]
    nodes += graph.node
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.append(helper.make_tensor(_AXIS, onnx.TensorProto.INT64, [1], [1]))
    onnx.checker.check_model(model)
    return model
