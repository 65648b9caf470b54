import pytest

from rilaas.core import InvalidModelFolder
from rilaas.store import read_model_folder
from tests.model_folders import write_affine_model


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1\ndef (:\n", "hooks.py line 2: this is no Python 3."),
        ("a = '\0'\n", "hooks.py"),
        ("x = " + "-" * 200_000 + "1\n", "hooks.py"),
        ("x = 1\n" * 200_000, "hooks.py: it is larger than 1048576 bytes."),
    ],
)
def test_hooks_that_are_no_python_are_told_before_anything_is_run(tmp_path, source, said):
    folder = write_affine_model(tmp_path / "m", hooks="def preprocess(inputs): return inputs\n")
    (folder / "hooks.py").write_text(source)
    with pytest.raises(InvalidModelFolder) as caught:
        read_model_folder(folder)
    assert said in str(caught.value)
