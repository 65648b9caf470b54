"""Reading a map: one of ours by name, or a file in the Duckietown YAML tile format.

The format (source: duckietown-world 6.4.3, map_loading.py and data/gd1/maps)::

    tiles:                      # the first row is the top one
    - [curve_left/W, straight/W, curve_left/N]
    - [straight/S  , grass     , straight/N  ]
    - [curve_left/S, straight/E, curve_left/E]
    tile_size: 0.585            # metres
    objects: ...                # duckies, signs, ...: their kinds are noted, nothing more
    description: ...            # ours only
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from rilaas.core import InvalidInput, MissingDependency, NotFound, did_you_mean
from rilaas.evaluate.driving.road.survey import parse_survey
from rilaas.evaluate.driving.road.tile_map import DEFAULT_TILE_SIZE_M, GROUND_KINDS, ROAD_KINDS, Tile, TileMap

if TYPE_CHECKING:
    import yaml

MAPS = Path(__file__).with_name("maps")
MAX_FILE_BYTES = 1_000_000
MAX_SURVEY_BYTES = 20_000_000
MAX_TILES = 10_000

_ALIASES = {"3way": "3way_left"}


def map_names() -> list[str]:
    """Names of our own maps."""
    return sorted(path.stem for path in MAPS.glob("*.yaml"))


def load_map(name_or_path: str | Path) -> TileMap:
    """Load a map.

    Args:
        name_or_path: A name of ours (``map_names()``), or a path that ends in ``.yaml`` or ``.yml``, or in ``.json``
            for a survey (see ``road.survey``).

    Raises:
        NotFound: There is no such map; the message lists ours.
        InvalidInput: The file is not a map; the message names file and line and what would have been valid.
        MissingDependency: PyYAML is not installed.
    """
    text = str(name_or_path)
    if text in map_names():
        return _load_own(text)
    path = Path(name_or_path)
    if path.suffix not in {".yaml", ".yml", ".json"}:
        raise NotFound(
            f"There is no map {text!r}. {did_you_mean(text, map_names())}",
            "A map of your own is given as a path that ends in .yaml.",
        )
    if not path.is_file():
        raise NotFound(f"There is no file {path}.", f"Our own maps go by name: {', '.join(map_names())}.")
    limit, parse = (MAX_SURVEY_BYTES, _load_survey) if path.suffix == ".json" else (MAX_FILE_BYTES, parse_map)
    if path.stat().st_size > limit:
        raise InvalidInput(f"{path} has {path.stat().st_size} bytes; a map has at most {limit}.")
    try:
        return parse(path.read_text(encoding="utf-8"), path.stem, source=str(path))
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text (byte {error.start}).") from None


@lru_cache(maxsize=32)
def _load_own(name: str) -> TileMap:
    path = MAPS / f"{name}.yaml"
    return parse_map(path.read_text(encoding="utf-8"), name, source=path.name)


@lru_cache(maxsize=4)
def _load_survey(text: str, name: str, *, source: str) -> TileMap:
    return parse_survey(text, name, source)


def parse_map(text: str, name: str, *, source: str = "map") -> TileMap:
    """Read a map from YAML text.

    Args:
        text: The file's text.
        name: Name of the map.
        source: What messages call the file.

    Raises:
        InvalidInput: See ``load_map``.
        MissingDependency: PyYAML is not installed.
    """
    return _MapReader(source).read(text, name)


class _MapReader:
    """Walks the YAML nodes themselves, because they know their lines."""

    def __init__(self, source: str) -> None:
        try:
            import yaml
        except ImportError:
            raise MissingDependency("Maps need PyYAML.", 'Run pip install "rilaas[evaluate]".') from None
        self._yaml = yaml
        self._source = source

    def read(self, text: str, name: str) -> TileMap:
        try:
            root = self._yaml.compose(text, Loader=self._yaml.SafeLoader)
        except RecursionError:
            raise InvalidInput(f"{self._source} is not a map: it is nested too deeply.") from None
        except self._yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = "" if mark is None else f":{mark.line + 1}"
            problem = getattr(error, "problem", None) or str(error)
            raise InvalidInput(f"{self._source}{line} is not valid YAML: {problem}.") from None
        if not isinstance(root, self._yaml.MappingNode):
            raise InvalidInput(f"{self._source} is not a map: it has no 'tiles'.")
        entries = {key.value: value for key, value in root.value if isinstance(key, self._yaml.ScalarNode)}
        if "tiles" not in entries:
            raise InvalidInput(f"{self._source} has no 'tiles'; it has {', '.join(entries) or 'nothing'}.")
        rows = self._rows(entries["tiles"])
        return TileMap(
            name=name,
            tile_size_m=self._tile_size(entries.get("tile_size")),
            tiles=tuple(reversed(rows)),
            ignored_objects=self._object_kinds(entries.get("objects")),
            description=self._words(entries.get("description")),
        )

    def _rows(self, node: yaml.Node) -> list[tuple[Tile, ...]]:
        if not isinstance(node, self._yaml.SequenceNode) or not node.value:
            raise self._wrong(node, "'tiles' is a list of rows, the top row first")
        rows: list[tuple[Tile, ...]] = []
        for row in node.value:
            if not isinstance(row, self._yaml.SequenceNode) or not row.value:
                raise self._wrong(row, "a row is a list of tiles such as straight/E")
            if rows and len(row.value) != len(rows[0]):
                raise self._wrong(row, f"this row has {len(row.value)} tiles and the first one {len(rows[0])}")
            rows.append(tuple(self._tile(tile) for tile in row.value))
            if len(rows) * len(rows[0]) > MAX_TILES:
                raise self._wrong(row, f"a map has at most {MAX_TILES} tiles")
        return rows

    def _tile(self, node: yaml.Node) -> Tile:
        if not isinstance(node, self._yaml.ScalarNode):
            raise self._wrong(node, "a tile is one word such as straight/E or grass")
        kind, _, orientation = (part.strip() for part in node.value.partition("/"))
        kind = _ALIASES.get(kind, kind)
        if kind not in ROAD_KINDS + GROUND_KINDS:
            raise self._wrong(
                node, f"there is no tile kind {kind!r}. {did_you_mean(kind, ROAD_KINDS + GROUND_KINDS)}", end=""
            )
        if orientation not in ("", "E", "N", "W", "S"):
            raise self._wrong(node, f"{orientation!r} is not an orientation. Available: E, N, W, S")
        return Tile(kind, orientation if orientation and kind in ROAD_KINDS else "E")

    def _tile_size(self, node: yaml.Node | None) -> float:
        if node is None:
            return DEFAULT_TILE_SIZE_M
        try:
            size_m = float(node.value)
        except (TypeError, ValueError):
            size_m = 0.0
        if not 0.01 <= size_m <= 100.0:
            raise self._wrong(node, "'tile_size' is a length in metres from 0.01 to 100")
        return size_m

    def _object_kinds(self, node: yaml.Node | None) -> tuple[str, ...]:
        if node is None or (isinstance(node, self._yaml.ScalarNode) and node.value in {"", "~", "null"}):
            return ()
        if isinstance(node, self._yaml.MappingNode):
            objects = [value for _, value in node.value]
        elif isinstance(node, self._yaml.SequenceNode):
            objects = list(node.value)
        else:
            raise self._wrong(node, "'objects' is a list or a mapping of objects")
        return tuple(self._object_kind(item) for item in objects)

    def _object_kind(self, node: yaml.Node) -> str:
        if isinstance(node, self._yaml.MappingNode):
            for key, value in node.value:
                if key.value == "kind" and isinstance(value, self._yaml.ScalarNode):
                    return str(value.value)
        raise self._wrong(node, "an object is a mapping with a 'kind'")

    def _words(self, node: yaml.Node | None) -> str:
        return " ".join(node.value.split()) if isinstance(node, self._yaml.ScalarNode) else ""

    def _wrong(self, node: yaml.Node, what: str, *, end: str = ".") -> InvalidInput:
        return InvalidInput(f"{self._source}:{node.start_mark.line + 1}: {what}{end}")
