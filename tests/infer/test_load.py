import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from rilaas.core import (
    DeadlineExceeded,
    InvalidModelFolder,
    MissingDependency,
    ModelFailed,
    Policy,
    RilaasError,
    SignatureMismatch,
    check_policy,
)
from rilaas.infer import load
from tests.model_folders import write_affine_model, write_python_model

X = np.array([[1.0, 2.0, 3.0]], np.float32)

FUNCTIONS = """
    import numpy as np

    def preprocess(inputs):
        return {"x": inputs["x"] + 1}

    def postprocess(outputs):
        return {"y": np.negative(outputs["y"])}
"""
LOOP = """
    class Model:
        def __init__(self, folder, session):
            assert (folder / "weights.onnx").is_file()
            assert str(session.inputs["x"]) == "x: FP32 [-1, 3]"
            self.session, self.calls = session, 0

        def predict(self, inputs):
            self.calls += 1
            x = inputs["x"]
            for _ in range(3):
                x = self.session.run({"x": x})["y"]
            return {"y": x + (self.calls - 1)}

        def reset(self):
            self.calls = 0
"""
STATELESS = """
    class Model:
        def __init__(self, folder, session):
            assert session is None

        def predict(self, inputs):
            return {"y": inputs["x"] ** 2}
"""

STYLES = {
    "weights alone": (lambda folder: write_affine_model(folder), 2 * X + 1),
    "functions": (lambda folder: write_affine_model(folder, hooks=FUNCTIONS), -(2 * (X + 1) + 1)),
    "own loop": (lambda folder: write_affine_model(folder, hooks=LOOP), 8 * X + 7),
    "python": (lambda folder: write_python_model(folder), np.sqrt(X)),
    "python without reset": (lambda folder: write_python_model(folder, STATELESS), X**2),
}


@pytest.fixture(params=STYLES)
def style(request, tmp_path):
    write, expected = STYLES[request.param]
    return load(write(tmp_path / "model")), expected


def test_every_style_of_model_keeps_the_policy_contract(style):
    policy, _ = style
    assert isinstance(policy, Policy)
    check_policy(policy)
    check_policy(policy, {"x": np.ones((4, 3), np.float32)})


def test_every_style_of_model_computes_what_it_says(style):
    policy, expected = style
    answer = policy.predict({"x": X})
    np.testing.assert_allclose(answer["y"], expected, rtol=1e-6)
    timing = answer.timing
    assert timing.compute_s > 0.0
    assert timing.preprocess_s + timing.compute_s + timing.postprocess_s <= timing.total_s
    assert timing.queue_s == 0.0


def failing(folder, body, *, hook="predict"):
    """A model whose class runs ``body`` in one of its methods."""
    lines = textwrap.indent(textwrap.dedent(body), " " * 8)
    methods = {"__init__": "self, folder, session", "predict": "self, inputs", "reset": "self"}
    source = "class Model:\n"
    for name, arguments in methods.items():
        source += f"    def {name}({arguments}):\n{lines if name == hook else '        pass'}\n"
    return write_python_model(folder, source)


def test_reset_forgets_what_a_model_remembers(tmp_path):
    policy = load(write_affine_model(tmp_path / "m", hooks=LOOP))
    first = policy.predict({"x": X})["y"]
    assert policy.predict({"x": X})["y"][0, 0] == first[0, 0] + 1
    policy.reset()
    np.testing.assert_array_equal(policy.predict({"x": X})["y"], first)


def test_an_error_of_the_models_code_is_told_without_paths_and_traceback(tmp_path, caplog):
    policy = load(failing(tmp_path / "m", 'open("/etc/secret/robots/keys.txt")'))
    with pytest.raises(ModelFailed) as caught:
        policy.predict({"x": X})
    assert caught.value.message == (
        "The model iterative failed in predict: FileNotFoundError: [Errno 2] No such file or directory: 'keys.txt'."
    )
    assert "Traceback" in caplog.text
    assert "hooks.py" in caplog.text


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyError", "failed in predict: KeyError."),
        ('raise ValueError("two\\nlines")', "ValueError: two lines."),
        ('raise ValueError("x" * 10_000)', "x" * 300 + "."),
        ('inputs["x"][0, 0] = 5', "ValueError: assignment destination is read-only"),
        ("return None", "gave a NoneType instead of arrays by name"),
        ("return {}", "broke its own signature: Output y: FP32 [-1, 3] is missing"),
        ('return {"y": [1.0]}', "broke its own signature: Output 'y' is a list"),
        ('return {"y": inputs["x"], "z": inputs["x"]}', "broke its own signature: The model has no output 'z'"),
        ('return {"y": inputs["x"].astype("float64")}', "broke its own signature: Output 'y' is FP64"),
    ],
)
def test_whatever_a_model_does_wrong_is_a_failed_model(tmp_path, body, said):
    policy = load(failing(tmp_path / "m", body))
    with pytest.raises(ModelFailed) as caught:
        policy.predict({"x": X})
    assert said in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    with pytest.raises(ModelFailed):
        policy.predict({"x": X})


def test_an_error_that_is_meant_for_the_robot_reaches_it(tmp_path):
    body = """
        from rilaas.core import InvalidInput
        raise InvalidInput("The image is black.", "Take off the lens cap.")
    """
    with pytest.raises(RilaasError, match="Take off the lens cap") as caught:
        load(failing(tmp_path / "m", body)).predict({"x": X})
    assert caught.value.code == "invalid_input"


def test_errors_while_loading_and_resetting_are_failed_models_too(tmp_path):
    with pytest.raises(ModelFailed, match=r"failed in Model.__init__: ZeroDivisionError"):
        load(failing(tmp_path / "a", "1 / 0", hook="__init__"))
    with pytest.raises(ModelFailed, match="failed in reset: ZeroDivisionError"):
        load(failing(tmp_path / "b", "1 / 0", hook="reset")).reset()
    with pytest.raises(ModelFailed, match=r"failed in loading hooks.py: ModuleNotFoundError"):
        load(write_python_model(tmp_path / "c", "import no_such_module"))


def test_weights_that_fail_in_the_middle_are_a_failed_model(tmp_path):
    hooks = 'def preprocess(inputs): return {"x": inputs["x"][:, :2]}'
    policy = load(write_affine_model(tmp_path / "m", hooks=hooks))
    with pytest.raises(ModelFailed, match="failed in predict: InvalidArgument"):
        policy.predict({"x": X})


def test_a_deadline_that_has_passed_is_told_before_any_work(tmp_path):
    policy = load(failing(tmp_path / "m", "raise AssertionError"))
    with pytest.raises(DeadlineExceeded, match="before the model began"):
        policy.predict({"x": X}, deadline_s=0.0)
    with pytest.raises(DeadlineExceeded):
        policy.predict({"x": X}, deadline_s=-1.0)


def test_an_answer_after_its_deadline_is_useless(tmp_path):
    policy = load(failing(tmp_path / "m", 'import time; time.sleep(0.02); return {"y": inputs["x"]}'))
    with pytest.raises(DeadlineExceeded, match=r"answered after .* ms; the deadline was 1 ms\."):
        policy.predict({"x": X}, deadline_s=0.001)
    assert policy.predict({"x": X}, deadline_s=60.0)["y"].shape == (1, 3)


def test_wrong_inputs_are_refused_before_the_model_sees_them(tmp_path):
    policy = load(failing(tmp_path / "m", "raise AssertionError"))
    with pytest.raises(SignatureMismatch, match=r"Input 'x' is FP32 \[3\]; the model has x: FP32 \[-1, 3\]"):
        policy.predict({"x": X[0]})


def edit(folder, old, new):
    text = (folder / "model.toml").read_text()
    assert old in text
    (folder / "model.toml").write_text(text.replace(old, new))
    return folder


X_TABLE = 'datatype = "FP32"\nshape = [-1, 3]\nunit'
FILE = "m/weights.onnx has x: FP32 [-1, 3]"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[inputs.x]", "[inputs.image]", f"no input 'image': model.toml says image: FP32 [-1, 3]; {FILE}"),
        ("[outputs.y]", "[outputs.z]", "The weights have no output 'z'"),
        (X_TABLE, X_TABLE.replace("FP32", "UINT8"), f"model.toml says x: UINT8 [-1, 3]; {FILE}"),
        (X_TABLE, X_TABLE.replace("3]", "4]"), f"model.toml says x: FP32 [-1, 4]; {FILE}"),
        (X_TABLE, X_TABLE.replace("-1, ", ""), f"model.toml says x: FP32 [3]; {FILE}"),
        (X_TABLE, X_TABLE.replace("3]", "-1]"), f"model.toml says x: FP32 [-1, -1]; {FILE}"),
        ("[inputs.x]", '[inputs.w]\ndatatype = "FP32"\nshape = [1]\n[inputs.x]', "no input 'w'"),
    ],
)
def test_weights_that_differ_from_model_toml_are_refused_with_both_sides(tmp_path, old, new, said):
    with pytest.raises(InvalidModelFolder) as caught:
        load(edit(write_affine_model(tmp_path / "m"), old, new))
    assert said in str(caught.value)


def test_an_input_of_the_weights_that_nobody_gives_is_told(tmp_path):
    import onnx
    from onnx import TensorProto, helper

    folder = write_affine_model(tmp_path / "m")
    model = onnx.load(folder / "weights.onnx")
    model.graph.input.append(helper.make_tensor_value_info("speed", TensorProto.FLOAT, [1]))
    model.graph.output.append(helper.make_tensor_value_info("ax", TensorProto.FLOAT, None))
    onnx.save(model, str(folder / "weights.onnx"))
    with pytest.raises(InvalidModelFolder, match="Nothing is given to input 'speed' of the weights"):
        load(folder)


def test_model_toml_may_be_narrower_than_the_weights_and_leave_outputs_out(tmp_path):
    import onnx
    from onnx import TensorProto, helper

    folder = edit(write_affine_model(tmp_path / "m"), "shape = [-1, 3]\nunit", "shape = [1, 3]\nunit")
    model = onnx.load(folder / "weights.onnx")
    model.graph.output.append(helper.make_tensor_value_info("ax", TensorProto.FLOAT, None))
    onnx.save(model, str(folder / "weights.onnx"))
    assert set(load(folder).predict({"x": X})) == {"y"}


def test_a_function_on_one_side_frees_that_side_only(tmp_path):
    hooks = 'def preprocess(inputs): return {"x": inputs["image"].astype("float32")}'
    folder = edit(write_affine_model(tmp_path / "m", hooks=hooks), "[inputs.x]", "[inputs.image]")
    assert load(folder).predict({"image": X})["y"][0, 0] == 3.0
    with pytest.raises(InvalidModelFolder, match="no output 'z'"):
        load(edit(folder, "[outputs.y]", "[outputs.z]"))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1", "has neither preprocess(inputs), postprocess(outputs), network() nor class Model."),
        ("def pre_process(inputs): return inputs", "Did you mean 'preprocess'?"),
        ("class Model: pass", "class Model has no method predict(self, inputs)."),
        ("class Model:\n  def predict(self, i): pass\ndef preprocess(i): pass", "write either."),
    ],
)
def test_hooks_that_would_not_be_called_are_refused(tmp_path, source, said):
    with pytest.raises(InvalidModelFolder) as caught:
        load(write_affine_model(tmp_path / "m", hooks=source))
    assert said in str(caught.value)


def test_the_backend_python_needs_a_class(tmp_path):
    with pytest.raises(InvalidModelFolder, match="has no class Model, which the backend python runs"):
        load(write_python_model(tmp_path / "m", "def preprocess(inputs): return inputs"))


def test_hooks_can_be_several_files_and_models_share_no_state(tmp_path):
    source = """
        from . import geometry

        class Model:
            def __init__(self, folder, session): pass
            def predict(self, inputs):
                geometry.calls += 1
                return {"y": inputs["x"] * 0 + geometry.calls}
    """
    folder = write_python_model(tmp_path / "m", source)
    (folder / "geometry.py").write_text("calls = 0\n")
    one, two = load(folder), load(folder)
    assert [one.predict({"x": X})["y"][0, 0] for _ in range(3)] == [1, 2, 3]
    assert two.predict({"x": X})["y"][0, 0] == 1


def test_a_file_that_looks_like_onnx_but_does_not_load_is_refused(tmp_path):
    folder = write_affine_model(tmp_path / "m")
    (folder / "weights.onnx").write_bytes(b"\x08\x08\x3a\x02\x0a\x00")
    with pytest.raises(InvalidModelFolder, match=r"onnxruntime cannot load weights\.onnx: ") as caught:
        load(folder)
    assert str(tmp_path) not in str(caught.value)


def test_a_missing_onnxruntime_is_told_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependency, match=r"pip install 'rilaas\[serve\]'"):
        load(write_affine_model(tmp_path / "m"))
    assert load(write_python_model(tmp_path / "p")).predict({"x": X})["y"].shape == (1, 3)


PROGRAM = """
import sys, numpy as np
from rilaas.infer import load
load(sys.argv[1]).predict({"x": np.zeros((1, 3), np.float32)})
"""


def test_onnxruntime_keeps_no_telemetry(tmp_path):
    """Where its telemetry is on, onnxruntime leaves a device id and a data base of events in the home folder."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home)}
    folder = write_affine_model(tmp_path / "m")
    subprocess.run([sys.executable, "-c", PROGRAM, str(folder)], env=environment, check=True, timeout=120)
    assert [path.name for path in home.rglob("*")] == []


def test_several_threads_and_batches_give_the_same_numbers(tmp_path):
    folder = write_affine_model(tmp_path / "m")
    batch = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    one, two = load(folder, threads=1), load(folder, threads=2)
    np.testing.assert_array_equal(one.predict({"x": batch})["y"], two.predict({"x": batch})["y"])
