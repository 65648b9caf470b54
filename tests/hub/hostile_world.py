"""Alice's things, all private, with hostile words wherever words are free; and every address at which they are.

``zebra`` stands in everything of hers: whoever may not see it must not be shown that word.
"""

import json
from types import SimpleNamespace

import numpy as np

from rilaas.hub.actions.dataset import DatasetPush
from rilaas.hub.actions.dataset_upload import upload_dataset
from rilaas.hub.actions.deployment import Wanted, deploy
from rilaas.hub.actions.evaluation import add_evaluation
from rilaas.hub.actions.machine import (
    InterceptorState,
    PlacementState,
    ServerState,
    interceptor_reported,
    server_reported,
)
from rilaas.hub.actions.registry_alias import promote
from rilaas.hub.actions.robot import Limits, add_robot
from rilaas.hub.actions.run import start_run, start_trial
from rilaas.hub.actions.sample import Posted, post_samples
from rilaas.hub.actions.subscription import subscribe
from rilaas.hub.actions.variant_gate import let_through
from rilaas.hub.actions.variant_latency import add_latency
from rilaas.hub.models import Evaluation, Job, Model, Placement, Run
from rilaas.hub.pages import PAGES
from rilaas.report import Episode, Figure, Provenance, Report, Table, summarize
from tests.hub.model_folder import push_folder
from tests.hub.recording_of import keep
from tests.hub.run_parts import worker_here
from tests.hub.ssh_keys import public_line
from tests.hub.variant_parts import FAILED, ROW, record
from tests.model_folders import write_affine_model
from tests.recordings import recording

EVIL = "\"><zebra onload=alert(1)>'{{7*7}}</script><script>alert(1)</script>&zebra;"
NAMES = {
    "owner": "alice",
    "person": "bob",
    "name": "zebra",
    "number": "1",
    "index": "0",
    "revision": "1",
    "alias": "prod",
}


def build(alice, tmp_path, monkeypatch):
    """All of it; returns what addresses need besides names."""
    manifest = write_affine_model(tmp_path / "model", name="zebra") / "model.toml"
    text = manifest.read_text().replace('description = "y', f"description = '''{EVIL} y".replace("''''", "'''"))
    text = text.replace('* x + 1.0"', "* x + 1.0'''")
    manifest.write_text(text)
    (manifest.parent / "README.md").write_text(
        f"# {EVIL}\n\n[zebra](javascript:alert(1)) ![zebra](x){{onerror=1}}\n\n<script>zebra</script>\n\n<zebra>"
    )
    push_folder(alice, manifest.parent, note=EVIL)
    _variant(alice, tmp_path)
    promote(alice, "alice", "zebra", "prod", "1", 0)
    server_reported("edge-1", ServerState("127.0.0.1:5001", True))
    interceptor_reported("route-1", InterceptorState("127.0.0.1:8443"))
    deploy(alice, "alice", "zebra", Wanted(["edge-1"]))
    row = Placement.objects.get()
    state = PlacementState(row.pk, "failed", EVIL, isolation=EVIL, log=[EVIL, "zebra"])
    server_reported("edge-1", ServerState("127.0.0.1:5001", True, placements=[state]))
    _data(alice, tmp_path, monkeypatch)
    add_robot(alice, "zebra", public_line(tmp_path, comment="zebra<zebra>"), EVIL)
    subscribe(alice, "alice", "zebra", "zebra", Limits())
    add_evaluation(alice, report().to_json().encode(), model="alice/zebra", revision="1")
    keep(alice, Evaluation.objects.get().pk, 0, recording(EVIL, 0, words=EVIL))
    post_samples(alice, alice.robots.get(), [Posted("zebra.volt", "<zebra>", 1.0, "alice/zebra")])
    run, trial = Run.objects.order_by("pk")
    return SimpleNamespace(
        run=run,
        trial=trial,
        evaluation=Evaluation.objects.get(),
        model=Model.objects.get(),
        addresses=addresses(run_id=run.pk, job_id=run.job_id, evaluation_id=Evaluation.objects.get().pk),
    )


def _variant(alice, tmp_path):
    """With a record of which every word is hostile, and a measurement."""
    folder = write_affine_model(tmp_path / "variant", name="zebra", a=2.01)
    version = Model.objects.get().versions.get()
    manifest = folder / "model.toml"
    manifest.write_text(manifest.read_text().replace("2.01", "2.0"))
    failed = {"limits": {EVIL: 1}, "violations": [{**FAILED["violations"][0], "words": EVIL}], "passed": False}
    said = record(version.digest, failed)
    said["recipe"] |= {
        "name": EVIL,
        "source": EVIL,
        "target": EVIL,
        "passes": [{"name": EVIL, "version": 1, EVIL: EVIL}],
    }
    said |= {"machine": {"cpu": EVIL, "features": [EVIL]}, "versions": {EVIL: EVIL}}
    (folder / "variant.json").write_text(json.dumps(said))
    push_folder(alice, folder, name="zebra", variant="zebra", of=1)
    let_through(alice, "alice", "zebra", "1@zebra", EVIL)
    add_latency(alice, ("alice", "zebra"), "1@zebra", {**ROW, "machine": EVIL, "versions": {EVIL: EVIL}})


def _data(alice, tmp_path, monkeypatch):
    x = np.ones((3, 3), np.float32)
    path = tmp_path / "zebra.npz"
    np.savez(path, **{"x": x, "<zebra>": x, "expected/y": 2 * x})
    upload_dataset(alice, [('"><zebra>.npz', path)], DatasetPush("alice", "zebra", EVIL))
    start_run(alice, ("alice", "zebra"), "", ("alice", "zebra"))
    start_trial(alice, ("alice", "zebra"), "", [('"><zebra>.npz', path)])
    with worker_here(monkeypatch) as worker:
        worker.do_all()
    assert set(Job.objects.values_list("state", flat=True)) == {"done"}, Job.objects.values_list("error", "log")


def report():
    """A report of which every word is hostile."""
    runs = tuple(Episode(EVIL, seed, EVIL, {EVIL: 1.0}, seed == 1, {"zebra": EVIL}) for seed in range(3))
    metrics = {EVIL: summarize([1.0, 2.0], "<zebra>", "higher"), "round_trip_s": summarize([0.1], "s", "lower")}
    source = Provenance(EVIL, EVIL, (0, 1, 2), {"cpu": EVIL}, f"rilaas evaluate '{EVIL}'")
    tables = (Table("Suite", ("", EVIL), (("suite", EVIL),), EVIL),)
    svg = f"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><title>{EVIL}</title></svg>".encode()
    figures = (Figure(EVIL, svg, "image/svg+xml", EVIL, EVIL),)
    return Report("evaluation", "passed", metrics, source, EVIL, runs, tables, figures)


def addresses(**ids):
    """Every address that is read: pages, their twins, and the REST interface; by its pattern."""
    from rilaas.hub.api import api

    found = {}
    for page in PAGES:
        if page.is_open:
            continue
        plain = page.address
        for kind in ("part", "int", "str"):
            plain = plain.replace(f"<{kind}:", "{")
        plain = plain.replace(">", "}")
        found[f"/{page.address}"] = "/" + plain.format(**NAMES, **ids)
        found[f"/{page.address}.json"] = f"{found[f'/{page.address}']}.json" if plain else "/home.json"
    for _, router in api._routers:
        for path, view in router.path_operations.items():
            if any("GET" in operation.methods for operation in view.operations):
                plain = path.replace("{int:", "{").format(
                    **NAMES, **ids, sha256="0" * 64, digest="sha256:0", token_id=1
                )
                found[f"/api/v1{path}"] = f"/api/v1{plain}"
    return found
