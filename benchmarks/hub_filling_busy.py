"""What makes single pages heavy: a model of 200 versions on 48 servers, a long run, many samples, many people."""

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

VERSIONS, SERVERS, INTERCEPTORS, PEOPLE, SAMPLES, RUNS, METRIC_SAMPLES = 200, 48, 20, 60, 2000, 200, 100_000
PLAIN = "erin"  # somebody who owns little and does not run the hub
TOML = """
name = "scale"
task = "affine"
backend = "python"
hooks = "hooks.py"
[inputs.x]
datatype = "FP32"
shape = [-1, 3]
[outputs.y]
datatype = "FP32"
shape = [-1, 3]
"""
HOOKS = """
class Model:
    def __init__(self, folder, session):
        pass

    def predict(self, inputs):
        return {"y": 2 * inputs["x"]}

    def reset(self):
        pass
"""


def fill_busy(people, model, now, metrics):
    """One model with everything, machines that report for an hour, people, tokens, samples, changes of the policy."""
    from rilaas.hub.models import AccessToken, Person, PolicyChange, PolicyEpoch

    others = [Person.objects.create_user(f"person-{i}") for i in range(PEOPLE)]
    model.visibility = "shared"
    model.save()
    model.collaborators.set(others[:20])
    _deploy(people[0], model, _versions(people[0], model), _machines(now, "" if metrics == "-" else metrics))
    _samples(people[0], now)
    AccessToken.objects.bulk_create(
        AccessToken(person=people[0], name=f"token {i}", sha256=f"{i:064d}", scopes=["read"]) for i in range(100)
    )
    PolicyChange.objects.bulk_create(PolicyChange(epoch=i, robot=f"local/robot-{i % 500}") for i in range(1, 10_001))
    PolicyEpoch.objects.update_or_create(pk=1, defaults={"epoch": 10_000})


def fill_runs(person):
    """A run of a real model over a real dataset, which the hub's worker does when the hub starts."""
    import numpy as np

    from rilaas.hub.actions.dataset import DatasetPush
    from rilaas.hub.actions.dataset_upload import upload_dataset
    from rilaas.hub.actions.registry import Push, push
    from rilaas.hub.actions.run import start_run
    from rilaas.hub.models import Job, Run
    from rilaas.store import read_model_folder

    with TemporaryDirectory() as name:
        folder = Path(name) / "scale"
        folder.mkdir()
        (folder / "model.toml").write_text(TOML)
        (folder / "hooks.py").write_text(HOOKS)
        push(person, read_model_folder(folder), Push(person.username))
        x = np.arange(3 * SAMPLES, dtype=np.float32).reshape(SAMPLES, 3)
        np.savez(Path(name) / "rows.npz", x=x, **{"expected/y": 2 * x})
        upload_dataset(person, [("rows.npz", Path(name) / "rows.npz")], DatasetPush(person.username, "rows"))
    run = start_run(person, (person.username, "scale"), "", (person.username, "rows"))
    for i in range(RUNS):
        job = Job.objects.create(kind="dataset-run", title=f"run {i}", owner=person, state="done", done=10, total=10)
        Run.objects.create(job=job, variant=run.variant, dataset_version=run.dataset_version)
    return {"run": run.pk, "job": run.job_id}


def fill_plain(people, models):
    """Somebody with two robots who shares in one model; the pages; a link that signs that person in."""
    from rilaas.hub.actions.token import make_link
    from rilaas.hub.models import Dataset, Model, Person, Robot, Run
    from rilaas.hub.pages import PAGES

    plain = Person.objects.create_user(PLAIN)
    models[0].collaborators.add(plain)
    for each in (Model.objects.get(name="scale"), Dataset.objects.get(name="rows")):
        each.visibility = "shared"
        each.save()
        each.collaborators.add(plain)
    for i in range(2):
        Robot.objects.create(owner=plain, name=f"robot-{i}")
    job = Run.objects.latest("pk").job
    job.owner = plain
    job.save()
    entry = f"/enter/{make_link(plain)}"
    return {"addresses": [page.address for page in PAGES], "plain_entry": entry, "plain_job": job.pk}


def _versions(person, model):
    from rilaas.hub.models import Alias, Variant, Version

    first = Variant.objects.filter(version__model=model).latest("pk")
    files = [{"path": f"data/{i}.bin", "size_bytes": 900, "sha256": "0" * 64} for i in range(500)]
    parent = first.version
    for number in range(4, VERSIONS + 1):
        digest = f"sha256:{model.pk:060d}{number:04d}"
        parent = Version.objects.create(
            model=model, number=number, digest=digest, created_by=person, parent=parent, note="Better at night. " * 10
        )
        for name in ("", "int8"):
            variant = Variant(version=parent, name=name, digest=f"{digest[:-1]}{name[:1]}"[:71], size_bytes=10**6)
            variant.archive_sha256, variant.archive_bytes = digest[7:], 10**6
            variant.manifest, variant.files, variant.card = first.manifest, files, "Word. " * 3000
            variant.save()
    newest = list(Variant.objects.filter(version__model=model, name="").order_by("-pk")[:4])
    for i in range(20):
        Alias.objects.create(
            model=model, name=f"stage-{i}", variant=newest[1], moved_at=model.created_at, moved_by=person
        )
    Alias.objects.filter(model=model, name="prod").update(variant=newest[0], previous=newest[1])
    return newest


def _machines(now, metrics):
    from rilaas.hub.models import Interceptor, Server

    later = now + timedelta(hours=1)  # they are up as long as this is measured
    Server.objects.update(last_report_at=later)
    Server.objects.bulk_create(
        Server(name=f"server-{i}", kind="edge", address=f"10.0.0.{i}:5001", last_report_at=later)
        for i in range(SERVERS)
    )
    Interceptor.objects.bulk_create(
        Interceptor(
            name=f"route-{i}", address=f"10.0.1.{i}:8443", last_report_at=later, metrics_address=metrics, epoch=10_000
        )
        for i in range(INTERCEPTORS)
    )
    return list(Server.objects.filter(name__startswith="server-"))


def _deploy(person, model, variants, servers):
    from rilaas.hub.models import Deployment, Placement

    deployment, _ = Deployment.objects.get_or_create(model=model, defaults={"created_by": person})
    deployment.serving, deployment.previous, deployment.canary = variants[:3]
    deployment.canary_share = 0.1
    deployment.save()
    deployment.servers.add(*servers)
    log = "\n".join(f"line {i} of what the replica said when it was started" for i in range(100))
    Placement.objects.bulk_create(
        Placement(deployment=deployment, variant=variant, server=server, state="ready", replicas_ready=1, log=log)
        for variant in variants[:3]
        for server in servers
    )


def _samples(person, now):
    from rilaas.hub.models import MetricSample

    MetricSample.objects.bulk_create(
        (
            MetricSample(
                name=f"quantity-{i % 60}", unit="m", value=i % 7, person=person, at=now - timedelta(seconds=i / 50)
            )
            for i in range(METRIC_SAMPLES)
        ),
        batch_size=2000,
    )
