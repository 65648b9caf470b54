"""A recording as MCAP, read back by the library of MCAP."""

import base64
import json
from collections import Counter

import pytest

from rilaas.core import InvalidInput
from tests.recordings import recording

pytest.importorskip("mcap")

from mcap.reader import make_reader

from rilaas.evaluate.driving.playback.mcap_file import write_mcap


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    """Every message as (schema, topic, stamp [ns], content), in the order of the file's index."""
    path = tmp_path_factory.mktemp("mcap") / "drive.mcap"
    write_mcap(recording(), path)
    with path.open("rb") as file:
        return [
            (schema.name, channel.topic, message.log_time, json.loads(message.data))
            for schema, channel, message in make_reader(file).iter_messages()
        ]


def test_every_topic_has_its_messages(messages):
    """41 stamps: two transforms and one pose each; 21 pictures; 20 offsets within the lane; 40 latencies; 2 marks;
    the light is red, then green: 2 changes."""
    assert Counter(topic for _, topic, _, _ in messages) == {
        "/tf": 82,
        "/robot/pose": 41,
        "/camera": 21,
        "/signals/speed_m_per_s": 41,
        "/signals/lateral_offset_m": 20,
        "/signals/latency_s": 40,
        "/infractions": 2,
        "/lights": 2,
        "/scene": 1,
    }


def test_stamps_are_simulated_time_and_those_within_messages_agree(messages):
    """Stamp number k is k * 50 ms; the second picture was shown at 0.1 s."""
    poses = [stamp for _, topic, stamp, _ in messages if topic == "/robot/pose"]
    assert poses == [k * 50_000_000 for k in range(41)]
    pictures = [(stamp, content) for _, topic, stamp, content in messages if topic == "/camera"]
    assert pictures[1][0] == 100_000_000
    assert pictures[1][1]["timestamp"] == {"sec": 0, "nsec": 100_000_000}
    for schema, _, stamp, content in messages:
        if schema != "foxglove.SceneUpdate":
            assert content["timestamp"]["sec"] * 10**9 + content["timestamp"]["nsec"] == stamp


def test_pictures_are_those_of_the_film(messages):
    first = next(content for _, topic, _, content in messages if topic == "/camera")
    assert base64.b64decode(first["data"]) == recording().film[0][1]
    assert first["format"] == "jpeg"


def test_the_robot_and_the_vehicle_move_in_the_map(messages):
    """At 2.0 s the robot is at x = 1.0 m and the vehicle 0.6 m ahead."""
    last = {
        content["child_frame_id"]: content["translation"]["x"]
        for _, topic, stamp, content in messages
        if topic == "/tf" and stamp == 2_000_000_000
    }
    assert last == {"robot": pytest.approx(1.0), "vehicle-1": pytest.approx(1.6)}


def test_infractions_are_errors_of_the_log(messages):
    logs = [(stamp, content) for _, topic, stamp, content in messages if topic == "/infractions"]
    assert [(stamp, log["name"], log["level"]) for stamp, log in logs] == [
        (1_000_000_000, "left_lane", 4),
        (2_000_000_000, "end: off_road", 4),
    ]


def test_schemas_are_foxgloves_and_where_it_comes_from_is_in_the_metadata(tmp_path):
    write_mcap(recording(), tmp_path / "drive.mcap")
    with (tmp_path / "drive.mcap").open("rb") as file:
        reader = make_reader(file)
        summary = reader.get_summary()
        names = {schema.name for schema in summary.schemas.values()}
        facts = {each.name: each.metadata for each in reader.iter_metadata()}
    assert {"foxglove.CompressedImage", "foxglove.FrameTransform", "foxglove.Log"} <= names
    assert all(schema.encoding == "jsonschema" for schema in summary.schemas.values())
    assert facts["rilaas"]["policy"] == "lane-following (1a2b3c4d5e6f)"
    assert facts["rilaas"]["seed"] == "3"
    assert facts["rilaas.metrics"] == {"driven_lane_m": "1.0"}


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_mcap(recording(), tmp_path / "nowhere" / "drive.mcap")
