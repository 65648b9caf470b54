"""What ``model.toml`` says, as frozen values.

A whole ``model.toml``; tables without a comment "required" may be left out::

    name = "lane-following"            # required: a model reference without owner and version
    task = "lane-following"            # required: what the model is for; suites are looked up by it
    description = "..."                # one paragraph
    backend = "onnxruntime"            # required: what runs the weights, one of BACKENDS; "python": hooks.py alone
    precision = "fp32"                 # or "bf16", "fp16": what a backend computes in; int8 is told by the weights
    weights = "weights.onnx"           # a file of the folder; required by every backend but python
    hooks = "hooks.py"                 # preprocess(inputs), postprocess(outputs), or class Model with its own loop;
                                       # for safetensors on a torch backend: network(), which gives the torch module

    [inputs.image]                     # required: one table per input and per output
    datatype = "UINT8"                 # a datatype of the Open Inference Protocol v2
    shape = [-1, 120, 160, 3]          # -1 is free; the first axis is the batch axis where the model batches
    unit = ""
    meaning = "camera frame, RGB"

    [outputs.wheels]
    datatype = "FP32"
    shape = [-1, 2]

    [batching]                         # off without this table
    max_size = 8
    max_wait_s = 0.002

    [limits]                           # of one replica
    memory_bytes = 2147483648
    cpus = 1

    [placement]
    sensitivity = "any"                # or "edge": what the robot sends must not leave the site
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rilaas.core import Signature

BACKENDS = (
    "onnxruntime",
    "openvino",
    "torch",
    "torch-compile",
    "litert",
    "tensorrt",
    "torch-tensorrt",
    "python",
)
PRECISIONS = ("fp32", "bf16", "fp16")
SENSITIVITIES = ("any", "edge")


@dataclass(frozen=True, slots=True)
class Batching:
    """When requests are computed together.

    Attributes:
        max_size: Rows of the first axis that go into one computation at most.
        max_wait_s: How long the first request waits for others at most [s].
    """

    max_size: int
    max_wait_s: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What one replica may use.

    Attributes:
        memory_bytes: Address space of its process [bytes]. A small model on onnxruntime needs about 150 MB of it.
        cpus: Cores, and threads that the backend computes with.
        answer_s: Longest time for one answer [s]; a replica that takes longer hangs, and is started anew.
    """

    memory_bytes: int = 2 * 2**30
    cpus: int = 1
    answer_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Placement:
    """Where replicas may run.

    Attributes:
        sensitivity: ``any``, or ``edge`` where the inputs must not leave the site: the hub places such a model on
            edge servers only, and an interceptor asks no other.
    """

    sensitivity: str = "any"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One model as its owner describes it.

    Attributes:
        name: The model's name, such as ``lane-following``.
        task: What it is for; models of one task are interchangeable.
        signature: What it takes and gives.
        backend: One of ``BACKENDS``.
        weights: A file of the folder with ``/`` between its parts, or '' where there is none.
        hooks: A Python file of the folder, or ''.
        description: A paragraph for people.
        batching: None where requests are computed one by one.
        limits: What one replica may use.
        placement: Where replicas may run.
        precision: One of ``PRECISIONS``: what the backend computes the float parts in.
    """

    name: str
    task: str
    signature: Signature
    backend: str
    weights: str = ""
    hooks: str = ""
    description: str = ""
    batching: Batching | None = None
    limits: Limits = field(default_factory=Limits)
    placement: Placement = field(default_factory=Placement)
    precision: str = "fp32"
