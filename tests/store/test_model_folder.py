import contextlib
import textwrap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.core import InvalidModelFolder, NotFound
from rilaas.store import Batching, Limits, Placement, read_model_folder
from rilaas.store.manifest_toml import manifest_of
from rilaas.store.mistake import Mistakes, line_of
from tests.model_folders import affine_onnx, write_affine_model, write_python_model

KEYS = st.sampled_from(
    [
        "name",
        "task",
        "backend",
        "weights",
        "hooks",
        "inputs",
        "outputs",
        "batching",
        "limits",
        "placement",
        "x",
        "datatype",
        "shape",
        "unit",
        "meaning",
        "max_size",
        "max_wait_s",
        "memory_bytes",
        "cpus",
        "sensitivity",
    ]
)


def refusal(folder):
    with pytest.raises(InvalidModelFolder) as caught:
        read_model_folder(folder)
    return str(caught.value)


def edit(folder, old, new):
    toml = folder / "model.toml"
    text = toml.read_text()
    assert old in text
    toml.write_text(text.replace(old, new))
    return folder


def test_a_valid_folder_says_everything_about_the_model(tmp_path):
    extra = """
        [batching]
        max_size = 4
        max_wait_s = 0
        [limits]
        memory_bytes = 1073741824
        cpus = 2
        [placement]
        sensitivity = "edge"
    """
    folder = read_model_folder(write_affine_model(tmp_path / "m", toml=extra))
    manifest = folder.manifest
    assert (manifest.name, manifest.task, manifest.backend) == ("affine", "affine", "onnxruntime")
    assert (manifest.weights, manifest.hooks) == ("weights.onnx", "")
    assert str(manifest.signature.inputs["x"]) == "x: FP32 [-1, 3]"
    assert (manifest.signature.inputs["x"].unit, manifest.signature.inputs["x"].meaning) == ("m", "where it is")
    assert manifest.batching == Batching(4, 0.0)
    assert manifest.limits == Limits(2**30, 2)
    assert manifest.placement == Placement("edge")
    assert [file.path for file in folder.files] == ["model.toml", "weights.onnx"]


def test_what_is_left_out_gets_its_default(tmp_path):
    manifest = read_model_folder(write_python_model(tmp_path / "m")).manifest
    assert manifest.batching is None
    assert (manifest.limits, manifest.placement, manifest.description) == (Limits(), Placement(), "")


def test_the_digest_is_of_names_and_contents_and_of_nothing_else(tmp_path):
    one = read_model_folder(write_affine_model(tmp_path / "one"))
    two_path = write_affine_model(tmp_path / "elsewhere" / "two")
    (two_path / "__pycache__").mkdir()
    (two_path / "__pycache__" / "hooks.cpython-311.pyc").write_bytes(b"cache")
    (two_path / ".DS_Store").write_bytes(b"")
    (two_path / "model.toml").chmod(0o755)
    two = read_model_folder(two_path)
    assert one.digest == two.digest
    assert one.digest.startswith("sha256:")
    assert one.version == one.digest[7:19]

    (two_path / "README.md").write_text("card")
    with_card = read_model_folder(two_path).digest
    (two_path / "README.md").rename(two_path / "CARD.md")
    assert len({one.digest, with_card, read_model_folder(two_path).digest}) == 3


def test_all_mistakes_of_a_folder_are_told_at_once_with_their_lines(tmp_path):
    folder = write_affine_model(tmp_path / "m")
    (folder / "model.toml").write_text(
        textwrap.dedent("""\
        name = "Lane Following"
        tusk = "driving"
        backend = "onnxruntme"
        weights = "wieghts.onnx"

        [inputs.image]
        datatype = "UINT"
        shape = [-1, 0, "three"]
        colour = "RGB"

        [outputs.wheels]
        datatype = "FP32"
        """)
    )
    said = refusal(folder)
    assert "has 9 mistakes" in said
    assert "model.toml line 1: name = 'Lane Following' is no name" in said
    assert "model.toml line 2: unknown key 'tusk'. Did you mean 'task'?" in said
    assert "model.toml: 'task' is missing." in said
    assert "model.toml line 3: there is no backend 'onnxruntme'. Did you mean 'onnxruntime'?" in said
    assert "model.toml line 4: there is no file 'wieghts.onnx' in the folder. Did you mean 'weights.onnx'?" in said
    assert "model.toml line 7: there is no datatype 'UINT'." in said
    assert "model.toml line 8: shape = [-1, 0, 'three'] has sizes that are neither -1 (free) nor above 0." in said
    assert "model.toml line 9: unknown key 'colour' in [inputs.image]. Available: datatype, meaning" in said
    assert "model.toml line 11: outputs.wheels has no shape." in said


def test_a_missing_folder_and_a_file_instead_of_a_folder_are_not_found(tmp_path):
    with pytest.raises(NotFound, match="does not exist"):
        read_model_folder(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(NotFound, match="is a file"):
        read_model_folder(tmp_path / "file")


def test_a_folder_without_model_toml_says_what_the_file_is_for(tmp_path):
    assert "has no file model.toml. It describes the model" in refusal(tmp_path)


def test_broken_toml_is_told_with_its_line(tmp_path):
    (tmp_path / "model.toml").write_text('name = "x"\ntask = \n')
    assert "model.toml is not valid TOML: Invalid value (at line 2, column 8)" in refusal(tmp_path)


def test_toml_that_is_not_utf8_or_huge_or_too_deep_is_refused(tmp_path):
    toml = tmp_path / "model.toml"
    toml.write_bytes(b'name = "\xff"')
    assert "not UTF-8" in refusal(tmp_path)
    toml.write_bytes(b"#" * (2**20 + 1))
    assert "larger than" in refusal(tmp_path)
    toml.write_text("x = " + "[" * 100_000)
    assert "model.toml is not valid TOML: it is nested too deeply" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "affine"', 'name = "alice/affine"', "'alice/affine' is no name"),
        ('name = "affine"', "name = 3", "name is a whole number; it has to be a text."),
        ('task = "affine"', 'task = ""', "task = '' is no name"),
        ('weights = "weights.onnx"', "weights = true", "weights is true (true or false); it has to be a text."),
        ('weights = "weights.onnx"', "", 'the backend onnxruntime needs weights = "FILE.onnx".'),
        (
            'weights = "weights.onnx"',
            'weights = "../weights.onnx"',
            "no file of the folder: the path leaves the folder",
        ),
        ('weights = "weights.onnx"', 'weights = "/etc/passwd"', "no file of the folder: absolute paths"),
        ('weights = "weights.onnx"', 'weights = "model.toml"', "weights of the backend onnxruntime end with .onnx"),
        ('backend = "onnxruntime"', 'backend = "python"', 'needs hooks = "hooks.py" with a class Model.'),
        ('backend = "onnxruntime"', 'backend = "onnxruntime"\nhooks = "weights.onnx"', "is no Python file"),
        ("shape = [-1, 3]", "shape = 3", "inputs.x.shape is a whole number; it has to be a list."),
        ("shape = [-1, 3]", "shape = [-2]", "sizes that are neither"),
        ("shape = [-1, 3]", "shape = [true]", "sizes that are neither"),
        ("shape = [-1, 3]", "shape = [1, 1, 1, 1, 1, 1, 1, 1, 1]", "at most 8 axes"),
        ("shape = [-1, 3]", "shape = [4611686018427387904, 4611686018427387904]", "more than 1 GiB of FP32"),
        ('datatype = "FP32"', 'datatype = "fp32"', "there is no datatype 'fp32'. Did you mean 'FP32'?"),
        ('datatype = "FP32"', "", "inputs.x has no datatype."),
        ("[inputs.x]", '[inputs."a\\tb"]', "is no name of a tensor"),
        ("[inputs.x]", "[inputs]\ny = 3\n[inputs.x]", "inputs.y is a whole number; write a table: [inputs.y]."),
        ("[inputs.x]", "[input.x]", "unknown key 'input'. Did you mean 'inputs'?"),
    ],
)
def test_a_wrong_value_is_refused_by_name(tmp_path, old, new, said):
    assert said in refusal(edit(write_affine_model(tmp_path / "m"), old, new))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[batching]\nmax_size = 1\n", "batching.max_size = 1 is not within 2 and 1024."),
        ("[batching]\nmax_size = 8.0\n", "batching.max_size is a number; it has to be a whole number."),
        ("[batching]\nmax_wait_s = nan\n", "batching.max_wait_s = nan is not within"),
        ("[batching]\nmax_wait = 1\n", "unknown key 'max_wait' in [batching]. Did you mean 'max_wait_s'?"),
        ("[limits]\nmemory_bytes = 1000\n", "limits.memory_bytes = 1000 is not within"),
        ("[limits]\ncpus = true\n", "limits.cpus is true (true or false); it has to be a whole number."),
        ('[placement]\nsensitivity = "cloud"\n', "there is no sensitivity 'cloud'. Available: any, edge."),
        ("[[placement]]\n", "placement is a list; it has to be a table."),
    ],
)
def test_a_wrong_optional_table_is_refused_by_name(tmp_path, table, said):
    assert said in refusal(write_affine_model(tmp_path / "m", toml="\n" + table))


def test_batching_needs_a_free_first_axis(tmp_path):
    folder = write_affine_model(tmp_path / "m", toml="\n[batching]\nmax_size = 4\n")
    said = refusal(edit(folder, "shape = [-1, 3]", "shape = [1, 3]"))
    assert "joins requests along the first axis, which is not free in x: FP32 [1, 3]: begin with -1." in said
    assert "line 10" in said


def test_hooks_that_model_toml_does_not_name_are_not_silently_left_out(tmp_path):
    folder = write_affine_model(tmp_path / "m")
    (folder / "hooks.py").write_text("def preprocess(inputs): return inputs\n")
    assert 'hooks.py: it would not be used. Add hooks = "hooks.py"' in refusal(folder)


def test_symbolic_links_are_refused_wherever_they_point(tmp_path):
    folder = write_affine_model(tmp_path / "m")
    (folder / "weights.onnx").rename(tmp_path / "outside.onnx")
    (folder / "weights.onnx").symlink_to(tmp_path / "outside.onnx")
    (folder / "data").symlink_to(tmp_path)
    said = refusal(folder)
    assert "weights.onnx: symbolic links are not allowed." in said
    assert "data: symbolic links are not allowed." in said


def test_names_that_are_one_file_on_some_systems_are_refused(tmp_path):
    folder = write_affine_model(tmp_path / "m")
    (folder / "README.md").touch()
    (folder / "readme.MD").touch()
    assert "readme.MD: on some systems this is the same file as 'README.md'." in refusal(folder)


@pytest.mark.parametrize("name", ["a\nb", "tab\t", " blank", "dot.", "nul.txt", "back\\slash", "e\u0301", "c:x"])
def test_names_that_some_systems_cannot_have_are_refused(tmp_path, name):
    folder = write_affine_model(tmp_path / "m")
    (folder / name).touch()
    assert ascii(name) in refusal(folder)


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path):
    import os

    folder = write_affine_model(tmp_path / "m")
    os.mkfifo(folder / "pipe")
    assert "pipe: this is no regular file." in refusal(folder)


def test_pickled_weights_are_refused_with_the_reason(tmp_path):
    import pickle

    folder = write_python_model(tmp_path / "m", toml="")
    edit(folder, 'hooks = "hooks.py"', 'hooks = "hooks.py"\nweights = "weights.npz"')
    (folder / "weights.npz").write_bytes(pickle.dumps({"w": 1}))
    said = refusal(folder)
    assert "weights.npz: this is a pickle: such weights can run any code when they are loaded." in said
    assert "Export them as ONNX or safetensors." in said


def test_a_torch_checkpoint_is_refused_whatever_its_suffix(tmp_path):
    import zipfile

    folder = write_affine_model(tmp_path / "m")
    with zipfile.ZipFile(folder / "weights.onnx", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    assert "a PyTorch archive with a pickle inside" in refusal(folder)
    edit(folder, 'weights = "weights.onnx"', 'weights = "weights.pt"')
    (folder / "weights.pt").write_bytes(b"anything")
    assert "formats of this suffix can run code" in refusal(folder)


def test_safe_weights_of_a_python_model_are_taken(tmp_path):
    folder = write_python_model(tmp_path / "m")
    edit(folder, 'hooks = "hooks.py"', 'hooks = "hooks.py"\nweights = "weights.npz"')
    np.savez(folder / "weights.npz", w=np.ones(3))
    assert read_model_folder(folder).manifest.weights == "weights.npz"
    edit(folder, "weights.npz", "weights.safetensors")
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    (folder / "weights.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 4)
    assert read_model_folder(folder).manifest.weights == "weights.safetensors"


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 8, (2**40).to_bytes(8, "little") + b"{}", (2).to_bytes(8, "little") + b"[]"]
)
def test_safetensors_with_a_broken_or_huge_header_are_refused(tmp_path, content):
    folder = write_python_model(tmp_path / "m")
    edit(folder, 'hooks = "hooks.py"', 'hooks = "hooks.py"\nweights = "w.safetensors"')
    (folder / "w.safetensors").write_bytes(content)
    assert "w.safetensors: this is no safetensors file" in refusal(folder)


@pytest.mark.parametrize(
    "content", [b"", b"\x08", b"\xff" * 100, b"not an ONNX file at all", b"\x3a\xff\xff\xff\x7f"]
)
def test_weights_that_are_no_onnx_file_are_refused(tmp_path, content):
    folder = write_affine_model(tmp_path / "m")
    (folder / "weights.onnx").write_bytes(content)
    assert "weights.onnx: " in refusal(folder)


@given(st.binary(max_size=200))
def test_any_bytes_as_onnx_are_refused_or_taken_but_never_a_crash(tmp_path_factory, content):
    from rilaas.store.onnx_file import external_files

    path = tmp_path_factory.mktemp("any") / "w.onnx"
    path.write_bytes(content)
    with contextlib.suppress(InvalidModelFolder):
        assert isinstance(external_files(path), set)


def external(folder, location):
    import onnx

    path = affine_onnx(folder / "weights.onnx")
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="offset", value="0")
    tensor.external_data.add(key="location", value=location)
    tensor.ClearField("float_data")
    path.write_bytes(model.SerializeToString())
    return folder


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "a/../../secret.bin", "..\\secret", "~/.ssh\0"])
def test_onnx_data_outside_the_folder_is_refused(tmp_path, location):
    (tmp_path / "secret.bin").write_bytes(b"\0" * 4)
    said = refusal(external(write_affine_model(tmp_path / "m"), location))
    assert f"weights.onnx: it keeps tensors in the file {location!r}" in said


def test_onnx_data_inside_the_folder_is_taken_and_missing_data_named(tmp_path):
    folder = external(write_affine_model(tmp_path / "m"), "more.bin")
    assert "'more.bin', which is not in the folder" in refusal(folder)
    (folder / "more.bin").write_bytes(b"\0" * 4)
    assert [file.path for file in read_model_folder(folder).files] == ["model.toml", "more.bin", "weights.onnx"]


def test_onnx_data_hidden_in_a_nodes_attribute_is_found(tmp_path):
    import onnx
    from onnx import helper

    tensor = helper.make_tensor("t", onnx.TensorProto.FLOAT, [1], [1.0])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret")
    inner = helper.make_graph([helper.make_node("Constant", [], ["c"], value=tensor)], "inner", [], [])
    node = helper.make_node("If", ["x"], ["z"], then_branch=inner, else_branch=inner)
    folder = write_affine_model(tmp_path / "m", extra_nodes=[node])
    assert "'../../secret'" in refusal(folder)


def test_the_line_of_a_key_is_found_through_tables_dots_and_quotes():
    text = 'a = 1\n[t]\nb = 2\nc.d = 3\n["q r".s] # note\n"x" = 1\n'
    assert line_of(text, ("a",)) == 1
    assert line_of(text, ("t",)) == 2
    assert line_of(text, ("t", "b")) == 3
    assert line_of(text, ("t", "c", "d")) == 4
    assert line_of(text, ("t", "missing")) == 2
    assert line_of(text, ("q r", "s", "x")) == 6
    assert line_of(text, ("nowhere",)) is None


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.just("FP32")
    | st.just([-1, 3]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=8))
def test_whatever_stands_in_model_toml_is_a_manifest_or_a_list_of_mistakes(data):
    mistakes = Mistakes("m")
    manifest = manifest_of(data, mistakes)
    with contextlib.suppress(InvalidModelFolder):
        mistakes.raise_if_any()
        assert manifest.signature.inputs
        assert manifest.signature.outputs
