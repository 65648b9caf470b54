"""Which version was made from which, as a drawing: one row from left to right, a row more for each branch."""

from __future__ import annotations

from typing import Any

from rilaas.hub.models import Model

SHOWN = 20
_STEP, _ROW, _MARGIN = 56, 44, 30  # [px]


def lineage(model: Model) -> dict[str, Any]:
    """The newest versions as nodes with places, and the edges between them.

    Returns:
        ``nodes`` (``number``, ``note``, ``parent``, ``is_deleted``, ``x``, ``y``), ``edges`` (``path`` of an SVG),
        ``width``, ``height``, ``older``: how many are not shown.
    """
    rows = list(model.versions.order_by("-number").values("pk", "number", "note", "parent")[: SHOWN + 1])
    older = max(0, rows[-1]["number"] if len(rows) > SHOWN else 0)
    rows = rows[:SHOWN][::-1]
    alive = set(
        model.versions.filter(pk__in=[row["pk"] for row in rows], variants__name="").values_list("pk", flat=True)
    )
    numbers = {row["pk"]: row["number"] for row in rows}
    lanes: dict[int, int] = {}
    ends: dict[int, int] = {}  # lane to the version that ends it
    for row in rows:
        parent = row["parent"]
        lane = lanes.get(parent, -1) if parent is not None else -1
        if lane < 0 or ends[lane] != parent:
            lane = len(ends)
        lanes[row["pk"]] = lane
        ends[lane] = row["pk"]
    places = {
        row["pk"]: (_MARGIN + index * _STEP, _MARGIN + lanes[row["pk"]] * _ROW) for index, row in enumerate(rows)
    }
    return {
        "nodes": [
            {
                "number": row["number"],
                "note": row["note"][:200],
                "parent": numbers.get(row["parent"] or 0),
                "is_deleted": row["pk"] not in alive,
                "x": places[row["pk"]][0],
                "y": places[row["pk"]][1],
            }
            for row in rows
        ],
        "edges": [
            {"path": _edge(places[row["parent"]], places[row["pk"]])} for row in rows if row["parent"] in places
        ],
        "width": 2 * _MARGIN + max(0, len(rows) - 1) * _STEP,
        "height": 2 * _MARGIN + max(0, len(ends) - 1) * _ROW,
        "older": older,
    }


def _edge(start: tuple[int, int], end: tuple[int, int]) -> str:
    middle = (start[0] + end[0]) // 2
    return f"M{start[0]} {start[1]} C{middle} {start[1]} {middle} {end[1]} {end[0]} {end[1]}"
