"""Small ONNX models for tests: a chain of nodes with random weights."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def random(*shape, seed=0, low=-1.0, high=1.0):
    """Float32 numbers, the same for the same arguments."""
    return np.random.default_rng([seed, *shape]).uniform(low, high, shape).astype(np.float32)


def graph_of(nodes, inputs, weights=None, outputs=("y",), *, opset=18, kinds=None, domains=()):
    """An ONNX model.

    Args:
        nodes: Tuples (operator, inputs, outputs, attributes): text with spaces between names; a name may be "-" for
            one that is left out.
        inputs: Shape of each float input by name; text for a free axis.
        weights: Arrays by name.
        outputs: Names.
        opset: Operator set.
        kinds: Datatype of inputs that are not float.
        domains: Further domains, of version 1.
    """
    made = []
    for number, (kind, given, results, *rest) in enumerate(nodes):
        domain, _, operator = kind.rpartition("::")
        names = ["" if name == "-" else name for name in given.split()]
        attributes = rest[0] if rest else {}
        made.append(
            helper.make_node(operator, names, results.split(), name=f"n{number}", domain=domain, **attributes)
        )
    kinds = kinds or {}
    graph = helper.make_graph(
        made,
        "test",
        [
            helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), list(shape))
            for name, shape in inputs.items()
        ],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (weights or {}).items()],
    )
    sets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return onnx.shape_inference.infer_shapes(helper.make_model(graph, opset_imports=sets, ir_version=9))
