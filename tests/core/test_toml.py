import pytest

from rilaas.core import InvalidInput, NotFound
from rilaas.core.toml import read_toml


def test_a_file_is_read(tmp_path):
    (tmp_path / "a.toml").write_text("x = 1\n")
    assert read_toml(tmp_path / "a.toml") == {"x": 1}


def test_a_syntax_error_names_file_and_line(tmp_path):
    (tmp_path / "a.toml").write_text("x = 1\ny = \n")
    with pytest.raises(InvalidInput, match=r"a\.toml is not valid TOML.*line 2"):
        read_toml(tmp_path / "a.toml")


@pytest.mark.parametrize(("text", "told"), [("9" * 5000, "is too large"), ("[" * 5000, "nested too deeply")])
def test_what_is_too_large_or_too_deep_for_a_reader_is_refused(tmp_path, text, told):
    (tmp_path / "a.toml").write_text(f"x = {text}\n")
    with pytest.raises(InvalidInput, match=told):
        read_toml(tmp_path / "a.toml")


def test_a_missing_file_and_a_binary_file_are_told_apart(tmp_path):
    with pytest.raises(NotFound, match="no file"):
        read_toml(tmp_path / "b.toml")
    (tmp_path / "c.toml").write_bytes(b"x = '\xff'")
    with pytest.raises(InvalidInput, match="not UTF-8 text"):
        read_toml(tmp_path / "c.toml")
