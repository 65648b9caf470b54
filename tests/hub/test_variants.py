"""Variants in the registry: their records, figures and latencies, and who sees them."""

import json

import pytest

from rilaas.core import Conflict, InvalidInput, InvalidModelFolder
from rilaas.hub.actions.sharing import set_visibility, share
from rilaas.hub.actions.variant_latency import MAX_ROWS, add_latency
from rilaas.hub.models import LatencyMeasurement, Variant, Version
from rilaas.hub.queries.variant_table import show_variants
from tests.hub.variant_parts import FAILED, ROW, SLOW, TIMES, UNJUDGED, push_original, push_variant, record

pytestmark = pytest.mark.django_db
BASE = "/api/v1/models/alice/affine/versions"


@pytest.fixture
def original(alice, bob, tmp_path):
    pushed = push_original(alice, tmp_path)
    share(alice, "model", "alice", "affine", "bob")
    return pushed


def test_a_variants_record_is_kept_and_shown_with_where_it_comes_from(alice, bob, original, tmp_path, browser):
    push_variant(alice, tmp_path, record(original.digest))
    push_variant(bob, tmp_path, record(original.digest, FAILED, "small", p50_s=0.00005), name="small", owner="alice")
    text = browser(bob).get("/models/alice/affine").content.decode()
    for words in (
        "Variants of version 1",
        "cpu/openvino/int8",
        "250.0 kB",
        "100 µs",
        "3.0 ×",
        "1.010",
        "✓ passed",
        "✗ failed",
        "made from version 1 by the recipe balanced",
        "quantize.static",
        "ranges = minmax",
        "a fast processor",
        "as measured by the one who pushed the variant",
        SLOW.replace("'", "&#x27;"),
    ):
        assert words in text, words
    twin = browser(bob).get("/models/alice/affine.json").json()["optimized"]
    assert [(row["name"], row["gate"]) for row in twin["rows"]] == [("", ""), ("int8", "passed"), ("small", "failed")]
    assert twin["rows"][0]["p50_s"] == pytest.approx(3 * 0.0001)  # as the first variant was held against it
    assert browser(bob).get(twin["charts"][0]["address"]).content.startswith(b"<svg")


def test_a_page_without_variants_says_what_they_are(alice, original, browser):
    text = browser(alice).get("/models/alice/affine").content.decode()
    assert "None yet: the same model for other hardware" in text
    assert browser(alice).get("/models/alice/affine.json").json()["optimized"]["charts"] == []


def test_a_variant_that_was_made_from_another_version_is_refused_with_both_digests(alice, original, tmp_path):
    second = push_original(alice, tmp_path, 3.0)
    before = Variant.objects.count()
    with pytest.raises(Conflict, match=f"made from .{original.digest[:19]}.*that version is {second.digest[:19]}"):
        push_variant(alice, tmp_path, record(original.digest), of=2)
    assert Variant.objects.count() == before
    assert push_variant(alice, tmp_path, record(original.digest), of=1).revision == "1@int8"


def bad_records(digest):
    good = record(digest)
    return {
        "no JSON": "{",
        "a list": "[]",
        "another format": {**good, "format": 2},
        "no parent": {key: value for key, value in good.items() if key != "parent"},
        "a figure that is text": {**good, "measured": {**good["measured"], "p50_s": "fast"}},
        "passed with violations": {**good, "gate": {**FAILED, "passed": True}},
        "passes that are none": {**good, "recipe": {**good["recipe"], "passes": [3]}},
        "NUL": {**good, "versions": {"x": "a\0b"}},
        "too long": {**good, "machine": {f"k{i}": "x" * 4000 for i in range(40)}},
    }


@pytest.mark.parametrize("kind", list(bad_records("")))
def test_a_record_of_another_shape_is_refused_and_nothing_is_stored(alice, original, tmp_path, kind):
    before = Variant.objects.count()
    with pytest.raises((InvalidModelFolder, InvalidInput), match=r"variant\.json"):
        push_variant(alice, tmp_path, bad_records(original.digest)[kind])
    assert (Variant.objects.count(), Version.objects.count()) == (before, 1)


STRANGE = {
    "p50_s": 1e299,
    "p99_s": -1.0,
    "mse_ratio": -5.0,
    "size_bytes": -1e12,
    "speedup": 0.0,
    "smaller": None,
    "mse": None,
    "calls": 1e200,
}


def test_figures_that_make_no_sense_break_no_page(alice, original, tmp_path, browser):
    push_variant(alice, tmp_path, record(original.digest, UNJUDGED, **STRANGE))
    push_variant(alice, tmp_path, record(original.digest, name="zero", p50_s=0.0, p99_s=0.0), name="zero", a=2.02)
    said = record(original.digest, name="<b>")
    said["machine"] = {"cpu": "<script>alert(1)</script>", "features": "none", "cores": [1]}
    push_variant(alice, tmp_path, said, name="words", a=2.03)
    answer = browser(alice).get("/models/alice/affine")
    assert answer.status_code == 200
    assert b"<script>alert(1)" not in answer.content
    assert browser(alice).get("/models/alice/affine.json").status_code == 200


def test_a_variant_without_a_record_is_stored_as_one_that_nobody_judged(alice, original, tmp_path):
    push_variant(alice, tmp_path, None)
    row = show_variants(alice, "alice", "affine", "1")["rows"][1]
    assert (row["gate"], row["has_record"], row["is_let_in"]) == ("", False, False)


def test_a_driving_score_comes_from_the_newest_evaluation_of_the_variant(alice, original, tmp_path):
    from rilaas.hub.actions.evaluation import add_evaluation
    from rilaas.report import Report, provenance, summarize

    push_variant(alice, tmp_path, record(original.digest))
    for scores in ([10.0, 20.0], [80.0, 90.0, 85.0]):
        report = Report("evaluation", "measured", {"driving_score": summarize(scores, "", "higher")}, provenance())
        add_evaluation(alice, report.to_json().encode(), model="alice/affine", revision="1@int8")
    rows = show_variants(alice, "alice", "affine", "1")["rows"]
    assert [row["score"][:2] for row in rows] == ["", "85"]


def test_latencies_by_machine_come_from_those_who_may_push(alice, bob, charlie, original, tmp_path, program):
    push_variant(alice, tmp_path, record(original.digest))
    address = f"{BASE}/1@int8/latencies"

    def post(person, *scopes, body=ROW):
        return program(person, *scopes).post(address, body, content_type="application/json")

    assert post(bob, "write").status_code == 201
    assert post(bob, "read").status_code == 403
    assert post(charlie, "write").status_code == 404
    set_visibility(alice, "model", "alice", "affine", "public")
    assert post(charlie, "write").status_code == 403  # who sees it reads
    found = program(charlie, "read").get(address).json()
    assert [(row["by"], row["measured"]["machine"]) for row in found["rows"]] == [("bob", "a robot's processor")]
    shown = program(charlie, "read").get(f"{BASE}/1/variants").json()["latencies"]
    assert [(row["revision"], row["measured"]["n"]) for row in shown] == [("1@int8", 200)]
    bad = post(bob, "write", body={**ROW, "threads": 0})
    assert (bad.status_code, "at least 1" in bad.json()["message"]) == (400, True)
    assert post(bob, "write", body={"x": "y" * 3_000_000}).status_code == 400
    assert LatencyMeasurement.objects.count() == 1


def test_the_newest_latency_of_each_machine_is_shown_the_fastest_first(alice, original, browser):
    for n, machine, p50_s in ((1, "old", 0.0009), (2, "old", 0.0008), (3, "new", 0.0001)):
        times = {**TIMES, "p50_s": p50_s}
        add_latency(alice, ("alice", "affine"), "1", {**ROW, "n": n, "machine": machine, "compute": times})
    rows = show_variants(alice, "alice", "affine", "1")["latencies"]
    assert [(row["measured"]["machine"], row["measured"]["n"]) for row in rows] == [("new", 3), ("old", 2)]
    assert "Latency by machine" in browser(alice).get("/models/alice/affine").content.decode()


def test_of_many_latencies_the_newest_stay(alice, original):
    for n in range(1, MAX_ROWS + 3):
        add_latency(alice, ("alice", "affine"), "1", {**ROW, "n": n})
    kept = LatencyMeasurement.objects.order_by("pk").values_list("measured", flat=True)
    assert (len(kept), kept[0]["n"]) == (MAX_ROWS, 3)


def test_a_stranger_gets_the_same_answer_for_what_is_hidden_and_for_what_is_not_there(charlie, original, program):
    client = program(charlie, "read", "write", "deploy")
    for path in ("1/variants", "1/pareto", "1/latencies"):
        hidden = client.get(f"{BASE}/{path}")
        absent = client.get(f"{BASE.replace('affine', 'absent')}/{path}")
        assert hidden.status_code == absent.status_code == 404
        assert hidden.json()["message"].replace("affine", "absent") == absent.json()["message"]
    assert client.get("/api/v1/models/alice/affine/protected").status_code == 404
    assert client.post(f"{BASE}/1/gate", {"reason": "x"}, content_type="application/json").status_code == 404


def test_the_chart_against_the_score_is_there_when_two_have_one(alice, original, tmp_path, program):
    push_variant(alice, tmp_path, record(original.digest))
    client = program(alice, "read")
    assert client.get(f"{BASE}/1/pareto?against=error").headers["Content-Type"] == "image/svg+xml"
    none = client.get(f"{BASE}/1/pareto?against=score")
    assert (none.status_code, "was measured beside score" in json.loads(none.content)["message"]) == (404, True)
    assert client.get(f"{BASE}/1/pareto?against=luck").status_code == 400
