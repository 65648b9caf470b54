"""Evaluations: reports come in, their episodes are shown worst first, and who sees them."""

import json
import math

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from rilaas.core import InvalidInput, NotFound, PermissionDenied
from rilaas.core.toml import parse_toml
from rilaas.hub.actions.evaluation import add_evaluation, delete_evaluation
from rilaas.hub.models import Episode, Evaluation, Model, Variant, Version
from rilaas.hub.queries.evaluation import evaluations_box, show_episode
from rilaas.hub.queries.evaluation_compare import compare_evaluations
from rilaas.hub.queries.evaluation_page import show_evaluation
from rilaas.report import Episode as Run
from rilaas.report import Provenance, Report, Table, summarize

pytestmark = pytest.mark.django_db
COMMAND = "rilaas evaluate models/lane-following --suite quick-look --episodes 3 --json"


def report(count=6, *, offset=0.0, latency_s=0.01, verdict="passed", suite="quick-look", digest=""):
    runs = tuple(
        Run("oval", seed, "left the road" if seed == 3 else "done", {"driven_lane_m": offset + 10 - seed}, seed == 3)
        for seed in range(count)
    )
    metrics = {
        "driven_lane_m": summarize([run.metrics["driven_lane_m"] for run in runs], "m", "higher"),
        "lane_time_share": summarize([1.0, 0.8, 0.9], "1", "higher"),
        "round_trip_s": summarize([latency_s] * 3, "s", "lower", servers={"edge": [latency_s] * 3}),
    }
    source = Provenance("0.1.0", "", tuple(range(count)), {"cpu": "X1", "cores": 2, "memory_bytes": 10**9}, COMMAND)
    facts = (("suite", suite), *((("digest", digest),) if digest else ()))
    table = Table("Suite", ("", "value"), facts)
    return Report("evaluation", verdict, metrics, source, "Six drove.", runs, (table,))


def data(**options):
    return report(**options).to_json().encode()


@pytest.fixture
def lane(alice, bob):
    """Alice's model, shared with Bob; its version 1 has a variant int8."""
    model = Model.objects.create(owner=alice, name="lane", visibility="shared")
    model.collaborators.add(bob)
    version = Version.objects.create(model=model, number=1, digest="sha256:1", created_by=alice)
    for name in ("", "int8"):
        digest = f"sha256:{name}"
        Variant.objects.create(version=version, name=name, digest=digest, archive_bytes=1, size_bytes=1)
    return model


def test_a_report_is_kept_with_its_episodes_and_its_model(alice, lane, program):
    client = program(alice, "write", "read")
    answer = client.post(
        "/api/v1/evaluations?model=alice/lane&revision=1@int8", data(), content_type="application/json"
    )
    assert answer.status_code == 201
    found = client.get(f"/api/v1/evaluations/{answer.json()['id']}").json()
    assert found["verdict"] == "passed"
    assert (found["model"], found["revision"], found["suite"]) == ("alice/lane", "1@int8", "quick-look")
    assert found["metrics"][1]["text"].endswith("n=3")
    assert found["metrics"][1]["text"].startswith("90 % [")
    assert [row["index"] for row in found["episodes"]] == [3, 5, 4, 2, 1, 0]  # the failure, then the shortest
    assert found["servers"][0]["p50"] == "10.0 ms"
    assert found["source"]["command"] == COMMAND


def test_the_page_shows_means_with_their_intervals(alice, lane, browser):
    evaluation = add_evaluation(alice, data(), model="alice/lane", revision="1")
    page = browser(alice).get(f"/evaluations/{evaluation.pk}").content.decode()
    assert "90 % [" in page
    assert "left the road" in page
    listed = browser(alice).get("/evaluations").content.decode()
    assert "alice/lane" in listed
    assert browser(alice).get("/evaluations?suite=other").content.decode().count("None fits") == 1


def test_a_collaborator_sees_it_and_a_stranger_gets_404(alice, bob, charlie, local, lane, browser):
    pk = add_evaluation(alice, data(), model="alice/lane").pk
    private = add_evaluation(alice, data()).pk
    addresses = [
        f"/evaluations/{pk}",
        f"/evaluations/{pk}.json",
        f"/evaluations/{pk}/episodes/3",
        f"/api/v1/evaluations/{pk}",
        f"/api/v1/evaluations/{pk}/report.html",
        f"/api/v1/evaluations/{pk}/report.json",
        f"/evaluations/compare?a={pk}&b={pk}",
    ]
    for address in addresses:
        assert browser(alice).get(address).status_code == 200, address
        assert browser(bob).get(address).status_code == 200, address
        assert browser(charlie).get(address).status_code == 404, address
    assert browser(bob).get(f"/evaluations/{private}").status_code == 404
    assert browser(charlie).get("/evaluations.json").json()["rows"] == []


def test_only_who_may_change_a_model_adds_to_it(alice, bob, charlie, lane):
    add_evaluation(bob, data(), model="alice/lane")
    with pytest.raises(NotFound):
        add_evaluation(charlie, data(), model="alice/lane")
    Model.objects.filter(pk=lane.pk).update(visibility="public")
    with pytest.raises(PermissionDenied):
        add_evaluation(charlie, data(), model="alice/lane")
    with pytest.raises(NotFound, match="version '7'"):
        add_evaluation(alice, data(), model="alice/lane", revision="7")
    with pytest.raises(InvalidInput, match="no model"):
        add_evaluation(alice, data(), revision="1")


def test_only_its_owner_deletes_it(alice, bob, lane, browser):
    pk = add_evaluation(alice, data(), model="alice/lane").pk
    with pytest.raises(NotFound):
        delete_evaluation(bob, pk)
    assert browser(alice).post(f"/evaluations/{pk}", {"act": "delete"}).status_code == 303
    assert not Evaluation.objects.exists()
    assert not Episode.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b"[" * 100_000,
        b'{"kind": "x", "verdict": "great"}',
        data()[:-200],
        data().replace(b"Six drove.", b"Six \\u0000 drove."),
        data().replace(b"Six drove.", b"Six \\ud800 drove."),
        data().replace(b'"n": 3', b'"n": Infinity'),
        data().replace(b'"seed": 3', b'"seed": 99999999999999999999'),
        data().replace(b'"mean": 0.9', b'"mean": "much"'),
    ],
    ids=lambda body: body[:12].decode(errors="replace") + str(len(body)),
)
def test_what_is_no_report_is_refused_and_nothing_kept(alice, program, body):
    answer = program(alice, "write").post("/api/v1/evaluations", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_input"
    assert not Evaluation.objects.exists()


def test_a_report_that_is_too_large_is_refused(alice, monkeypatch):
    monkeypatch.setattr("rilaas.hub.actions.evaluation.MAX_REPORT_BYTES", 1000)
    with pytest.raises(InvalidInput, match="larger than"):
        add_evaluation(alice, data())


def test_a_report_without_numbers_is_kept_too(alice, browser):
    empty = Report("demo", "measured", {"m": summarize([], "m")}, Provenance("0", "", (), {}, ""))
    pk = add_evaluation(alice, empty.to_json().encode()).pk
    assert browser(alice).get(f"/evaluations/{pk}").status_code == 200
    assert browser(alice).get(f"/evaluations/{pk}.json").json()["metrics"][0]["mean"] is None


def test_the_full_report_is_in_a_sandbox(alice, browser):
    nasty = report()
    nasty = Report(
        nasty.kind, nasty.verdict, nasty.metrics, nasty.provenance, "<script>alert(1)</script>", nasty.episodes
    )
    pk = add_evaluation(alice, nasty.to_json().encode()).pk
    answer = browser(alice).get(f"/api/v1/evaluations/{pk}/report.html")
    assert answer["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert b"<script>" not in answer.content
    again = browser(alice).get(f"/api/v1/evaluations/{pk}/report.json")
    assert Report.from_json(again.content.decode()) == nasty


def test_an_episode_says_how_to_run_it_again(alice):
    pk = add_evaluation(alice, data()).pk
    episode = show_episode(alice, pk, 3)
    assert episode["rerun"]["command"] == (
        "rilaas evaluate models/lane-following --suite episode.toml --report episode.html"
    )
    assert "seeds = [3]" in episode["rerun"]["file"]
    assert 'map = "oval"' in episode["rerun"]["file"]
    assert "duration_s = 15.0" in episode["rerun"]["file"]
    assert episode["metrics"][0]["all"].endswith("n=6")
    with pytest.raises(NotFound):
        show_episode(alice, pk, 6)


def test_the_file_of_an_episode_is_a_suite(alice, tmp_path):
    driving = pytest.importorskip("rilaas.evaluate.driving")
    pk = add_evaluation(alice, data()).pk
    path = tmp_path / "episode.toml"
    path.write_text(show_episode(alice, pk, 3)["rerun"]["file"])
    (scenario,) = driving.read_suite(str(path)).scenarios
    assert (scenario.name, scenario.seed, scenario.duration_s) == ("oval", 3, 15.0)


def test_the_file_of_an_episode_is_a_suite_whatever_it_is_called(alice, tmp_path):
    """TOML takes neither halves of a character, as JSON writes a duck, nor DEL as it is."""
    name = '\N{DUCK} \x7f " quoted'
    made = data().replace(b'"scenario": "oval"', json.dumps({"scenario": name})[1:-1].encode())
    pk = add_evaluation(alice, made).pk
    assert parse_toml(show_episode(alice, pk, 3)["rerun"]["file"], "it")["scenarios"][0]["map"] == name


@pytest.mark.parametrize("name", ["-1", "0", "", 'a"b', "a.b", "$[0]", "<script>alert(1)</script>"])
def test_a_metric_may_have_any_name(alice, browser, name):
    metrics = {name: summarize([1.0, 2.0], "<i>", "higher", group=name)}
    runs = tuple(Run("oval", seed, "done", {name: 1.0 + seed}, absent={"<i>": name}) for seed in range(2))
    hostile = Report("evaluation", "measured", metrics, Provenance("0", "", (0,), {}, ""), name, runs)
    one, two = (add_evaluation(alice, hostile.to_json().encode()).pk for _ in range(2))
    client = browser(alice)
    for path in (f"{one}", f"{one}/episodes/1", f"compare?a={one}&b={two}"):
        answer = client.get(f"/evaluations/{path}")
        assert answer.status_code == 200
        assert b"<script>alert" not in answer.content
        assert b"<i>" not in answer.content


def test_two_evaluations_are_compared_in_pairs_of_the_same_episode(alice, browser):
    """Six pairs differ by 0.5 m each: random signs reach that sum in 2 of 2^6 = 64 patterns, p = 0.031."""
    first = add_evaluation(alice, data(digest="sha256:s")).pk
    second = add_evaluation(alice, data(offset=0.5, latency_s=0.5, digest="sha256:s")).pk
    found = compare_evaluations(alice, str(first), str(second))
    rows = {row["name"]: row for row in found["metrics"]}
    lane = rows["driven_lane_m"]
    assert (lane["verdict"], lane["n"], lane["p_value"]) == ("better", 6, 2 / 64)
    assert lane["difference"] == {"mean": "0.500 m", "interval": "[0.500-0.500], n=6"}
    assert rows["round_trip_s"]["verdict"] == ""  # it is no episode's own
    assert found["verdict"] == "better"
    back = compare_evaluations(alice, str(second), str(first))
    assert back["verdict"] == "worse"
    page = browser(alice).get(f"/evaluations/compare?a={first}&b={second}").content.decode()
    assert f"driven_lane_m: evaluation ({second}) is better than evaluation ({first})" in page
    with pytest.raises(InvalidInput):
        compare_evaluations(alice, "1", "x")


def test_episodes_that_only_one_drove_are_left_out_and_listed(alice):
    first = add_evaluation(alice, data(digest="sha256:s")).pk
    second = add_evaluation(alice, data(count=4, offset=9.0, digest="sha256:s")).pk
    found = compare_evaluations(alice, str(first), str(second))
    assert found["verdict"] == "no measurable difference"  # four pairs are too few
    assert [row["seed"] for row in found["unpaired"]] == [4, 5]


def test_evaluations_of_different_suites_stand_side_by_side_without_a_verdict(alice, browser):
    first = add_evaluation(alice, data(digest="sha256:s")).pk
    second = add_evaluation(alice, data(digest="sha256:t", suite="other")).pk
    page = browser(alice).get(f"/evaluations/compare?a={first}&b={second}").content.decode()
    assert "of different suites" in page
    assert "90 %<div" in page
    assert 'badge good">better' not in page


def test_the_page_offers_evaluations_of_the_same_suite_to_compare_with(alice, lane, browser):
    first = add_evaluation(alice, data(), model="alice/lane", revision="1").pk
    second = add_evaluation(alice, data(), model="alice/lane", revision="1@int8").pk
    add_evaluation(alice, data(suite="other"))
    shown = show_evaluation(alice, second)
    assert [each["id"] for each in shown["others"]] == [first]
    page = browser(alice).get(f"/evaluations/{second}").content.decode()
    assert f'<option value="{first}">alice/lane:1 ({first})</option>' in page


def test_a_models_box_draws_latency_against_score(alice, lane):
    add_evaluation(alice, data(), model="alice/lane", revision="1")
    add_evaluation(alice, data(latency_s=0.004, offset=-1.0), model="alice/lane", revision="1@int8")
    found = evaluations_box(alice, {"owner": "alice", "name": lane.name})["evaluations"]
    assert [row["revision"] for row in found["rows"]] == ["1@int8", "1"]
    int8, original = found["scatter"]["points"]
    assert int8["x"] < original["x"]
    assert int8["y"] > original["y"]  # lower: y goes down in a picture
    assert all(math.isfinite(point["low_y"]) for point in (int8, original))


def test_a_model_without_evaluations_has_an_empty_box(alice, lane):
    from django.template.loader import render_to_string

    found = evaluations_box(alice, {"owner": "alice", "name": lane.name})["evaluations"]
    assert found == {"rows": [], "scatter": None}
    assert "None yet" in render_to_string("hub/model-evaluations.html", {"evaluations": found, "ref": "alice/lane"})


def test_a_report_comes_in_by_the_page_too(alice, lane, browser):
    file = SimpleUploadedFile("report.json", data(), "application/json")
    form = {"act": "add", "report": file, "model": "alice/lane:1"}
    answer = browser(alice).post("/evaluations", form)
    assert answer.status_code == 303
    assert Evaluation.objects.get().variant.revision == "1"
    wrong = SimpleUploadedFile("report.json", json.dumps({}).encode(), "application/json")
    again = browser(alice).post("/evaluations", {"act": "add", "report": wrong, "model": "alice/lane:1"})
    assert again.status_code == 400
    assert b"alice/lane:1" in again.content
    assert browser(alice).post("/evaluations", {"act": "add"}).status_code == 400


def test_ten_thousand_episodes_need_no_more_statements_than_ten(alice, lane, browser, django_assert_num_queries):
    few = add_evaluation(alice, data(count=10), model="alice/lane").pk
    many = add_evaluation(alice, data(count=10_000), model="alice/lane").pk
    client = browser(alice)
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    for pattern in ("/evaluations/{}", "/evaluations/{}/episodes/3"):
        with CaptureQueriesContext(connection) as first:
            client.get(pattern.format(few))
        with django_assert_num_queries(len(first)):
            answer = client.get(pattern.format(many))
        assert len(answer.content) < 150_000
    assert show_evaluation(alice, many)["pages"] == 200
