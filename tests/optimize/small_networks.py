"""Small regression networks, and samples on which they are right: passes are tried on these."""

import functools

import numpy as np

from rilaas.infer.target import Target
from rilaas.optimize.network import Network
from rilaas.optimize.opened import open_network, outputs_of
from rilaas.optimize.passes.contract import Context, silent
from rilaas.optimize.samples import Samples
from tests.infer.onnx_graph import graph_of, random

SHAPE = (3, 16, 12)


def normalization(channels, seed=0):
    """Arrays of a BatchNormalization: gamma, beta, mean, var."""
    names = ("gamma", "beta", "mean", "var")
    low = {"gamma": 0.5, "var": 0.1}
    return {name: random(channels, seed=seed + at, low=low.get(name, -0.5)) for at, name in enumerate(names)}


@functools.cache
def pilot():
    """Shaped as the network of the RA-L study: normalization, convolutions without padding, dense layers."""
    weights = normalization(3)
    weights |= {
        "c1": random(8, 3, 5, 5, low=-0.3, high=0.3),
        "d1": random(8, seed=1),
        "c2": random(12, 8, 3, 3, seed=2),
    }
    weights |= {"d2": random(12, seed=3), "f1": random(24, 96, seed=4, low=-0.2, high=0.2), "e1": random(24, seed=5)}
    weights |= {"f2": random(2, 24, seed=6, low=-0.2, high=0.2), "e2": random(2, seed=7), "shape": np.array([-1, 96])}
    nodes = [
        ("BatchNormalization", "image gamma beta mean var", "normal", {"epsilon": 1e-3}),
        ("Conv", "normal c1 d1", "a", {"strides": [2, 2]}),
        ("Relu", "a", "ar"),
        ("Conv", "ar c2 d2", "b", {}),
        ("Relu", "b", "br"),
        ("Reshape", "br shape", "flat"),
        ("Gemm", "flat f1 e1", "c", {"transB": 1}),
        ("Relu", "c", "cr"),
        ("Gemm", "cr f2 e2", "command", {"transB": 1}),
    ]
    model = graph_of(nodes, {"image": ("n", *SHAPE)}, weights, ("command",))
    return Network.of_onnx(model)


def images(count, seed=0):
    """(count, 3, 16, 12) float32: noise of a brightness that differs from image to image, in [0, 1]."""
    draw = np.random.default_rng([seed, count])
    light = draw.uniform(0.05, 1.0, (count, 1, 1, 1))
    return (draw.uniform(0, 1, (count, *SHAPE)) * light).astype(np.float32)


@functools.cache
def samples(count=48, seed=0):
    """Images with the float network's own answers, and a little noise, as targets."""
    bare = Samples({"image": images(count, seed)})
    with open_network(pilot()) as session:
        answers = outputs_of(session, bare)["command"]
    noise = np.random.default_rng(seed).normal(0, 0.05, answers.shape).astype(np.float32)
    return Samples(bare.raw, targets={"command": answers + noise})


def context(network=None, *, target="cpu/onnxruntime/int8", calibration=None, tell=silent, **parts):
    return Context(Target.parse(target), network or pilot(), calibration=calibration or samples(), tell=tell, **parts)


def answers(network, given=None, *, runtime="onnxruntime", precision="fp32"):
    """What a network answers to the images of ``given`` (those of ``samples(32, 9)``), by output name."""
    with open_network(network, Target("cpu", runtime, precision)) as session:
        return outputs_of(session, given or samples(32, 9))


def error(network, given=None, **options):
    """Mean squared error against the targets."""
    given = given or samples(32, 9)
    return float(np.square(answers(network, given, **options)["command"] - given.answers()["command"]).mean())


def operators(network):
    """Operators in order, those that restore left out."""
    return [node.op_type for node in network.to_onnx().graph.node if node.op_type != "DequantizeLinear"]
