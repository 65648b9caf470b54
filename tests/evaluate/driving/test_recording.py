"""Episodes become recordings: what is in them, which are kept, and what they are exported to."""

import json
from dataclasses import replace

import numpy as np
import pytest

from rilaas.core import InvalidInput, MissingDependency, Prediction, Timing, Unavailable
from rilaas.evaluate.driving import Latency, Scenario, Suite, rollout, run_suite, score_episode
from rilaas.evaluate.driving.episode.film import Film
from rilaas.evaluate.driving.episode.rollout import DRIVING_SIGNATURE
from rilaas.evaluate.driving.playback.recorder import Choice, Recorder
from rilaas.evaluate.driving.playback.recording import Origin, record
from rilaas.report import provenance
from rilaas.report.playback import SUFFIX, read_recording

LANE = Scenario("straight on", "oval", 1, duration_s=2.0, start=(0.9, 0.164, 0.0))
SUITE = Suite("three", "", tuple(replace(LANE, seed=seed) for seed in (1, 2, 3)))
ORIGIN = Origin("steady (1a2b3c4d5e6f)", SUITE, "fixed: 0.1 s", 0.15, provenance([1, 2, 3], command=["rilaas"]))


class Steady:
    """Drives straight on, the faster the higher the seed that it is given in turn."""

    signature = DRIVING_SIGNATURE

    def __init__(self, speeds=(0.2,)):
        self.speeds, self.turn = speeds, -1

    def predict(self, inputs, *, deadline_s=None):
        speed = self.speeds[self.turn % len(self.speeds)]
        if speed is None:
            raise Unavailable("Nobody is there.")
        return Prediction({"wheels": np.array([[speed, speed]], np.float32)}, Timing(total_s=0.002))

    def reset(self):
        self.turn += 1


@pytest.fixture(scope="module")
def episode():
    return score_episode(rollout(Steady(), LANE, Latency.fixed(0.1), film_hz=10.0))


def test_a_film_has_every_second_picture_of_a_camera_of_20_hz():
    """Frames at 0, 0.05, ... 0.95 s; ten in a second are those at 0, 0.1, ... 0.9 s."""
    film = Film(10.0)
    for k in range(20):
        film.show(0.05 * k, np.zeros((12, 16, 3), np.uint8))
    assert [t_s for t_s, _ in film.pictures] == pytest.approx([0.1 * k for k in range(10)])
    nothing = Film(0.0)
    nothing.show(0.0, np.zeros((12, 16, 3), np.uint8))
    assert nothing.pictures == []


def test_a_film_shows_what_the_policy_saw_when_it_was_asked(episode):
    """With 0.1 s of latency it is asked at 0, 0.1, 0.2, ... 1.9 s."""
    stamps = [t_s for t_s, _ in episode.result.film]
    assert stamps == pytest.approx([0.1 * k for k in range(20)])


def test_the_film_does_not_change_the_drive(episode):
    plain = rollout(Steady(), LANE, Latency.fixed(0.1))
    assert plain.film == ()
    assert np.array_equal(plain.poses, episode.result.poses)


def test_a_recording_has_poses_signals_and_where_it_comes_from(episode):
    """2.0 s of steps of 0.05 s are 41 stamps; each latency is 0.1 s, and the first answer acts at 0.1 s."""
    made = record(episode, ORIGIN)
    assert len(made.t_s) == 41
    assert made.about.policy == "steady (1a2b3c4d5e6f)"
    assert (made.about.scenario, made.about.seed) == ("straight on", 1)
    assert made.about.suite_digest == SUITE.digest
    assert made.about.world["duration_s"] == 2.0
    latency = made.signal("latency_s")
    assert latency.values == pytest.approx(np.full(len(latency.t_s), 0.1))
    assert latency.t_s[0] == pytest.approx(0.1)
    plot = next(view for view in made.views if view.title == "Latency")
    assert (plot.limit, plot.limit_words) == (0.15, "deadline")
    assert made.signal("lateral_offset_m").values[0] == pytest.approx(episode_offset(episode), abs=1e-9)
    assert json.dumps(made.about.metrics)


def episode_offset(episode):
    from rilaas.evaluate.driving import track_lanes

    return track_lanes(episode.tile_map, episode.result.poses).lateral_m[0]


def test_the_speed_of_a_recording_is_that_of_its_chords(episode):
    made = record(episode, ORIGIN)
    chords = np.linalg.norm(np.diff(made.poses[:, :2], axis=0), axis=1) / np.diff(made.t_s)
    assert made.signal("speed_m_per_s").values[:-1] == pytest.approx(chords, abs=1e-9)


def test_a_failure_is_marked_where_it_ended():
    """At 0.6 m/s along x it leaves the oval's road, and the episode ends."""
    result = rollout(Steady((1.0,)), replace(LANE, duration_s=30.0), Latency.none())
    made = record(score_episode(result), ORIGIN)
    assert result.status == "off_road"
    last = made.marks[-1]
    assert last.kind == "end: off_road"
    assert last.t_s == made.end_s
    assert made.film == ()


def test_a_path_of_somebodys_map_is_not_told(tmp_path):
    path = tmp_path / "private" / "mine.yaml"
    path.parent.mkdir()
    path.write_text("tile_size: 0.585\ntiles:\n- [straight/E, straight/E, straight/E]\n")
    scenario = replace(LANE, map=str(path), start=(0.3, 0.16, 0.0), duration_s=0.5)
    made = record(score_episode(rollout(Steady(), scenario, Latency.none())), ORIGIN)
    assert made.about.world["map"] == "mine"


@pytest.mark.parametrize("text", ["", "best:3", "worst", "worst:0", "worst:-1", "worst:x", "3"])
def test_what_does_not_say_which_episodes_to_keep_is_refused(text):
    with pytest.raises(InvalidInput, match="which episodes"):
        Choice.parse(text)


def drive(folder, choice, speeds, formats=()):
    recorder = Recorder(folder, Choice.parse(choice), ORIGIN, formats)
    report = run_suite(
        Steady(speeds),
        SUITE,
        latency=Latency.none(),
        film_hz=5.0,
        retries=0,
        on_episode=lambda progress: recorder.add(progress.episode),
    )
    return recorder, report


def test_the_worst_are_kept_and_the_others_leave_nothing_behind(tmp_path):
    """Of three that drive 2 s straight on, the slowest (the second) and the next (the third) score lowest."""
    recorder, _ = drive(tmp_path, "worst:2", (0.3, 0.1, 0.2))
    assert [each.seed for each in recorder.kept] == [2, 3]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"straight-on-2{SUFFIX}", f"straight-on-3{SUFFIX}"]


def test_all_are_kept_where_all_are_asked_for(tmp_path):
    recorder, _ = drive(tmp_path, "all", (0.3, 0.1, 0.2))
    assert [each.seed for each in recorder.kept] == [1, 2, 3]


def test_an_episode_that_says_nothing_about_the_driving_is_not_among_the_worst(tmp_path):
    recorder, _ = drive(tmp_path, "worst:3", (0.3, None, 0.2))
    assert [each.seed for each in recorder.kept] == [1, 3]


def test_two_worlds_of_one_name_get_two_files(tmp_path, episode):
    recorder = Recorder(tmp_path, Choice(None), ORIGIN)
    recorder.add(episode)
    recorder.add(episode)
    assert [path.name for path in recorder.files()] == [f"straight-on-1{SUFFIX}", f"straight-on-1-1{SUFFIX}"]


def test_a_file_of_a_long_name_is_cut_and_stays_in_the_folder(tmp_path, episode):
    """A name on a disk has at most 255 bytes: 200 ducks are 800."""
    recorder = Recorder(tmp_path / "kept", Choice(None), ORIGIN)
    for name in (
        "\N{DUCK}" * 200,
        "\N{CJK UNIFIED IDEOGRAPH-8F66}" * 200,
        "\N{CJK UNIFIED IDEOGRAPH-8F66}" * 199,
        "../../x",
        "..",
    ):
        result = replace(episode.result, scenario=replace(episode.result.scenario, name=name))
        recorder.add(replace(episode, result=result))
    recorder.finish()
    assert len({each.path for each in recorder.kept}) == 5
    assert all(path.is_file() and path.parent == tmp_path / "kept" for path in recorder.files())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]


def test_a_report_leads_to_the_pages_and_they_lead_back(tmp_path):
    page = tmp_path / "out" / "report.html"
    recorder, report = drive(tmp_path / "my drives", "worst:1", (0.3, 0.1, 0.2))
    recorder.finish(page)
    linked = recorder.linked(report, page)
    assert [episode.link for episode in linked.episodes] == ["", "../my%20drives/straight-on-2.html", ""]
    assert 'href="../my%20drives/straight-on-2.html"' in linked.to_html()
    text = (tmp_path / "my drives" / "straight-on-2.html").read_text()
    assert 'href="../out/report.html"' in text


def test_the_judge_keeps_no_film():
    sizes = []
    run_suite(
        Steady(),
        SUITE,
        latency=Latency.none(),
        film_hz=5.0,
        on_episode=lambda progress: sizes.append(len(progress.episode.result.film)),
    )
    assert sizes == [10, 10, 10]


def test_a_folder_that_cannot_be_made_is_told_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot be made"):
        Recorder(tmp_path / "file" / "below", Choice(None), ORIGIN)


def test_an_unknown_format_is_told_at_once_with_what_there_is(tmp_path):
    with pytest.raises(InvalidInput, match=r"(?s)no format 'mcab'.*mcap"):
        Recorder(tmp_path, Choice(None), ORIGIN, ("mcab",))


@pytest.mark.parametrize(("name", "package"), [("mcap", "mcap.writer"), ("rrd", "rerun")])
def test_a_format_whose_package_is_missing_says_how_to_install_it(tmp_path, monkeypatch, name, package):
    import sys

    module = {"mcap": "mcap_file", "rrd": "rerun_file"}[name]
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"rilaas.evaluate.driving.playback.{module}", raising=False)
    with pytest.raises(MissingDependency, match=r"(?s)rilaas\[recording\]"):
        Recorder(tmp_path, Choice(None), ORIGIN, (name,))


def test_exports_lie_beside_the_recording(tmp_path):
    pytest.importorskip("mcap")
    pytest.importorskip("rerun")
    recorder, _ = drive(tmp_path, "worst:1", (0.3, 0.1, 0.2), ("mcap", "rrd"))
    recorder.finish()
    names = {path.name for path in recorder.files()}
    assert names == {f"straight-on-2{end}" for end in (SUFFIX, ".html", ".mcap", ".rrd")}
    assert read_recording((tmp_path / f"straight-on-2{SUFFIX}").read_bytes()).about.seed == 2
