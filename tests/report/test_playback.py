"""Recordings as files, and the page that plays them."""

import io
import json
import re
import zipfile
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rilaas.core import InvalidInput
from rilaas.report.playback import (
    MAX_FILE_BYTES,
    Signal,
    View,
    player_document,
    read_recording,
    to_page,
    write_recording,
)
from tests.recordings import recording


def same(one, other):
    """Whether two recordings say the same."""
    return player_document(one) == player_document(other) and one.about == other.about


def test_a_recording_is_read_as_it_was_written():
    made = recording()
    found = read_recording(write_recording(made))
    assert same(found, made)
    assert np.array_equal(found.poses, made.poses)
    assert np.array_equal(found.signal("lateral_offset_m").values, made.signals[1].values, equal_nan=True)
    assert np.array_equal(found.signal("latency_s").t_s, made.signals[2].t_s)
    assert found.film == made.film
    assert np.array_equal(found.lanes[0], made.lanes[0])


def test_the_same_recording_gives_the_same_bytes():
    assert write_recording(recording()) == write_recording(recording())


def test_numpy_reads_a_recording_without_us():
    """41 stamps of 0.05 s at 0.5 m/s: the last pose is at x = 0.5 * 2.0 = 1.0 m."""
    arrays = np.load(io.BytesIO(write_recording(recording())))
    assert arrays["poses"][-1].tolist() == pytest.approx([1.0, 0.3, 0.0])
    assert json.loads(arrays["about"].tobytes())["about"]["policy"] == "lane-following (1a2b3c4d5e6f)"
    first = arrays["film/jpeg"][: arrays["film/end"][0]].tobytes()
    assert first.startswith(b"\xff\xd8\xff")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-5.0, 5.0) | st.just(float("nan")), min_size=41, max_size=41), st.integers(0, 2**62))
def test_any_numbers_come_back_exactly(values, seed):
    made = recording(seed=seed)
    made = replace(made, signals=(Signal("x", made.t_s, np.array(values), "1"),), views=(View("X", ("x",), "1"),))
    found = read_recording(write_recording(made))
    assert found.about.seed == seed
    assert np.array_equal(found.signal("x").values, values, equal_nan=True)


@pytest.mark.parametrize("name", ["policy", "scenario", "suite_digest", "world"])
def test_a_recording_of_nobody_is_refused(name):
    about = recording().about
    with pytest.raises(InvalidInput, match=name):
        replace(about, **{name: {} if name == "world" else ""})


@pytest.mark.parametrize(
    "change",
    [
        {"t_s": np.zeros(41)},
        {"t_s": np.zeros(0)},
        {"poses": np.zeros((40, 3))},
        {"poses": np.full((41, 3), np.nan)},
        {"views": (View("X", ("nothing",), "1"),)},
        {"film": ((1.0, b""), (0.5, b""))},
        {"lanes": (np.zeros(3),)},
    ],
    ids=lambda change: f"{next(iter(change))}-{len(str(change))}",
)
def test_what_does_not_fit_together_is_no_recording(change):
    with pytest.raises(InvalidInput):
        replace(recording(), **change)


def changed(member, content):
    """A recording's file in which one member is another."""
    source, target = io.BytesIO(write_recording(recording())), io.BytesIO()
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            if info.filename != member:
                new.writestr(info.filename, old.read(info))
        if content is not None:
            new.writestr(member, content)
    return target.getvalue()


def as_npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


HUGE = as_npy(np.zeros((2, 3))).replace(b"(2, 3)", b"(9**9)")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a zip",
        write_recording(recording())[:-300],
        changed("t_s.npy", None),
        changed("poses.npy", b"no array"),
        changed("poses.npy", HUGE),
        changed("poses.npy", HUGE.replace(b"(9**9)", b"(9999,")),
        changed("poses.npy", as_npy(np.zeros((10, 3)))[:-8]),
        changed("poses.npy", as_npy(np.array([{}], object))),
        changed("about.npy", as_npy(np.frombuffer(b"{}", np.uint8))),
        changed("about.npy", as_npy(np.frombuffer(b"[" * 100_000, np.uint8))),
        changed("about.npy", as_npy(np.frombuffer(b'{"format": 99}', np.uint8))),
        changed("film/jpeg.npy", as_npy(np.zeros(10, np.uint8))),
        changed("film/end.npy", as_npy(np.array([-5] * 21))),
        changed("mover/0.npy", as_npy(np.zeros((3, 3)))),
    ],
    ids=range(15),
)
def test_what_is_no_recording_is_refused_with_a_reason(data):
    with pytest.raises(InvalidInput, match=r"no recording|A recording"):
        read_recording(data)


def about(**values):
    """A recording's file whose description has other values in it."""
    found = json.loads(np.load(io.BytesIO(write_recording(recording())))["about"].tobytes())
    data = json.dumps(found | values, default=asdict).encode()
    return changed("about.npy", as_npy(np.frombuffer(data, np.uint8)))


def packed_by_lzma():
    """A file whose parts are packed by LZMA, one of them damaged."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_LZMA) as new:
        new.writestr("t_s.npy", as_npy(np.zeros(99)))
    data = bytearray(target.getvalue())
    data[60:70] = b"\x55" * 10
    return bytes(data)


SIGNALS = [{"name": "speed_m_per_s", "unit": "m/s"}]
SHOWN = asdict(View("Speed", ("speed_m_per_s",), "m/s"))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (packed_by_lzma(), "packed in another way"),
        # What is small as a file and is large when it is read: a description, a byte for each number, many lanes ...
        (changed("about.npy", as_npy(np.frombuffer(b"[" + b"[]," * 2**22 + b"0]", np.uint8))), "too large"),
        (changed("poses.npy", as_npy(np.zeros((41, 3), np.uint8))), "no array of a recording"),
        (changed("lanes/end.npy", as_npy(np.zeros(200_001, np.int64))), "more than 200000 lanes"),
        (changed("film/end.npy", as_npy(np.zeros(200_001, np.int64))), "more than 200000 pictures"),
        (changed("lanes/end.npy", as_npy(np.array([-1, 10**12]))), "do not fit their points"),
        # ... or when it is shown: 41 values, 100_000 times.
        (about(views=[{**SHOWN, "signals": ["speed_m_per_s"] * 100_000}]), "more than 4000000 values"),
        (about(signals=SIGNALS * 3000), "it has 3000 signals"),
        # What cannot be written as JSON again.
        (about(views=[{**SHOWN, "limit": 1e300, "factor": 1e300}]), "is not a number"),
        (about(robot={"length_m": 1.0, "width_m": 1.0, "\ud800": 1.0}), "surrogates not allowed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_is_made_to_break_who_reads_it_is_refused(data, told):
    with pytest.raises(InvalidInput, match=told):
        read_recording(data)


def test_parts_that_nobody_knows_are_not_read():
    made = changed("later.npy", b"of another version")
    assert same(read_recording(made), recording())


def test_a_file_that_is_too_large_is_not_read():
    with pytest.raises(InvalidInput, match="at most 64 MiB"):
        read_recording(b"x" * (MAX_FILE_BYTES + 1))


def test_the_players_document_is_strict_json_with_what_is_shown():
    document = json.loads(json.dumps(player_document(recording()), allow_nan=False))
    assert document["t"][:3] == [0.0, 0.05, 0.1]
    assert document["movers"][0]["x"][0] == 0.6
    assert document["plots"][1]["series"][0]["v"][-1] is None  # out of lane
    latency = document["plots"][2]
    assert (latency["limit"], latency["unit"], latency["series"][0]["v"][0]) == (100.0, "ms", 50.0)
    assert document["marks"][1]["kind"] == "end: off road"


def test_somebody_who_stands_takes_one_pose():
    made = recording()
    still = replace(made.movers[0], poses=np.tile([1.0, 2.0, 0.5], (41, 1)))
    assert player_document(replace(made, movers=(still,)))["movers"][0]["x"] == [1.0]


def test_a_page_needs_no_network_and_runs_only_the_player():
    page = to_page(recording(), back="../report.html")
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", page)
    assert "default-src 'none'; script-src 'sha256-" in page
    assert "unsafe" not in page.split("</head>")[0]
    assert '<a href="../report.html">' in page


def test_hostile_words_stay_words_in_a_page():
    evil = "</script><script>alert(1)</script>"
    page = to_page(recording(evil, words=evil), back='"><script>')
    assert evil not in page
    assert page.count("<script") == 2  # the drive and the player
    data = re.search(r'id="player-data">(.*?)</script>', page).group(1)
    assert evil in json.loads(data)["title"]
