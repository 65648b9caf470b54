"""Fill a hub's database with made-up rows: ``python benchmarks/hub_filling.py MODELS ROBOTS EPISODES METRICS``.

``METRICS`` is the address that all interceptors and servers give for their metrics, or ``-``. On stdout comes one
line of JSON: the pages there are, and what somebody else than the first person needs to look at them.
"""

import json
import sys
from pathlib import Path

from hub_filling_busy import fill_busy, fill_plain, fill_runs

from rilaas.hub.running import HubConfig, set_up

CARD = "# A model\n\nMade up to fill the database.\n" * 5
IMAGE = {"name": "image", "datatype": "UINT8", "shape": [-1, 120, 160, 3], "unit": "", "meaning": "camera, RGB"}
WHEELS = {"name": "wheels", "datatype": "FP32", "shape": [-1, 2], "unit": "m/s", "meaning": "left, right"}
MANIFEST = {
    "name": "model",
    "task": "lane-following",
    "description": "Made up.",
    "backend": "onnxruntime",
    "weights": "weights.onnx",
    "hooks": "hooks.py",
    "inputs": [IMAGE],
    "outputs": [WHEELS],
    "batching": None,
    "limits": {"memory_bytes": 10**9, "cpus": 1, "answer_s": 10.0},
    "placement": {"sensitivity": "any"},
    "hooks_source": "class Model:\n    SPEED = 1\n" * 10,
}


def fill_models(models, people, now):
    """Models with three versions each and an alias."""
    from rilaas.hub.models import Alias, Model, Variant, Version

    visibilities = ("private", "shared", "public")
    Model.objects.bulk_create(
        Model(owner=people[i % 2], name=f"model-{i // 2}", task="lane-following", visibility=visibilities[i % 3])
        for i in range(models)
    )
    rows = list(Model.objects.order_by("pk"))
    Version.objects.bulk_create(
        Version(model=model, number=n, digest=f"sha256:{model.pk:060d}{n:04d}", created_by=people[0])
        for model in rows
        for n in (1, 2, 3)
    )
    versions = list(Version.objects.order_by("pk"))
    Variant.objects.bulk_create(
        Variant(
            version=version,
            digest=version.digest,
            archive_sha256=version.digest[7:],
            archive_bytes=1_000_000,
            size_bytes=1_100_000,
            manifest=MANIFEST,
            files=[{"path": "model.toml", "size_bytes": 900, "sha256": "0" * 64}],
            card=CARD,
        )
        for version in versions
    )
    newest = list(Variant.objects.filter(version__number=3).select_related("version").order_by("pk"))
    Alias.objects.bulk_create(
        Alias(model_id=variant.version.model_id, name="prod", variant=variant, moved_at=now, moved_by=people[0])
        for variant in newest
    )
    return rows, newest


def fill_robots(robots, people, models, now):
    """Robots with a key and two subscriptions each."""
    from rilaas.hub.models import Robot, RobotKey, Subscription

    Robot.objects.bulk_create(Robot(owner=people[0], name=f"robot-{i}", last_seen_at=now) for i in range(robots))
    rows = list(Robot.objects.order_by("pk"))
    line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
    RobotKey.objects.bulk_create(
        RobotKey(robot=robot, kid=f"SHA256:{robot.pk:043d}", line=line, kind="ssh-ed25519") for robot in rows
    )
    Subscription.objects.bulk_create(
        Subscription(robot=robot, model=models[2 * ((robot.pk + k) % (len(models) // 2))], rate_per_s=50.0, burst=100)
        for robot in rows
        for k in (0, 1)
    )


def fill_deployments(models, variants, people, count):
    """Deployments on an edge server and one in the cloud."""
    from rilaas.hub.models import Deployment, Placement, Server

    servers = [
        Server.objects.create(name=name, kind=kind) for name, kind in (("edge-1", "edge"), ("cloud-1", "cloud"))
    ]
    Deployment.objects.bulk_create(
        Deployment(model=model, serving=variant, created_by=people[0])
        for model, variant in zip(models[:count], variants[:count], strict=True)
    )
    rows = list(Deployment.objects.order_by("pk"))
    Deployment.servers.through.objects.bulk_create(
        Deployment.servers.through(deployment_id=row.pk, server_id=server.pk) for row in rows for server in servers
    )
    Placement.objects.bulk_create(
        Placement(deployment=row, variant_id=row.serving_id, server=server, state="ready", replicas_ready=1)
        for row in rows
        for server in servers
    )


def fill_evaluations(episodes, people, models, variants):
    """Evaluations of 100 episodes each."""
    from rilaas.hub.models import Episode, Evaluation
    from rilaas.report import Report, provenance, summarize

    metrics = {"driven_lane_m": summarize([5.0, 6.0, 7.0], "m", "higher")}
    report = Report("evaluation", "measured", metrics, provenance(), "Made up.").to_json()
    Evaluation.objects.bulk_create(
        Evaluation(
            owner=people[0],
            model=models[i % len(models)],
            variant=variants[i % len(variants)],
            kind="evaluation",
            suite="lf",
            verdict="measured",
            report=report,
        )
        for i in range(episodes // 100)
    )
    Episode.objects.bulk_create(
        Episode(
            evaluation=evaluation,
            index=i,
            scenario="oval",
            seed=i,
            status="completed",
            metrics={"driven_lane_m": float(i), "survival_s": 60.0},
        )
        for evaluation in Evaluation.objects.all()
        for i in range(100)
    )


def fill_others(people, now):
    """Datasets, jobs, audit events."""
    from rilaas.hub.models import AuditEvent, Dataset, DatasetVersion, Job

    Dataset.objects.bulk_create(Dataset(owner=people[0], name=f"dataset-{i}") for i in range(300))
    DatasetVersion.objects.bulk_create(
        DatasetVersion(
            dataset=dataset,
            number=1,
            digest=f"sha256:{dataset.pk:064d}",
            blob_sha256=f"{dataset.pk:064d}",
            samples=100,
            size_bytes=10**7,
            source_format="npz",
            created_by=people[0],
        )
        for dataset in Dataset.objects.all()
    )
    Job.objects.bulk_create(
        Job(kind="dataset-run", title=f"job {i}", owner=people[0], state="done", done=100, total=100, ended_at=now)
        for i in range(1000)
    )
    AuditEvent.objects.bulk_create(
        AuditEvent(person=people[0], act="pushed", subject=f"local/model-{i}") for i in range(5000)
    )


def main():
    import os

    models, robots, episodes = map(int, sys.argv[1:4])
    set_up(HubConfig(Path(os.environ["RILAAS_HOME"])))
    from django.db import transaction
    from django.utils import timezone

    from rilaas.hub.models import Person

    now = timezone.now()
    with transaction.atomic():
        people = [Person.objects.get(), Person.objects.create_user("alice")]
        rows, variants = fill_models(models, people, now)
        fill_robots(robots, people, rows, now)
        fill_deployments(rows, variants, people, min(300, models))
        fill_evaluations(episodes, people, rows, variants)
        fill_others(people, now)
        fill_busy(people, rows[0], now, sys.argv[4])
    asked = fill_runs(people[0])
    print(json.dumps({**asked, **fill_plain(people, rows)}))


if __name__ == "__main__":
    main()
