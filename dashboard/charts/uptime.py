"""The uptime strip: a row a target, a cell for every 6 hours, in the classes that the number of probes can show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import altair as alt
import pandas as pd

from dashboard import format as fmt
from dashboard.charts.style import Drawn, constant, row_names, styled, top_legend
from dashboard.theme import DARK, LIGHT, Palette
from db.probes.facts import Cell, CellClass

ROW_PX: Final = 25
MOST_CELLS: Final = 2_000

# Lightness falls (rises on dark) with severity, so the classes can be told apart without their hue.
_COLOURS: Final = {
    LIGHT.name: {
        CellClass.ALL_OK: "#CFE8E0",
        CellClass.ONE_FAILED: "#F2C14E",
        CellClass.FEW_FAILED: "#D9661F",
        CellClass.MANY_FAILED: "#8C1C13",
        CellClass.LIMITED: "#A9BFE3",
        CellClass.NO_DATA: "#EEF1F5",
    },
    DARK.name: {
        CellClass.ALL_OK: "#1F4A43",
        CellClass.ONE_FAILED: "#8A6A1F",
        CellClass.FEW_FAILED: "#E0762E",
        CellClass.MANY_FAILED: "#FFB4A2",
        CellClass.LIMITED: "#3A4F7A",
        CellClass.NO_DATA: "#1A212A",
    },
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the strip. `uptime` as a share over all cells; None where every probe was limited."""

    label: str
    cells: Sequence[Cell]
    uptime: float | None
    n: int


def cells(rows: Sequence[Row], until: datetime) -> pd.DataFrame:
    """One line a cell: row, start, end, class, told. The running cell ends at `until`."""
    return pd.DataFrame(
        [
            {
                "row": str(number),
                "start": cell.start,
                "end": min(cell.end, until),
                "class": cell.shows.value,
                "told": _told(row.label, cell),
            }
            for number, row in enumerate(rows)
            for cell in row.cells
            if cell.start < until
        ],
        columns=["row", "start", "end", "class", "told"],
    )


def _told(label: str, cell: Cell) -> str:
    when = _time(cell.start, cell.end)
    if not cell.n:
        return f"{label}, {when}: not probed"
    limited = f", {cell.limited} limited" if cell.limited else ""
    return f"{label}, {when}: {cell.failed} of {fmt.plural(cell.n, 'probe')} failed{limited}"


@lru_cache(maxsize=1024)
def _time(start: datetime, end: datetime) -> str:
    """Kept, as the cells of all rows begin and end together."""
    return f"{fmt.instant(start).removesuffix(' UTC')} to {end:%H:%M} UTC"


def most_rows(since: datetime, until: datetime, cell_hours: int = 6) -> int:
    """How many rows keep the chart quick to draw."""
    columns = (until - since).total_seconds() / 3600 / cell_hours + 1
    return max(1, int(MOST_CELLS / columns))


def uptime_chart(rows: Sequence[Row], until: datetime, palette: Palette) -> Drawn:
    """The strips of `rows`, which are in the order of the chart."""
    drawn = cells(rows, until)
    there = [each for each in CellClass if (drawn["class"] == each.value).any()]
    colours: Mapping[CellClass, str] = _COLOURS[palette.name]
    x = alt.X(
        "start:T",
        title=None,
        scale=alt.Scale(type="utc", nice=False),
        axis=alt.Axis(
            format="%d %b" if _is_long(drawn) else "%d %b %H:%M", tickCount=8, labelOverlap=True, labelSeparation=12
        ),
    )
    y = alt.Y(
        "row:N",
        title=None,
        sort=None,
        scale=alt.Scale(padding=0.06),
        axis=row_names([row.label for row in rows], palette),
    )
    strip = (
        alt.Chart(drawn)
        .mark_rect(cornerRadius=1.5, stroke=palette.background, strokeWidth=1)
        .encode(
            x=x,
            x2=alt.X2("end:T"),
            y=y,
            color=alt.Color(
                "class:N",
                title=None,
                scale=alt.Scale(domain=[each.value for each in there], range=[colours[each] for each in there]),
                legend=top_legend(palette),
            ),
            description=alt.Description("told:N"),
            tooltip=alt.Tooltip("told:N", title=" "),
        )
    )
    ends = pd.DataFrame([_end(number, row) for number, row in enumerate(rows)])
    text: dict[str, Any] = {"align": "left", "baseline": "middle", "fontSize": 12.5}
    total = alt.Chart(ends).mark_text(**text, dx=8, fontWeight=600, color=palette.ink)
    count = alt.Chart(ends).mark_text(**text, dx=66, color=palette.mute)
    at_end = {"x": constant(alt.XValue, "width"), "y": y}
    return styled(
        [strip, total.encode(**at_end, text=alt.Text("uptime:N")), count.encode(**at_end, text=alt.Text("n:N"))],
        palette,
        ROW_PX * len(rows),
        right=8,
    )


def _end(number: int, row: Row) -> dict[str, str]:
    uptime = "limited" if row.uptime is None else f"{row.uptime * 100:.2f}%"
    return {"row": str(number), "uptime": uptime, "n": f"n {fmt.count(row.n)}"}


def _is_long(drawn: pd.DataFrame) -> bool:
    return bool((drawn["end"].max() - drawn["start"].min()).days >= 5)
