"""Where the latency of a prediction comes from."""

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.core import InvalidInput, NotFound
from rilaas.evaluate.driving import Latency
from rilaas.evaluate.driving.judge.suite_report import SAMPLES, thinned
from rilaas.report import Provenance, Report


@pytest.mark.parametrize(
    ("text", "latency"),
    [
        ("none", Latency.none()),
        ("measured", Latency.measured()),
        ("fixed:0.08", Latency.fixed(0.08)),
    ],
)
def test_a_latency_is_read_from_words(text, latency):
    assert Latency.parse(text) == latency


def test_latencies_are_drawn_from_a_reports_round_trips(tmp_path):
    report = Report("e", "measured", {}, Provenance("1", "", (), {}, ""), samples={"round_trip_s": (0.01, 0.02)})
    (tmp_path / "r.json").write_text(report.to_json())
    assert Latency.parse(f"drawn:{tmp_path / 'r.json'}") == Latency.drawn([0.01, 0.02])


def test_latencies_are_drawn_from_seconds_in_a_text_or_an_array(tmp_path):
    (tmp_path / "l.txt").write_text("# over the air\n0.01\n0.02\n0.4\n")
    np.save(tmp_path / "l.npy", np.array([[0.01], [0.02], [0.4]]))
    for name in ("l.txt", "l.npy"):
        assert Latency.parse(f"drawn:{tmp_path / name}").samples_s == (0.01, 0.02, 0.4)
    assert Latency.parse(f"drawn:{tmp_path / 'l.txt'}").text == "drawn from 3 samples, median 0.02 s"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("r.json", "{}", "not a report"),
        ("l.txt", "soon\n", "one a line"),
        ("l.txt", "", "no latencies in it"),
        ("l.txt", "-1\n", "from 0 to 3600"),
        ("l.npy", "no array", "one a line"),
    ],
)
def test_a_file_without_latencies_is_told_with_what_would_be_right(tmp_path, name, content, words):
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidInput) as caught:
        Latency.parse(f"drawn:{tmp_path / name}")
    assert words in str(caught.value)


def test_an_array_that_says_more_than_it_has_or_is_none_of_seconds_is_refused(tmp_path):
    """A header that promises 10^12 numbers, 7 TiB; complex numbers; objects, which would run code; several arrays."""
    data = io.BytesIO()
    np.save(data, np.zeros(3))
    short, long = b"(3,), }" + b" " * 11, b"(999999999999,), }"
    (tmp_path / "huge.npy").write_bytes(data.getvalue().replace(short, long))
    np.save(tmp_path / "complex.npy", np.array([1j]))
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    np.savez(tmp_path / "many", a=np.zeros(3))
    (tmp_path / "many.npz").rename(tmp_path / "many.npy")
    for name in ("huge", "complex", "objects", "many"):
        with pytest.raises(InvalidInput, match="has no latencies"):
            Latency.parse(f"drawn:{tmp_path / name}.npy")


def test_a_report_from_before_round_trips_were_kept_says_so(tmp_path):
    text = Report("e", "measured", {}, Provenance("1", "", (), {}, "")).to_json()
    assert "samples" not in json.loads(text)
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(InvalidInput, match="since they are kept"):
        Latency.parse(f"drawn:{tmp_path / 'r.json'}")


def test_a_missing_file_and_a_word_that_is_none_are_answered():
    with pytest.raises(NotFound, match="gone.json"):
        Latency.parse("drawn:gone.json")
    with pytest.raises(InvalidInput, match="drawn:FILE"):
        Latency.parse("drown:x")


def test_drawn_latencies_come_as_often_as_they_were_recorded():
    """Three of four samples are 10 ms: of 4000 draws 3000, plus or minus 4 deviations of 27."""
    rng = np.random.default_rng(0)
    latency = Latency.drawn([0.01, 0.01, 0.01, 0.3])
    drawn = [latency.sample(1.0, rng) for _ in range(4000)]
    assert 2890 <= drawn.count(0.01) <= 3110
    assert set(drawn) == {0.01, 0.3}


@given(st.lists(st.floats(0.001, 10.0), min_size=1, max_size=4000))
def test_thinned_samples_are_distributed_as_all_of_them(values):
    """One of every n / 1000 is kept in rising order: the share below any value changes by at most 1/1000 + 1/n."""
    kept = np.array(thinned(np.array(values)))
    assert len(kept) == min(len(values), SAMPLES)
    for value in np.quantile(values, [0.1, 0.5, 0.9]):
        share, own = np.mean(np.array(values) <= value + 1e-6), np.mean(kept <= value + 1e-6)
        assert abs(share - own) <= 1 / SAMPLES + 1 / len(values) + 1e-9
