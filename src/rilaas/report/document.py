"""The report itself: what every long-running verb gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rilaas.report.metric import Metric
from rilaas.report.provenance import Provenance

VERDICTS = ("passed", "failed", "measured")
HERE = "this process"
"""What a report calls the server that is none."""

Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Episode:
    """One run, by what it takes to run it again.

    Attributes:
        scenario: Name of the scenario.
        seed: Its seed.
        status: How it ended, such as ``done`` or ``left the road``.
        metrics: Values by metric name.
        failed: Whether that end is a failure; shown in red.
        absent: Why a metric is not among the values, by its name.
        link: Where the episode can be looked at, relative to the report; '' for nowhere.
    """

    scenario: str
    seed: int
    status: str
    metrics: Mapping[str, float]
    failed: bool = False
    absent: Mapping[str, str] = field(default_factory=dict)
    link: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns.

    Attributes:
        title: What it shows.
        columns: Names, with units.
        rows: One cell per column; None is an empty cell.
        note: A sentence below, or ''.
        is_detail: Whether it is for those who look closer: folded on a page, and not shown at a terminal.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    is_detail: bool = False

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.title!r} has {len(self.columns)} columns, a row has {len(row)} cells")


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture with its words, and with its numbers where it is a chart.

    Attributes:
        title: What it shows.
        data: The file's bytes.
        media_type: ``image/svg+xml``, ``image/png`` or ``image/jpeg``.
        alt: What somebody who cannot see it has to know.
        caption: A sentence below, or ''.
        table: The numbers of a chart; None for a photograph or a map.
    """

    title: str
    data: bytes
    media_type: str
    alt: str
    caption: str = ""
    table: Table | None = None

    def __post_init__(self) -> None:
        if self.media_type not in ("image/svg+xml", "image/png", "image/jpeg"):
            raise ValueError(f"figure {self.title!r} is {self.media_type!r}; valid: svg, png, jpeg")


@dataclass(frozen=True, slots=True)
class Report:
    """Verdict, numbers, pictures and where they come from.

    Attributes:
        kind: What was done: ``evaluation``, ``demo``, ...
        verdict: ``passed`` or ``failed`` where there was something to pass, else ``measured``.
        summary: One sentence for somebody who reads nothing else.
        metrics: By name; the first few are the headline.
        episodes: In the order in which they ran.
        tables: Further numbers.
        figures: Pictures.
        samples: Some of the single values behind a metric, by its name; what a latency is drawn from.
        provenance: What it takes to get the same numbers again.
    """

    kind: str
    verdict: str
    metrics: Mapping[str, Metric]
    provenance: Provenance
    summary: str = ""
    episodes: tuple[Episode, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = field(default=(), repr=False)
    samples: Mapping[str, tuple[float, ...]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"a verdict is one of {VERDICTS}, got {self.verdict!r}")

    def facts(self, title: str) -> Mapping[str, Cell]:
        """The table with this title as values by name; nothing where there is none, or it is no list of facts."""
        rows = (row for table in self.tables if table.title == title for row in table.rows)
        return {str(row[0]): row[1] for row in rows if len(row) == 2}

    def to_json(self) -> str:
        """As JSON; see ``rilaas.report.exchange`` for the names."""
        from rilaas.report.exchange import to_json

        return to_json(self)

    def to_text(self, *, colour: bool = False, width: int = 100) -> str:
        """For a terminal of ``width`` columns."""
        from rilaas.report.text import to_text

        return to_text(self, colour=colour, width=width)

    def to_html(self) -> str:
        """As one file that needs no network and no script."""
        from rilaas.report.html import to_html

        return to_html(self)

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Read what ``to_json`` wrote.

        Raises:
            InvalidInput: It is not a report.
        """
        from rilaas.report.exchange import from_json

        return from_json(text)
