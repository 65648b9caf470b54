import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn import functional

from rilaas.core import InvalidModelFolder, ModelFailed, check_policy
from rilaas.infer import load
from rilaas.infer.hooks import read_hooks
from rilaas.infer.torch_export import onnx_of_folder
from rilaas.serve.isolation import launch
from rilaas.store import Limits, read_model_folder
from tests.infer.torch_folders import HOOKS, weights, write_torch_model
from tests.model_folders import write_affine_model

torch.set_num_threads(1)

IMAGE = np.random.default_rng(0).normal(size=(3, 3, 8, 10)).astype(np.float32)
SPEED = np.array([[1.0], [0.0], [-1.0]], np.float32)


def expected(image=IMAGE, speed=SPEED):
    tensors = weights()
    x = functional.conv2d(torch.from_numpy(image), tensors["conv.weight"], tensors["conv.bias"], stride=2)
    y = functional.linear(torch.relu(x).flatten(1), tensors["head.weight"], tensors["head.bias"])
    return y.numpy() + speed


def test_a_replica_serves_a_torch_module_and_says_how_much_memory_it_lacks(folder, tmp_path):
    launched = launch(folder, tmp_path / "replica.sock")
    launched.stop()
    with pytest.raises(InvalidModelFolder, match=r"needs about \d+ MiB .* may use 512 MiB.*Write memory_bytes = \d+"):
        launch(folder, tmp_path / "replica.sock", limits=Limits(memory_bytes=512 * 2**20))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_torch_model(tmp_path_factory.mktemp("torch") / "small")


def test_a_torch_module_of_a_model_folder_is_a_policy(folder):
    policy = load(folder)
    check_policy(policy)
    got = policy.predict({"image": IMAGE, "speed": SPEED})["command"]
    np.testing.assert_allclose(got, expected(), atol=1e-6)


def test_a_module_may_take_what_preprocess_gives_and_give_what_postprocess_takes(tmp_path):
    hooks = (
        HOOKS.replace("return self.head(x) + speed", 'return {"raw": self.head(x) + speed, "rest": x}')
        + """
    def preprocess(inputs):
        return {"speed": inputs["v"], "image": inputs["frame"].transpose(0, 3, 1, 2).astype("float32") / 255}

    def postprocess(outputs):
        assert set(outputs) == {"raw", "rest"}
        return {"command": outputs["raw"] * 2}
    """
    )
    inputs = {"frame": ("UINT8", [-1, 8, 10, 3]), "v": ("FP32", [-1, 1])}
    policy = load(write_torch_model(tmp_path / "m", hooks=hooks, inputs=inputs))
    check_policy(policy)
    frame = np.random.default_rng(1).integers(0, 256, (3, 8, 10, 3), dtype=np.uint8)
    image = np.ascontiguousarray(frame.transpose(0, 3, 1, 2)).astype(np.float32) / 255
    got = policy.predict({"frame": frame, "v": SPEED})["command"]
    np.testing.assert_allclose(got, 2 * expected(image), atol=1e-5)


def test_a_model_with_its_own_loop_gets_its_torch_module_as_a_session(tmp_path):
    hooks = (
        HOOKS
        + """
    class Model:
        def __init__(self, folder, session):
            self.session = session

        def predict(self, inputs):
            return self.session.run(inputs)
    """
    )
    got = load(write_torch_model(tmp_path / "m", hooks=hooks)).predict({"image": IMAGE, "speed": SPEED})
    np.testing.assert_allclose(got["command"], expected(), atol=1e-6)


def test_bfloat16_is_close_and_gives_float32(tmp_path):
    policy = load(write_torch_model(tmp_path / "m", toml='precision = "bf16"'))
    got = policy.predict({"image": IMAGE, "speed": SPEED})["command"]
    assert got.dtype == np.float32
    difference = np.abs(got - expected()).max()
    assert 0 < difference < 0.05


def test_another_runtime_gets_the_module_as_onnx(folder):
    model = read_model_folder(folder)
    data = onnx_of_folder(model, read_hooks(model))
    assert str(folder).encode() not in data
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert {each.name: each.shape for each in session.get_inputs()} == {
        "image": ["batch", 3, 8, 10],
        "speed": ["batch", 1],
    }
    (got,) = session.run(["command"], {"image": IMAGE, "speed": SPEED})
    np.testing.assert_allclose(got, expected(), atol=1e-5)


def changed(**tensors):
    made = {**weights(), **tensors}
    return {name: tensor for name, tensor in made.items() if tensor is not None}


WRONG_WEIGHTS = {
    "a tensor is missing": (
        changed(**{"head.bias": None}),
        r"small/weights.safetensors does not fit network\(\): it lacks head.bias",
    ),
    "a tensor is called otherwise": (
        changed(**{"head.bias": None, "heads.bias": torch.zeros(2)}),
        r"it lacks head.bias; it has heads.bias, which the module has not. Did you mean 'heads.bias'",
    ),
    "a tensor is left over": (changed(extra=torch.zeros(1)), "it has extra, which the module has not"),
    "a tensor has another shape": (
        changed(**{"head.weight": torch.zeros(2, 40)}),
        r"head.weight is \[2, 40\] in the file and \[2, 48\] in the module",
    ),
}


@pytest.mark.parametrize("name", WRONG_WEIGHTS)
def test_weights_that_do_not_fit_the_module_are_named(tmp_path, name):
    tensors, said = WRONG_WEIGHTS[name]
    with pytest.raises(InvalidModelFolder, match=said):
        load(write_torch_model(tmp_path / "small", tensors=tensors))


WRONG_HOOKS = {
    "no network": ("def preprocess(inputs): return inputs", r"Write network\(\) in hooks.py"),
    "no module": ("def network(): return 5", r"network\(\) gave a int"),
    "other names": (HOOKS.replace("speed", "velocity"), "forward takes image, velocity; model.toml has image, speed"),
    "too many outputs": (
        HOOKS.replace("return self.head(x) + speed", "return self.head(x), speed"),
        "the module gives 2 tensors; model.toml has the outputs command",
    ),
    "no tensor": (HOOKS.replace("return self.head(x) + speed", 'return "left"'), "gives a str for 'command'"),
    "no names": (HOOKS.replace("image, speed", "*everything"), "does not name what it takes"),
    "another shape": (HOOKS.replace("self.head(x) + speed", "self.head(x)[:, :1]"), r"command: FP32 \[-1, 1\]"),
}


@pytest.mark.parametrize("name", WRONG_HOOKS)
def test_a_module_that_does_not_fit_model_toml_is_explained(tmp_path, name):
    hooks, said = WRONG_HOOKS[name]
    with pytest.raises(InvalidModelFolder, match=said):
        load(write_torch_model(tmp_path / "small", hooks=hooks))


@pytest.mark.parametrize(
    ("hooks", "said"),
    [
        (HOOKS.replace("return Small()", "return Small(5)"), "failed in network: TypeError"),
        (HOOKS.replace("self.conv(image)", "self.conv(image, 7)"), "failed in the module of network"),
    ],
    ids=["network", "forward"],
)
def test_the_models_own_error_is_told(tmp_path, hooks, said):
    with pytest.raises(ModelFailed, match=said):
        load(write_torch_model(tmp_path / "small", hooks=hooks))


def test_a_module_that_cannot_be_exported_says_what_forward_may_do(tmp_path):
    hooks = HOOKS.replace("return self.head", "return self.head(x) * 2 if x.sum() > 0 else self.head")
    model = read_model_folder(write_torch_model(tmp_path / "small", hooks=hooks))
    with pytest.raises(Exception, match="cannot be exported to ONNX") as caught:
        onnx_of_folder(model, read_hooks(model))
    assert "without branches" in str(caught.value)


def test_onnx_weights_do_not_need_network_and_the_hooks_stay_what_they_were(tmp_path):
    folder = write_affine_model(tmp_path / "m", hooks="def preprocess(inputs): return inputs")
    (folder / "model.toml").write_text((folder / "model.toml").read_text().replace('"onnxruntime"', '"torch"'))
    policy = load(folder)
    check_policy(policy)
    np.testing.assert_allclose(policy.predict({"x": np.ones((2, 3), np.float32)})["y"], 3.0)
