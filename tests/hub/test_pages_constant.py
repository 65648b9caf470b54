"""Every page asks the database equally often, however much there is, and stays small; for all of ``PAGES``."""

import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from rilaas.hub import models as table
from rilaas.hub.actions.deployment import Wanted, deploy
from rilaas.hub.actions.evaluation import add_evaluation
from rilaas.hub.actions.event import record
from rilaas.hub.actions.run import start_run
from rilaas.hub.metrics.target import Target
from rilaas.hub.metrics.window import Window
from rilaas.hub.pages import PAGES
from rilaas.observe import Registry
from rilaas.report import Episode, Report, provenance, summarize
from rilaas.route.access import SourceStatus
from rilaas.route.measures import Measures
from rilaas.route.stage import Stages
from tests.hub.fleet_of import add_version, make_model, make_server, point
from tests.hub.run_parts import make_affine, make_dataset, rows, worker_here
from tests.hub.variant_parts import ROW

pytestmark = pytest.mark.django_db
ADDRESSES = {
    "": "/",
    "account": "/account",
    "datasets": "/datasets",
    "datasets/new": "/datasets/new",
    "datasets/<part:owner>/<part:name>": "/datasets/alice/rows",
    "datasets/<part:owner>/<part:name>/versions/<int:number>/samples/<int:index>": (
        "/datasets/alice/rows/versions/1/samples/0"
    ),
    "deployments": "/deployments",
    "deployments/<part:owner>/<part:name>": "/deployments/alice/affine",
    "evaluations": "/evaluations",
    "evaluations/compare": "/evaluations/compare?a={evaluation}&b={evaluation}",
    "evaluations/<int:evaluation_id>": "/evaluations/{evaluation}",
    "evaluations/<int:evaluation_id>/episodes/<int:index>": "/evaluations/{evaluation}/episodes/0",
    "events": "/events",
    "jobs": "/jobs",
    "jobs/<int:job_id>": "/jobs/{job}",
    "metrics": "/metrics?group=robot",
    "models": "/models",
    "models/new": "/models/new",
    "models/<part:owner>/<part:name>": "/models/alice/affine",
    "models/<part:owner>/<part:name>/evaluate": "/models/alice/affine/evaluate",
    "models/<part:owner>/<part:name>/new": "/models/alice/affine/new",
    "models/<part:owner>/<part:name>/optimize": "/models/alice/affine/optimize",
    "models/<part:owner>/<part:name>/runs": "/models/alice/affine/runs",
    "models/<part:owner>/<part:name>/try": "/models/alice/affine/try",
    "people": "/people",
    "robots": "/robots",
    "robots/<part:owner>/<part:name>": "/robots/alice/bot",
    "runs/<int:run_id>": "/runs/{run}",
    "runs/<int:run_id>/samples/<int:index>": "/runs/{run}/samples/0",
}
FOR_STAFF = {"/people", "/events"}


class Filling:
    """Alice's things, each of which becomes more with every ``add``; Bob works with her, Local runs the hub.

    Made-up versions have manifests that lack most of what ``model.toml`` has: pages show them all the same.
    """

    def __init__(self, alice, bob, run, window):
        self.alice, self.bob, self.run, self.count = alice, bob, run, 0
        self.model = run.variant.version.model
        self.dataset = run.dataset_version.dataset
        self.bot = table.Robot.objects.create(owner=alice, name="bot", last_seen_at=timezone.now())
        self.registry, self.window, self.read_s = Registry(), window, time.time() - 60
        self.measures = Measures(self.registry, SimpleNamespace(status=lambda: SourceStatus("hub", 1)))
        self.read()
        point(alice, self.model)
        wanted = Wanted(servers=[make_server("edge-0").name])
        deploy(alice, "alice", "affine", wanted, 0)
        self.evaluation = self.evaluate(self.model, 3).pk

    def read(self):
        self.read_s += 5
        self.window.add(Target("interceptor", "front", "127.0.0.1:1"), self.registry.to_text(), self.read_s)

    def add(self, count):
        """So many more of everything."""
        for i in range(self.count, self.count + count):
            self.machines(i)
            self.things(i)
            self.people(i)
            self.traffic(i)
        self.count += count
        self.read()

    def machines(self, i):
        server = make_server(f"server-{i}")
        table.Interceptor.objects.create(name=f"route-{i}", last_report_at=server.last_report_at)
        silent = timezone.now() - timedelta(minutes=1)
        table.Interceptor.objects.create(name=f"silent-{i}", last_report_at=silent)
        deployment = table.Deployment.objects.get(model=self.model)
        deployment.servers.add(server)
        state = {"server": server, "state": ("ready", "failed")[i % 2], "reason": "why", "log": "line\n" * 100}
        table.Placement.objects.create(deployment=deployment, variant=self.run.variant, **state)
        other = make_model(self.alice, f"other-{i}", versions=2)
        point(self.alice, other)
        deploy(self.alice, "alice", other.name, Wanted(servers=[server.name]), 0)
        self.evaluate(other, 3)
        self.evaluate(self.model, 3)

    def things(self, i):
        add_version(self.model, self.alice, 100 + i)
        int8 = add_version(self.model, self.alice, 100 + i, name="int8")
        table.LatencyMeasurement.objects.create(variant=int8, measured=ROW, created_by=self.alice)
        point(self.alice, self.model, f"stage-{i}", str(100 + i))
        make_model(self.bob, f"public-{i}", visibility="public")
        dataset = table.Dataset.objects.create(owner=self.alice, name=f"data-{i}")
        for owner, number in ((dataset, 1), (self.dataset, 100 + i)):
            same = {"samples": 1, "size_bytes": 1, "source_format": "npz", "created_by": self.alice}
            digest = {"digest": f"sha256:{owner.pk}-{number}", "blob_sha256": self.run.dataset_version.blob_sha256}
            table.DatasetVersion.objects.create(dataset=owner, number=number, **same, **digest)
        for state in ("done", "queued", "failed"):
            now = timezone.now()
            job = table.Job.objects.create(kind="trial", title="t", owner=self.alice, state=state, ended_at=now)
            table.Run.objects.create(job=job, variant=self.run.variant, dataset_version=self.run.dataset_version)

    def people(self, i):
        person = table.Person.objects.create_user(f"person-{i}")
        self.model.collaborators.add(person)
        self.dataset.collaborators.add(person)
        token = {"name": f"t{i}", "sha256": f"{i:064d}", "scopes": ["read"]}
        table.AccessToken.objects.create(person=self.alice, **token)
        robot = table.Robot.objects.create(owner=self.alice, name=f"robot-{i}", last_seen_at=timezone.now())
        for each in (robot, self.bot):
            key = {"kid": f"SHA256:{each.pk}-{i}", "line": "ssh-ed25519 AAAA", "kind": "ssh-ed25519"}
            table.RobotKey.objects.create(robot=each, **key)
            other = table.Model.objects.get(owner=self.bob, name=f"public-{i}")
            table.Subscription.objects.create(robot=each, model=other)
        record(self.alice, "alias moved", str(self.model), "x")
        record(self.alice, "key revoked", "alice/bot", "x")

    def traffic(self, i):
        about = {"person": self.alice, "robot": self.bot, "model": self.model, "at": timezone.now()}
        table.MetricSample.objects.create(name=f"n{i}", unit="m", value=1.0, **about)
        for model in ("alice/affine", f"bob/public-{i}"):
            self.measures.ended(f"alice/robot-{i}", model, "ok", 0.01)
            self.measures.tried(f"server-{i}", model, "ok", 0.01, Stages(0.001, 0.002, 0.001, 0.01))

    def evaluate(self, model, count):
        figure = {"driven_m": summarize([5.0, 6.0, 7.0], "m", "higher")}
        episodes = [Episode("oval", i, "completed", {"driven_m": 5.0}) for i in range(count)]
        report = Report("evaluation", "measured", figure, provenance(), "Made up.", episodes=episodes)
        return add_evaluation(self.alice, report.to_json().encode(), model=str(model))


@pytest.fixture
def filling(alice, bob, local, tmp_path, monkeypatch):
    window = Window()
    for place in ("metric", "home"):
        monkeypatch.setattr(f"rilaas.hub.queries.{place}.WINDOW", window)
    make_affine(alice, tmp_path / "model")
    make_dataset(alice, tmp_path, rows(3))
    run = start_run(alice, ("alice", "affine"), "", ("alice", "rows"))
    with worker_here(monkeypatch) as worker:
        worker.do_all()
    return Filling(alice, bob, run, window)


def asked(client, filling, *, is_staff):
    """How often each page and its twin asked, and how large it was; each is read once before, for what is kept."""
    numbers = {"run": filling.run.pk, "job": filling.run.job_id, "evaluation": filling.evaluation}
    found = {}
    for pattern in ADDRESSES.values():
        if pattern in FOR_STAFF and not is_staff:
            continue
        path, mark, query = pattern.format(**numbers).partition("?")
        for address in (path, f"{'/home' if path == '/' else path}.json"):
            client.get(address + mark + query)
            with CaptureQueriesContext(connection) as statements:
                answer = client.get(address + mark + query)
            assert answer.status_code == 200, address
            found[address] = len(statements), len(answer.content)
    return found


def test_every_page_is_looked_at_here():
    assert {page.address for page in PAGES if not page.is_open} == set(ADDRESSES)


@pytest.mark.parametrize("who", ["alice", "local"])
def test_no_page_asks_more_often_where_there_is_more_and_all_stay_small(who, request, filling, browser):
    person = request.getfixturevalue(who)
    if person.is_staff:  # who runs the hub works on the model too, else half of the pages would not be there
        filling.model.collaborators.add(person)
        filling.dataset.collaborators.add(person)
        table.Model.objects.filter(pk=filling.model.pk).update(visibility="shared")
        table.Dataset.objects.filter(pk=filling.dataset.pk).update(visibility="shared")
    client = browser(person)
    filling.add(3)
    few = asked(client, filling, is_staff=person.is_staff)
    filling.add(30)
    many = asked(client, filling, is_staff=person.is_staff)
    assert {page: count for page, (count, _) in many.items() if count > few[page][0]} == {}
    assert {page: size for page, (_, size) in many.items() if size > 150_000} == {}
