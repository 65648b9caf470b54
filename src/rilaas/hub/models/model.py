"""Models, versions, variants, aliases."""

from __future__ import annotations

from django.db import models

from rilaas.hub.models.name import name_field
from rilaas.hub.models.person import Person

PRIVATE, SHARED, PUBLIC = VISIBILITIES = ("private", "shared", "public")
PASSED, FAILED = "passed", "failed"  # what a variant's record says of its gate; '' where there is none


def default_protected() -> list[str]:
    """Aliases that a new model protects."""
    return ["prod"]


class Model(models.Model):
    """A named behaviour with an owner and a visibility.

    Attributes:
        edge_only: Its owner wants what robots send to stay at the edge; a version's manifest may want it too.
        protected: Names of aliases that point to no variant without a passed gate.
    """

    owner = models.ForeignKey(Person, models.PROTECT, related_name="models")
    name = name_field()
    task = models.CharField(max_length=100, default="", blank=True)
    description = models.TextField(default="", blank=True)
    visibility = models.CharField(max_length=8, default=PRIVATE)
    edge_only = models.BooleanField(default=False)
    protected = models.JSONField(default=default_protected, blank=True)
    collaborators = models.ManyToManyField(Person, related_name="shared_models")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["owner", "name"], name="model_ref"),)
        indexes = (models.Index(fields=["-updated_at"]), models.Index(fields=["visibility"]))

    def __str__(self) -> str:
        return f"{self.owner.username}/{self.name}"


class Version(models.Model):
    """What was pushed, for ever: a number, and variants that are the same behaviour for other hardware."""

    model = models.ForeignKey(Model, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=71)  # of the original
    parent = models.ForeignKey("self", models.SET_NULL, null=True, related_name="children")
    note = models.TextField(default="", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(Person, models.PROTECT, related_name="+")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["model", "number"], name="version_number"),
            models.UniqueConstraint(fields=["model", "digest"], name="version_digest"),
        )


class Variant(models.Model):
    """A version for a target; the original has the name ''. What is deployed, run and downloaded.

    Attributes:
        manifest: What its model.toml says, as ``queries.model`` shows it.
        files: ``[{"path", "size_bytes", "sha256"}]``.
        card: Its README.md.
        archive_sha256: Its blob: a .tar.gz as ``store.pack`` writes it.
        record: What its variant.json says, as the one who pushed it measured it; {} where there is none.
        gate: ``PASSED`` or ``FAILED`` by that record; '' where it says nothing.
        waiver: ``{"by", "reason", "at"}`` where the owner let it through whatever its gate says; else {}.
    """

    version = models.ForeignKey(Version, models.CASCADE, related_name="variants")
    name = name_field(default="", blank=True)
    digest = models.CharField(max_length=71)
    archive_sha256 = models.CharField(max_length=64)
    archive_bytes = models.BigIntegerField()
    size_bytes = models.BigIntegerField()
    manifest = models.JSONField(default=dict)
    files = models.JSONField(default=list)
    card = models.TextField(default="", blank=True)
    record = models.JSONField(default=dict, blank=True)
    gate = models.CharField(max_length=6, default="", blank=True)
    waiver = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["version", "name"], name="variant_name"),)
        indexes = (models.Index(fields=["digest"]),)

    @property
    def revision(self) -> str:
        """``3`` or ``3@int8``; needs ``version``."""
        return f"{self.version.number}@{self.name}" if self.name else str(self.version.number)


class LatencyMeasurement(models.Model):
    """How fast a variant was on somebody's machine.

    Attributes:
        measured: A ``LatencyRow`` of the room store, as JSON.
    """

    variant = models.ForeignKey(Variant, models.CASCADE, related_name="latencies")
    measured = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(Person, models.PROTECT, related_name="+")

    class Meta:
        indexes = (models.Index(fields=["variant", "-id"]),)


class Alias(models.Model):
    """A name that moves: ``prod``. Its generation tells two people apart who move it at once."""

    model = models.ForeignKey(Model, models.CASCADE, related_name="aliases")
    name = name_field()
    variant = models.ForeignKey(Variant, models.CASCADE, related_name="aliases")
    previous = models.ForeignKey(Variant, models.SET_NULL, null=True, related_name="+")
    generation = models.PositiveIntegerField(default=1)
    moved_at = models.DateTimeField()
    moved_by = models.ForeignKey(Person, models.PROTECT, related_name="+")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["model", "name"], name="alias_name"),)
