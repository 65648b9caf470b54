"""Flag over environment over file over default, and who said what."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.cli.config import MEANINGS, Settings, read_settings
from rilaas.core import InvalidInput, NotFound


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(tmp_path):
    (tmp_path / "rilaas.toml").write_text('target = "file"\nthreads = 3\ndeadline_s = 0.5\n')
    environment = {"RILAAS_TARGET": "environment", "RILAAS_THREADS": "2"}
    settings = read_settings({"target": "flag", "threads": None}, environment=environment, folder=tmp_path)
    assert (settings.target, settings.sources["target"]) == ("flag", "flag")
    assert (settings.threads, settings.sources["threads"]) == (2, "RILAAS_THREADS")
    assert (settings.deadline_s, settings.sources["deadline_s"]) == (0.5, "rilaas.toml")
    assert settings.sources["key"] == "default"


def test_every_setting_has_a_meaning_and_a_default():
    fields = set(Settings.__dataclass_fields__) - {"sources"}
    assert fields == set(MEANINGS)
    settings = read_settings(environment={}, folder=Path("/nowhere"))
    assert set(settings.sources.values()) == {"default"}
    assert settings.ca_path == Path.home() / ".rilaas" / "tls" / "ca.pem"
    assert settings.deadline is None


def test_paths_in_a_file_are_meant_from_where_it_lies(tmp_path):
    (tmp_path / "rilaas.toml").write_text('ca = "tls/ca.pem"\nkey = "/absolute/key"\nhome = "~/elsewhere"\n')
    settings = read_settings(environment={}, folder=tmp_path)
    assert settings.ca == tmp_path / "tls" / "ca.pem"
    assert settings.key == Path("/absolute/key")
    assert settings.home == Path.home() / "elsewhere"


def test_rilaas_config_names_another_file_which_has_to_be_there(tmp_path):
    (tmp_path / "other.toml").write_text("threads = 7\n")
    settings = read_settings(environment={"RILAAS_CONFIG": str(tmp_path / "other.toml")}, folder=tmp_path)
    assert (settings.threads, settings.sources["threads"]) == (7, "other.toml")
    with pytest.raises(NotFound, match="RILAAS_CONFIG"):
        read_settings(environment={"RILAAS_CONFIG": str(tmp_path / "gone.toml")}, folder=tmp_path)


def test_an_unknown_key_is_answered_with_the_known_ones(tmp_path):
    (tmp_path / "rilaas.toml").write_text('tagret = "x"\n')
    with pytest.raises(InvalidInput) as caught:
        read_settings(environment={}, folder=tmp_path)
    assert "'tagret'" in caught.value.message
    assert "Did you mean 'target'?" in caught.value.hint


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("threads", "many"),
        ("threads", "0"),
        ("deadline_s", "-1"),
        ("deadline_s", "nan"),
        ("deadline_s", "inf"),
        ("deadline_s", "soon"),
        ("home", "~nobody-of-this-name/x"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_where_it_came_from(key, value):
    with pytest.raises(InvalidInput, match=f"{key} from RILAAS_{key.upper()} is '{value}'"):
        read_settings(environment={f"RILAAS_{key.upper()}": value}, folder=Path("/nowhere"))


@pytest.mark.parametrize("text", ["threads = true", "target = 3", "home = 1", "deadline_s = [1]"])
def test_a_value_of_the_wrong_type_in_the_file_is_refused(tmp_path, text):
    (tmp_path / "rilaas.toml").write_text(text)
    with pytest.raises(InvalidInput, match="from rilaas.toml"):
        read_settings(environment={}, folder=tmp_path)


@given(st.dictionaries(st.sampled_from(sorted(MEANINGS)), st.text(max_size=9), max_size=6))
def test_any_environment_gives_settings_or_a_refusal(values):
    environment = {f"RILAAS_{key.upper()}": value for key, value in values.items()}
    try:
        settings = read_settings(environment=environment, folder=Path("/nowhere"))
    except InvalidInput:
        return
    assert settings.threads >= 1
