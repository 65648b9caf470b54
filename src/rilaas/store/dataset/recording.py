"""Messages of a robot's recording in the order in which they were written: MCAP files and rosbag2 folders."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rilaas.core import InvalidInput, MissingDependency, RilaasError
from rilaas.store.dataset.info import DatasetLimits

if TYPE_CHECKING:
    from mcap.records import Chunk

SUFFIXES = (".mcap", ".db3")
MCAP_MAGIC = b"\x89MCAP0\r\n"
SQLITE_MAGIC = b"SQLite format 3\0"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_HINT = "Record with `ros2 bag record`, or write MCAP; compressed files (.zstd) are unpacked first."
_COMPUTED = re.compile(r"\b(AS|VIRTUAL)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Message:
    """One recorded message.

    Attributes:
        topic: Where it was sent.
        kind: Its type, such as ``sensor_msgs/msg/Image``.
        encoding: ``cdr``, ``json`` or another one, which nobody reads.
        definition: Of its type, as ``ros2msg``; '' where the recording has none.
        data: Its bytes.
    """

    topic: str
    kind: str
    encoding: str
    definition: str
    data: bytes


def read_messages(paths: Sequence[Path], label: str, limits: DatasetLimits) -> Iterator[Message]:
    """All messages of a recording.

    Args:
        paths: Its files, in order.
        label: What it is called in errors.
        limits: How large a message may be.

    Raises:
        MissingDependency: ``mcap`` is not installed.
        InvalidInput: A file is damaged or of an unknown kind.
    """
    for path in paths:
        with path.open("rb") as file:
            magic = file.read(16)
        name = label if len(paths) == 1 else f"{label}: {path.name}"
        try:
            if magic.startswith(MCAP_MAGIC):
                yield from _mcap_messages(path, limits)
            elif magic == SQLITE_MAGIC:
                yield from _sqlite_messages(path, limits)
            else:
                raise ValueError("it is neither MCAP nor SQLite")
        except RilaasError:
            raise
        except Exception as error:  # a stranger's bytes: the readers have no base class for what they raise
            what = f"{type(error).__name__} {error}"[:200]
            raise InvalidInput(f"{name} is no intact recording: {what}.", _HINT) from None


def natural_order(path: Path) -> list[tuple[bool, int, str]]:
    """A key that puts ``bag_10`` behind ``bag_9``."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d{1,18})", path.name)]


def _mcap_messages(path: Path, limits: DatasetLimits) -> Iterator[Message]:
    try:
        from mcap.records import Channel, Chunk, Schema
        from mcap.records import Message as Record
        from mcap.stream_reader import StreamReader, breakup_chunk
    except ImportError:
        raise MissingDependency(
            "MCAP is read by the package mcap.", "Install it: pip install 'rilaas[hub]'."
        ) from None
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    with path.open("rb") as file:
        largest = min(path.stat().st_size, limits.sample_bytes)
        for outer in StreamReader(file, emit_chunks=True, record_size_limit=largest).records:
            inner = breakup_chunk(_unpacked(outer, limits)) if isinstance(outer, Chunk) else (outer,)
            for record in inner:
                if isinstance(record, Schema):
                    schemas[record.id] = record
                elif isinstance(record, Channel):
                    channels[record.id] = record
                elif isinstance(record, Record):
                    channel = channels[record.channel_id]
                    schema = schemas.get(channel.schema_id)
                    text = schema.data.decode() if schema and schema.encoding == "ros2msg" else ""
                    kind = schema.name if schema else ""
                    yield Message(channel.topic, kind, channel.message_encoding, text, record.data)


def _unpacked(chunk: Chunk, limits: DatasetLimits) -> Chunk:
    """A chunk that is not packed; the package itself would unpack a bomb as a whole."""
    if not chunk.compression:
        return chunk
    return replace(chunk, compression="", data=_decompressed(chunk.compression, chunk.data, limits.sample_bytes))


def _decompressed(method: str, data: bytes, most: int) -> bytes:
    if method == "zstd":
        import zstandard

        with zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(data) as stream:
            found = stream.read(most + 1)
    elif method == "lz4":
        lz4 = import_module("lz4.frame")  # it has no types
        found = lz4.LZ4FrameDecompressor().decompress(data, max_length=most + 1)
    else:
        raise ValueError(f"it is packed by {method[:40]!a}")
    if len(found) > most:
        raise ValueError(f"a part of it unpacks to more than {most} bytes")
    return found


def _sqlite_messages(path: Path, limits: DatasetLimits) -> Iterator[Message]:
    where = f"file:{quote(str(path))}?mode=ro&immutable=1"
    with contextlib.closing(sqlite3.connect(where, uri=True)) as database:
        database.execute("PRAGMA trusted_schema = OFF")
        tables = dict(database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchmany(100))
        for name in ("topics", "messages"):
            if name not in tables:
                raise ValueError(f"it has no table {name}")
        for name, sql in tables.items():
            if name in ("topics", "messages", "message_definitions") and _COMPUTED.search(str(sql)):
                raise ValueError(f"its table {name} is computed")
        definitions: dict[str, str] = {}
        if "message_definitions" in tables:
            query = (
                "SELECT topic_type, encoded_message_definition FROM message_definitions WHERE encoding = 'ros2msg'"
            )
            definitions = {_text(kind): _text(text) for kind, text in database.execute(query)}
        topics = {}
        for number, name, kind, encoding in database.execute(
            "SELECT id, name, type, serialization_format FROM topics"
        ):
            topics[number] = (_text(name), _text(kind), _text(encoding), definitions.get(_text(kind), ""))
        query = "SELECT topic_id, data FROM messages WHERE length(data) <= ? ORDER BY id"
        for number, data in database.execute(query, (limits.sample_bytes,)):
            if not isinstance(data, bytes):
                raise ValueError("a message is no bytes")
            if data.startswith(_ZSTD_MAGIC):
                data = _decompressed("zstd", data, limits.sample_bytes)
            yield Message(*topics[number], data)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:40]!a} is no text")
    return value
