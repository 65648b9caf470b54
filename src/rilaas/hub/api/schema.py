"""What models, versions and uploads look like over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Field, Schema

_REVISION = "3, 3@int8, an alias such as prod, or 12 or more digits of the digest."


class VariantRow(Schema):
    """A version for a target; the original has the name ''."""

    id: int
    name: str = Field(description="'' for the original.")
    revision: str = Field(description="3 or 3@int8.")
    digest: str = Field(description="sha256:... over names and contents of all files.")
    size_bytes: int
    archive_bytes: int = Field(description="Size of what is downloaded.")
    created_at: datetime


class VersionRow(Schema):
    """What was pushed; it never changes."""

    number: int
    digest: str
    parent: int | None = Field(description="The version that it was made from.")
    note: str
    created_at: datetime
    created_by: str
    variants: list[VariantRow]


class Versions(Schema):
    """A page of versions, the newest first."""

    rows: list[VersionRow]
    page_number: int
    pages: int
    count: int


class FileRow(Schema):
    """A file of a model folder."""

    path: str
    size_bytes: int
    sha256: str


class Revision(VariantRow):
    """A variant in full."""

    number: int
    parent: int | None
    note: str
    archive_sha256: str = Field(description="Of the bytes that are downloaded.")
    manifest: dict[str, Any] = Field(description="What model.toml says, and hooks_source.")
    files: list[FileRow]
    files_count: int
    card: str = Field(description="README.md; Markdown.")


class AliasRow(Schema):
    """A name that moves from revision to revision."""

    name: str
    revision: str
    previous: str | None = Field(description="Where a roll-back leads.")
    generation: int = Field(description="Send it back when you move the alias.")
    moved_at: datetime
    moved_by: str


class ModelRow(Schema):
    """A model in a list."""

    id: int
    ref: str = Field(description="owner/name.")
    owner: str
    name: str
    task: str
    description: str
    visibility: str = Field(description="private, shared or public.")
    updated_at: datetime


class ListedModel(ModelRow):
    """A model in a list, with its newest version."""

    newest: int | None
    versions: int


class Models(Schema):
    """A page of models, the newest change first."""

    rows: list[ListedModel]
    page_number: int
    pages: int
    count: int
    search: str


class ModelPage(ModelRow):
    """A model with its newest versions, its aliases, and one revision in full."""

    role: str = Field(description="owner, collaborator or stranger.")
    is_deployed: bool
    aliases: list[AliasRow]
    rows: list[VersionRow] = Field(description="Versions; /versions has further pages.")
    page_number: int
    pages: int
    count: int
    shown: Revision | None
    collaborators: list[str]


class Visibility(Schema):
    """What a model is to become."""

    visibility: str = Field(description="private, shared or public.")


class Move(Schema):
    """Where an alias is to point."""

    revision: str = Field(description=_REVISION)
    generation: int = Field(ge=0, le=2**31 - 1, description="Of the alias as you saw it; 0 where there was none.")


class Seen(Schema):
    """What the caller saw."""

    generation: int = Field(ge=0, le=2**31 - 1, description="Of the alias as you saw it.")


class Upload(Schema):
    """How far an upload came."""

    sha256: str
    size_bytes: int
    received_bytes: int = Field(description="Where the next part goes.")
    is_complete: bool


class NewVersion(Schema):
    """A complete upload that becomes a version."""

    sha256: str = Field(description="Of the upload.")
    size_bytes: int = Field(ge=0, description="Of the upload.")
    filename: str = Field("", max_length=300, description="What you call the file; errors name it.")
    note: str = Field("", max_length=4000, description="What is new.")
    variant: str = Field("", max_length=64, description="Makes it a variant, such as int8, of an existing version.")
    of: int | None = Field(None, ge=0, le=10**9, description="The variant's version; the newest where left out.")
    parent: int | None = Field(
        None, ge=0, le=10**9, description="The version that it was made from; 0 is none, the newest where left out."
    )


class PushForm(Schema):
    """What is said with the files of a form."""

    paths: str = Field(
        "", description="Names of the files with their folders, one a line, where they are loose files."
    )
    owner: str = Field("", max_length=64, description="Whose model; yours where left out.")
    name: str = Field("", max_length=64, description="As model.toml says where left out.")
    note: str = Field("", max_length=4000, description="What is new.")
    variant: str = Field("", max_length=64, description="Makes it a variant, such as int8, of an existing version.")
    of: int | None = Field(None, ge=0, le=10**9, description="The variant's version; the newest where left out.")
    parent: int | None = Field(None, ge=0, le=10**9, description="As in the upload by hash.")


class Made(Schema):
    """What became of an upload."""

    ref: str = Field(description="owner/name:3@int8.")
    model: str
    revision: str
    digest: str
    is_new: bool = Field(description="False where the same content was there already.")
