import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.core import InvalidInput, ModelRef

PART = st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,20}[a-z0-9])?", fullmatch=True)


@given(name=PART, owner=PART | st.just(""), version=PART | st.just(""), variant=PART | st.just(""))
def test_a_reference_reads_back_as_it_is_written(name, owner, version, variant):
    ref = ModelRef(name, owner, version, variant)
    assert ModelRef.parse(str(ref)) == ref


def test_the_parts_of_a_full_reference():
    ref = ModelRef.parse("alice/lane-following:3@int8")
    assert (ref.owner, ref.name, ref.version, ref.variant) == ("alice", "lane-following", "3", "int8")
    assert ref.model == "alice/lane-following"
    assert ref.revision == "3@int8"


@pytest.mark.parametrize("text", ["", "A", "a/b/c", "a:", "a@", "../a", "a b", "a:1:2", "-a", "a\n", "é"])
def test_what_is_no_reference_is_refused_with_the_form(text):
    with pytest.raises(InvalidInput, match=r"\[owner/\]name\[:version\|alias\]\[@variant\]"):
        ModelRef.parse(text)


@given(st.text(max_size=30))
def test_any_text_is_a_reference_or_an_invalid_input(text):
    with contextlib.suppress(InvalidInput):
        assert str(ModelRef.parse(text)) == text
