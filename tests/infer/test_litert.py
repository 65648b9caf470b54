"""LiteRT on a file with integers inside and out. ``tests/optimize/tensorflow/write_road.py`` made it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rilaas.core import InvalidInput, InvalidModelFolder
from rilaas.infer.backends import backend_named
from rilaas.infer.session import Kernels
from rilaas.infer.standard_error import standard_error_without
from rilaas.optimize.opened import open_network
from tests.optimize.tensorflow.road import TEST, network

interpreter = pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT is not installed")

FILE = Path(__file__).parent / "road_integer.tflite"
ROWS = TEST.inputs()["image"]


@pytest.fixture(scope="module")
def session():
    return backend_named("litert").open(FILE)


@pytest.fixture(scope="module")
def wanted():
    with open_network(network()) as original:
        return original.run({"image": ROWS})["command"]


@pytest.fixture(scope="module")
def stored():
    """How the file stores its input: scale and zero."""
    (details,) = interpreter.Interpreter(str(FILE)).get_input_details()
    return details["quantization"]


def filled(value):
    return {"image": np.full((1, 3, 12, 16), value, np.float32)}


def test_integers_stay_inside(session):
    own = interpreter.Interpreter(str(FILE))
    assert [details["dtype"] for details in (*own.get_input_details(), *own.get_output_details())] == [np.uint8] * 2
    assert [str(spec) for spec in session.inputs.values()] == ["image: FP32 [-1, 3, 12, 16]"]
    assert [str(spec) for spec in session.outputs.values()] == ["command: FP32 [-1, 2]"]
    assert session.kernels() == Kernels(total=4, integer=4)


def test_it_answers_what_the_float_network_answers(session, wanted):
    found = session.run({"image": ROWS})["command"]
    assert found.dtype == np.float32
    assert np.mean((found - wanted) ** 2) < 0.01 * wanted.var()


def test_raw_integers_would_be_an_error_of_thousands(session, wanted):
    # What the document measured for its integer variant, 28157: it compared the file's own integers with commands.
    own = interpreter.Interpreter(str(FILE))
    own.resize_tensor_input(own.get_input_details()[0]["index"], ROWS.shape)
    own.allocate_tensors()
    scale, zero = own.get_input_details()[0]["quantization"]
    own.set_tensor(
        own.get_input_details()[0]["index"], np.clip(np.rint(ROWS / scale) + zero, 0, 255).astype(np.uint8)
    )
    own.invoke()
    integers = own.get_tensor(own.get_output_details()[0]["index"]).astype(np.float64)
    assert np.mean((integers - wanted) ** 2) > 1e3
    scale, zero = own.get_output_details()[0]["quantization"]
    np.testing.assert_allclose(session.run({"image": ROWS})["command"], (integers - zero) * scale, rtol=1e-6)


def test_what_lies_outside_the_range_counts_as_its_end(session, stored):
    scale, zero = stored
    for end, beyond in (((255 - zero) * scale, 1e6), ((255 - zero) * scale, np.inf), (-zero * scale, -300.0)):
        np.testing.assert_array_equal(session.run(filled(beyond))["command"], session.run(filled(end))["command"])
    low, high = (session.run(filled(end))["command"] for end in (-zero * scale, (255 - zero) * scale))
    assert np.abs(high - low).max() > 0.01  # a value that wraps around would be seen


def test_inputs_are_rounded_to_the_nearest_integer(session, stored):
    scale, zero = stored
    step = {at: session.run(filled((at - zero) * scale))["command"] for at in (200.4, 200, 200.6, 201, 230)}
    np.testing.assert_array_equal(step[200.4], step[200])
    np.testing.assert_array_equal(step[200.6], step[201])
    assert np.any(step[200] != step[230])


def test_a_number_that_is_none_is_refused_and_others_stay(session):
    bad = filled(0.5)
    bad["image"][0, 1, 2, 3] = np.nan
    with pytest.raises(InvalidInput, match="NaN"):
        session.run(bad)
    assert np.isfinite(session.run(filled(0.5))["command"]).all()


def test_rows_of_a_batch_are_computed_as_alone(session):
    together = session.run({"image": ROWS[:5]})["command"]
    alone = np.concatenate([session.run({"image": ROWS[row : row + 1]})["command"] for row in range(5)])
    np.testing.assert_array_equal(together, alone)


def test_a_shape_that_does_not_fit_says_which_does(session):
    for shape in ((1, 12, 16, 3), (3, 12, 16), (0, 3, 12, 16)):
        with pytest.raises(InvalidInput, match=r"image: FP32 \[-1, 3, 12, 16\]"):
            session.run({"image": np.zeros(shape, np.float32)})


@pytest.mark.parametrize("kept", [0, 4, 1000, 5000])
def test_a_file_that_is_cut_off_is_refused_by_name(tmp_path, kept):
    path = tmp_path / "cut.tflite"
    path.write_bytes(FILE.read_bytes()[:kept])
    with pytest.raises(InvalidModelFolder, match=r"LiteRT cannot load cut\.tflite") as raised:
        backend_named("litert").open(path)
    assert str(tmp_path) not in str(raised.value)


def test_a_file_without_a_signature_has_the_names_of_its_tensors(tmp_path, session):
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(FILE.read_bytes()))
    model.signatureDefs = []
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path = tmp_path / "plain.tflite"
    path.write_bytes(bytes(builder.Output()))
    plain = backend_named("litert").open(path)
    assert list(plain.inputs) == ["serving_default_image:0"]
    (found,) = plain.run({"serving_default_image:0": ROWS[:2]}).values()
    np.testing.assert_array_equal(found, session.run({"image": ROWS[:2]})["command"])


def test_a_process_that_loads_a_file_writes_nothing():
    code = (
        "import sys; from pathlib import Path; from rilaas.infer.backends import backend_named;"
        "backend_named('litert').open(Path(sys.argv[1]))"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(FILE)], capture_output=True, check=True)
    assert ran.stdout + ran.stderr == b""


def test_without_litert_it_says_what_to_install():
    code = (
        "import sys; sys.modules['ai_edge_litert'] = None;"
        "from rilaas.infer.backends import backend_named as b; print(b('litert').missing())"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert "pip install 'rilaas[litert]'" in ran.stdout


def test_lines_that_are_no_noise_arrive_on_standard_error(capfd):
    def fail():
        os.write(2, b"a hum of a library\nan error\nhum\n")
        raise RuntimeError

    with pytest.raises(RuntimeError), standard_error_without(b"hum"):
        fail()
    os.write(2, b"hum afterwards\n")
    assert capfd.readouterr().err == "an error\nhum afterwards\n"
