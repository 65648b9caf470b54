import grpc

from rilaas.core import ERROR_TABLE, InvalidInput, RilaasError, did_you_mean, error_from_code


def subclasses(kind):
    return {kind}.union(*(subclasses(each) for each in kind.__subclasses__()))


def test_every_error_stands_once_in_the_table_and_names_a_real_grpc_status():
    ours = {kind for kind in subclasses(RilaasError) if kind.__module__ == "rilaas.core.errors"}
    assert {row.error for row in ERROR_TABLE.values()} == ours
    assert len(ours) <= 13  # docs/decisions/0006
    for code, row in ERROR_TABLE.items():
        assert row.error.code == code
        assert row.grpc_status in grpc.StatusCode.__members__
        assert 400 <= row.http_status < 600
        assert 1 <= row.exit_code < 126


def test_the_tree_in_the_docstring_names_every_class_and_code():
    import rilaas.core.errors as module

    for code, row in ERROR_TABLE.items():
        assert f"{row.error.__name__} " in module.__doc__
        assert code in module.__doc__


def test_an_error_survives_the_wire_by_its_code():
    for code, row in ERROR_TABLE.items():
        error = error_from_code(code, "what", "do this")
        assert type(error) is row.error
        assert (error.message, error.hint) == ("what", "do this")


def test_an_unknown_code_becomes_the_base_class():
    assert type(error_from_code("from-the-future", "what")) is RilaasError


def test_did_you_mean_names_the_nearest_and_all():
    assert did_you_mean("lane-folowing", ["lane-following", "grasp"]) == (
        "Did you mean 'lane-following'? Available: grasp, lane-following."
    )
    assert did_you_mean("zzz", ["a"]) == "Available: a."
    assert did_you_mean("zzz", []) == "None is available."


def test_of_many_names_did_you_mean_tells_those_that_are_like():
    """Forty names are a wall of text; where none is like it, all of them are told even so."""
    names = [f"metric_{number}" for number in range(39)] + ["speed"]
    assert did_you_mean("sped", names) == "Did you mean 'speed'? Of 40 that are available these are like it: speed."
    assert did_you_mean("zzz", names).startswith("Available: metric_0, ")


def test_an_error_prints_its_message_and_its_hint():
    assert str(InvalidInput("Bad.", "Do good.")) == "Bad. Do good."
    assert str(InvalidInput("Bad.")) == "Bad."
