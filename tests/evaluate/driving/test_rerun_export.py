"""A recording as .rrd, read back by Rerun's own library."""

from collections import defaultdict

import numpy as np
import pytest

from rilaas.core import InvalidInput
from tests.recordings import recording

pytest.importorskip("rerun")

from rerun.chunk import RrdReader

from rilaas.evaluate.driving.playback.rerun_file import TIMELINE, write_rrd


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    path = tmp_path_factory.mktemp("rrd") / "drive.rrd"
    write_rrd(recording(), path)
    return RrdReader(path)


@pytest.fixture(scope="module")
def rows(reader):
    """Rows on the timeline by entity, as record batches."""
    found = defaultdict(list)
    for chunk in reader.stream():
        if not chunk.is_static:
            assert chunk.timeline_names == [TIMELINE]
            found[chunk.entity_path].append(chunk.to_record_batch())
    return found


def stamps_s(batches):
    columns = [batch.column(TIMELINE).to_numpy(zero_copy_only=False) for batch in batches]
    return np.sort(np.concatenate(columns).astype("timedelta64[ns]").astype(np.int64)) * 1e-9


def test_every_entity_has_its_rows_on_the_one_timeline(rows):
    """41 stamps, 21 pictures, 20 offsets within the lane, 40 latencies, 2 marks, 2 changes of the light."""
    counts = {entity: sum(batch.num_rows for batch in batches) for entity, batches in rows.items()}
    assert counts == {
        "/map/robot": 41,
        "/map/vehicle-1": 41,
        "/map/lights/0": 2,
        "/camera": 21,
        "/signals/speed_m_per_s": 41,
        "/signals/lateral_offset_m": 20,
        "/signals/latency_s": 40,
        "/infractions": 2,
    }


def test_stamps_are_simulated_time(rows):
    assert stamps_s(rows["/map/robot"]) == pytest.approx(0.05 * np.arange(41))
    assert stamps_s(rows["/camera"]) == pytest.approx(0.1 * np.arange(21))
    assert stamps_s(rows["/infractions"]) == pytest.approx([1.0, 2.0])


def test_numbers_and_pictures_come_back(rows):
    (speeds,) = rows["/signals/speed_m_per_s"]
    column = next(name for name in speeds.schema.names if "scalars" in name)
    assert speeds.column(column).to_pylist() == [[0.5]] * 41
    (pictures,) = rows["/camera"]
    blob = next(name for name in pictures.schema.names if "blob" in name)
    assert bytes(pictures.column(blob)[0].as_py()[0]) == recording().film[0][1]


def test_it_says_where_it_comes_from_and_brings_a_layout(reader):
    static = {chunk.entity_path for chunk in reader.stream() if chunk.is_static}
    assert {"/about", "/map/lanes", "/map/way", "/map/infractions"} <= static
    (store,) = reader.recordings()
    assert store.application_id == "rilaas"
    assert reader.blueprints()


def test_the_same_drive_has_the_same_identity(tmp_path):
    write_rrd(recording(), tmp_path / "a.rrd")
    write_rrd(recording(), tmp_path / "b.rrd")
    write_rrd(recording(seed=4), tmp_path / "c.rrd")
    a, b, c = (RrdReader(tmp_path / f"{name}.rrd").recordings()[0].recording_id for name in "abc")
    assert a == b != c


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_rrd(recording(), tmp_path / "nowhere" / "drive.rrd")
