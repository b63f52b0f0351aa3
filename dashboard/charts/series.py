"""From steps of rates to the frames that a step chart draws. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pandas as pd

from dashboard import format as fmt
from db.catalog.facts import Endpoint
from db.meters import label as meter_label
from db.polls.facts import Gap
from db.prices.facts import Step

COLOURED = 4
MOST_MARKS = 2_000


@dataclass(frozen=True, slots=True)
class Series:
    """The base rate of one meter at one endpoint over time, oldest first."""

    label: str
    endpoint: Endpoint
    meter: str
    steps: tuple[Step, ...]

    @property
    def ended(self) -> datetime | None:
        """When the endpoint was gone; None while it is there."""
        return self.steps[-1].valid_to

    @property
    def moves(self) -> int:
        return sum(before.rate.usd != after.rate.usd for before, after in pairwise(self.steps))


@dataclass(frozen=True, slots=True)
class Frames:
    """What a chart draws: points of lines, dots where a rate began, one row an end of a line, and bands."""

    lines: pd.DataFrame
    dots: pd.DataFrame
    ends: pd.DataFrame
    bands: pd.DataFrame
    hidden_free: int
    left_out: int


def endpoint_label(endpoint: Endpoint) -> str:
    """`Nebius`, `Chutes fp8`, `Google Vertex :free`."""
    extra = [endpoint.quantization or "", f":{endpoint.variant}" if endpoint.variant else ""]
    return " ".join([endpoint.provider_name, *filter(None, extra)])


def series_of(steps: Iterable[Step], meters: Iterable[str], *, names: Mapping[str, str] | None = None) -> list[Series]:
    """One series for each endpoint and meter, base rates only. `names`: model -> name, where there are several.

    What tells two series apart is in their labels, and nothing more.
    """
    wanted = set(meters)
    groups: dict[tuple[int, str], list[Step]] = {}
    for step in steps:
        if step.rate.meter in wanted and step.rate.is_base:
            groups.setdefault((step.endpoint.id, step.rate.meter), []).append(step)
    labels = {key: endpoint_label(of_key[0].endpoint) for key, of_key in groups.items()}
    if names and len(names) > 1:
        labels = {key: f"{names[of_key[0].endpoint.model]} · {labels[key]}" for key, of_key in groups.items()}
    if len({meter for _, meter in groups}) > 1:
        labels = {key: f"{text}, {meter_label(key[1]).lower()}" for key, text in labels.items()}
    for tell in (_tell_source, _tell_key):
        twice = {text for text in labels.values() if list(labels.values()).count(text) > 1}
        labels = {key: tell(text, groups[key][0]) if text in twice else text for key, text in labels.items()}
    return [Series(labels[key], of_key[0].endpoint, key[1], tuple(of_key)) for key, of_key in groups.items()]


def _tell_source(label: str, step: Step) -> str:
    return f"{label} ({fmt.source(step.endpoint.source)})"


def _tell_key(label: str, step: Step) -> str:
    return f"{label} {step.endpoint.key}"


def by_interest(series: Iterable[Series], own_api: str | None = None) -> list[Series]:
    """The ones worth a colour first: the lister's own price, the author's own API, what is still there, what moved."""

    def rank(each: Series) -> tuple[object, ...]:
        endpoint = each.endpoint
        plain_headline = endpoint.is_headline and endpoint.variant is None
        return (
            not plain_headline,
            endpoint.provider != own_api,
            each.ended is not None,
            endpoint.variant is not None,
            -each.moves,
            each.steps[0].valid_from,
            each.label,
        )

    return sorted(series, key=rank)


def frames(
    series: Sequence[Series],
    colours: Sequence[str],
    faint: str,
    *,
    gaps: Mapping[str, Sequence[Gap]],
    last_seen: Mapping[str, datetime],
    since: datetime | None,
    end: datetime,
    is_log: bool,
) -> Frames:
    """Rows for the chart; `series` by interest, the first ones get `colours`, the rest `faint`.

    `gaps` and `last_seen` are by source: between two polls that are too far apart, and after the last one, nothing
    is known and nothing is drawn.
    """
    lines: list[dict[str, Any]] = []
    dots: list[dict[str, Any]] = []
    ends: list[dict[str, object]] = []
    hidden_free = left_out = 0
    for rank, each in enumerate(series):
        colour = colours[rank] if rank < min(COLOURED, len(colours)) else faint
        source = each.endpoint.source
        known_to = min(end, last_seen.get(source, end))
        pieces = _pieces(each, gaps.get(source, ()), since, known_to)
        drawn = [piece for piece in pieces if piece.usd is not None and not (is_log and piece.usd == 0)]
        hidden_free += is_log and any(piece.usd == 0 for piece in pieces)
        if not drawn:
            continue
        if len(lines) + len(dots) + 3 * len(drawn) > MOST_MARKS:
            left_out += 1
            continue
        style = {"series": each.label, "colour": colour, "is_main": colour != faint, "rank": rank}
        lines += _line_rows(drawn, each, style)
        dots += [_dot_row(piece, each, style) for piece in drawn if piece.is_start]
        ends.append(_end_row(drawn[-1], each, style, end))
    began, shown_to = _shown(lines, end)
    bands = [
        {"start": max(gap.start, began), "end": min(gap.end or shown_to, shown_to), "text": _band(gap)}
        # Of the first series' source: the others' gaps show as breaks in their lines.
        for gap in (gaps.get(series[0].endpoint.source, ()) if series else ())
        if gap.start < shown_to and (gap.end or shown_to) > began
    ]
    return Frames(
        # What is drawn last lies on top: the first series.
        _frame(sorted(lines, key=_from_last), ["at", "usd", "segment", "order", *_STYLE]),
        _frame(sorted(dots, key=_from_last), ["at", "usd", "price", "when", "told", *_STYLE]),
        _frame(ends, ["at", "usd", "text", "told", *_STYLE]),
        _frame(bands, ["start", "end", "text"]),
        hidden_free,
        left_out,
    )


_STYLE = ("series", "colour", "is_main", "rank")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of one rate that is known and in the window. `is_start`: the rate began here."""

    start: datetime
    end: datetime
    usd: Decimal | None
    step: Step
    is_start: bool


def _pieces(series: Series, gaps: Sequence[Gap], since: datetime | None, known_to: datetime) -> list[_Piece]:
    found = []
    for step in series.steps:
        start = max(step.valid_from, since) if since else step.valid_from
        stop = min(step.valid_to or known_to, known_to)
        if start > stop or (start == stop and step.valid_to is not None):
            continue
        cuts = [gap for gap in gaps if gap.start < stop and (gap.end is None or gap.end > start)]
        for gap in cuts:
            if gap.start > start:
                found.append(_Piece(start, gap.start, step.rate.usd, step, start == step.valid_from))
            start = gap.end or stop
        if start < stop or not cuts:
            found.append(_Piece(start, stop, step.rate.usd, step, start == step.valid_from))
    return found


def _line_rows(pieces: Sequence[_Piece], series: Series, style: Mapping[str, object]) -> list[dict[str, Any]]:
    """Corner points; a new segment wherever the line is interrupted."""
    rows: list[dict[str, Any]] = []
    segment = 0

    def add(at: datetime, piece: _Piece) -> None:
        usd = float(fmt.scaled(series.meter, piece.usd or Decimal(0)))
        rows.append({"at": at, "usd": usd, "segment": f"{style['rank']}-{segment}", "order": len(rows), **style})

    for before, piece in zip([None, *pieces], pieces, strict=False):
        if before is not None and before.end < piece.start:
            add(before.end, before)
            segment += 1
        add(piece.start, piece)
    add(pieces[-1].end, pieces[-1])
    return rows


def _dot_row(piece: _Piece, series: Series, style: Mapping[str, object]) -> dict[str, object]:
    price = fmt.exact(series.meter, piece.usd)
    when = f"from {fmt.instant(piece.start)}"
    usd = float(fmt.scaled(series.meter, piece.usd or Decimal(0)))
    told = f"{series.label}: {price}, {when}"
    return {"at": piece.start, "usd": usd, "price": price, "when": when, "told": told, **style}


def _end_row(piece: _Piece, series: Series, style: Mapping[str, object], end: datetime) -> dict[str, object]:
    usd = piece.usd or Decimal(0)
    ended = series.ended is not None and series.ended <= end
    text = f"{series.label}  {'ended' if ended else fmt.amount(series.meter, piece.usd)}"
    told = f"{series.label}: {fmt.exact(series.meter, piece.usd)}" + (f", ended {fmt.day(piece.end)}" if ended else "")
    return {"at": piece.end, "usd": float(fmt.scaled(series.meter, usd)), "text": text, "told": told, **style}


def _shown(lines: Sequence[Mapping[str, Any]], end: datetime) -> tuple[datetime, datetime]:
    """From when to when the chart shows: long silence after the last known price is only hinted at."""
    if not lines:
        return end, end
    first, last = min(row["at"] for row in lines), max(row["at"] for row in lines)
    return first, min(end, last + max((last - first) * 0.12, timedelta(days=1)))


def _from_last(row: Mapping[str, Any]) -> int:
    return -int(row["rank"])


def _band(gap: Gap) -> str:
    until = f"to {fmt.day(gap.end)}" if gap.end else "until now"
    return f"{fmt.source(gap.source)} was not polled from {fmt.day(gap.start)} {until}"


def _frame(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame([dict(row) for row in rows], columns=list(columns))


def conclusion(series: Sequence[Series], model: str, since: datetime | None = None) -> str:
    """What the chart says of its first series, as a title."""
    if not series:
        return f"No price of {model} in this window"
    lead = series[0]
    # OpenRouter writes "Author: Model"; a title has colons enough.
    what = f"{meter_label(lead.meter)} price of {model.rpartition(': ')[2]} at {lead.endpoint.provider_name}"
    steps = [step for step in lead.steps if since is None or step.valid_to is None or step.valid_to > since]
    priced = [(step, step.rate.usd) for step in steps if step.rate.usd is not None]
    if not priced:
        return f"{what}: dynamic" if steps else f"{what}: none in this window"
    (first, old), (_, new) = priced[0], priced[-1]
    began = max(first.valid_from, since) if since else first.valid_from
    now = fmt.amount(lead.meter, new)
    gone = f" until it ended in {fmt.month(lead.ended)}" if lead.ended else ""
    if old == new:
        kept = "the same again" if lead.moves and len(priced) > 1 else "unchanged"
        return f"{what}: {kept} at {now} since {fmt.month(began)}{gone}"
    return f"{what}: {_moved(old, new)} since {fmt.month(began)}, {fmt.amount(lead.meter, old)} → {now}{gone}"


def _moved(old: Decimal, new: Decimal) -> str:
    if old == 0:
        return "no longer free"
    if new == 0:
        return "now free"
    ratio = new / old
    for times, word in ((Decimal(3), "tripled"), (Decimal(2), "doubled"), (Decimal("0.5"), "halved")):
        if abs(ratio - times) <= times / 50:
            return word
    if ratio > 3:
        return f"up {fmt.times(ratio)}"
    verb = "up" if ratio > 1 else "down"
    return f"{verb} {fmt.percentage(abs(ratio - 1) * 100).lstrip('+')}"
