"""Grasp planning by the cross-entropy method: grasps are sampled, judged by a network, and sampled again.

``hooks.py`` of a model folder that the benchmark writes. As in Dex-Net, a small convolutional network sees the depth
image around each candidate, turned into its frame, and tells its quality; a Gaussian is fitted to the best ones and
the next candidates are drawn from it. The network's weights are drawn, not trained: what it costs is real, not what
it says.
"""

import numpy as np

from . import accelerator

CANDIDATES, BEST, ROUNDS = 24, 6, 3
CROP = 16  # pixels


class Model:
    def __init__(self, folder, session):
        self._session = session
        self._accelerator = accelerator.Accelerator(folder)
        self._random = np.random.default_rng(0)
        line = np.arange(CROP, dtype=np.float32) - (CROP - 1) / 2
        self._grid = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1)  # (16, 16, 2)

    def predict(self, inputs):
        """``depth`` (1, 64, 64) float32 [m] to ``grasp`` (1, 4): row, column [pixel], angle [rad], quality."""
        until = self._accelerator.begin()
        grasps = np.stack([self._plan(each) for each in inputs["depth"]])
        self._accelerator.wait(until)
        return {"grasp": grasps}

    def reset(self):
        pass

    def _plan(self, depth):
        mean = np.array([depth.shape[0] / 2, depth.shape[1] / 2, 0.0])
        spread = np.array([depth.shape[0] / 4, depth.shape[1] / 4, 0.8])
        best = np.zeros(4, np.float32)
        for _ in range(ROUNDS):
            candidates = self._random.normal(mean, spread, (CANDIDATES, 3))
            quality = self._session.run({"crop": self._crops(depth, candidates)})["quality"][:, 0]
            order = np.argsort(quality)[::-1]
            elite = candidates[order[:BEST]]
            mean, spread = elite.mean(axis=0), elite.std(axis=0) + 1e-3
            best = np.array([*elite[0], quality[order[0]]], np.float32)
        return best

    def _crops(self, depth, candidates):
        """What the candidates see: (N, 1, 16, 16) float32, nearest pixels."""
        cos, sin = np.cos(candidates[:, 2]), np.sin(candidates[:, 2])
        turn = np.stack([np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=-2)  # (N, 2, 2)
        points = np.einsum("hwj,nij->nhwi", self._grid, turn) + candidates[:, None, None, :2]
        points = np.clip(np.rint(points), 0, np.array(depth.shape) - 1).astype(int)
        return depth[points[..., 0], points[..., 1]][:, None].astype(np.float32)


def write_network(path):
    """A quality network: three convolutions and two dense layers, weights drawn with seed 0."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    nodes, weights, name, channels = [], [], "crop", 1
    for index, width in enumerate((16, 32, 32)):
        kernel = random.normal(0.0, (9 * channels) ** -0.5, (width, channels, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(kernel, f"kernel{index}"))
        nodes.append(
            helper.make_node(
                "Conv", [name, f"kernel{index}"], [f"c{index}"], pads=[1] * 4, strides=[1 + index % 2] * 2
            )
        )
        nodes.append(helper.make_node("Relu", [f"c{index}"], [f"r{index}"]))
        name, channels = f"r{index}", width
    dense = random.normal(0.0, 0.05, (32 * 8 * 8, 1)).astype(np.float32)
    weights.append(numpy_helper.from_array(dense, "dense"))
    nodes += [
        helper.make_node("Flatten", [name], ["flat"]),
        helper.make_node("MatMul", ["flat", "dense"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["quality"]),
    ]
    inputs = [helper.make_tensor_value_info("crop", TensorProto.FLOAT, ["n", 1, CROP, CROP])]
    outputs = [helper.make_tensor_value_info("quality", TensorProto.FLOAT, ["n", 1])]
    graph = helper.make_graph(nodes, "quality", inputs, outputs, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
