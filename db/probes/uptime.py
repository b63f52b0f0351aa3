"""From roll-ups to what people look at: a summary, a strip of uptime, the hours of a chart. Pure.

Uptime is ok / (ok + errors); a limited probe (429) is neither. Latencies of different prompt lengths, or of cold and
warm connections, are never mixed: percentiles are of one series and say which.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from db.probes.facts import Cell, Hour, Outcome, Prompt, Series, Summary
from db.probes.percentiles import RELATIVE_ERROR, Histogram
from db.probes.rollup import RollUp, instant, total

PERCENTILES: Final = (10, 50, 75, 90, 95, 99)
CHARTED: Final = (50, 90)
CELL_HOURS: Final = 6


def summary(hours: tuple[int, int], rolled: Mapping[Series, RollUp]) -> Summary | None:
    """What the roll-ups of one target by one prober come to over the hours [first, last); None of none.

    `rolled`: series -> its sum over these hours. The percentiles are of its most sampled series.
    """
    whole = total(rolled.values())
    if whole is None:
        return None
    series = most_sampled({each: one.outcomes.get(Outcome.OK, 0) for each, one in rolled.items()})
    one = rolled[series]
    measures = {"ttft_ms": one.ttft_ms, "tokens_per_s": one.tokens_per_s, "total_ms": one.total_ms}
    n_of = {name: measure.count for name, measure in measures.items()}
    ok, limited = whole.outcomes.get(Outcome.OK, 0), whole.outcomes.get(Outcome.LIMITED, 0)
    return Summary(
        target=series.target,
        start=instant(hours[0]),
        end=instant(hours[1]),
        probes=whole.probes,
        ok=ok,
        limited=limited,
        errors=whole.probes - ok - limited,
        causes=causes(whole.outcomes),
        n=max(n_of.values()),
        ttft_ms=labelled(one.ttft_ms, PERCENTILES),
        tokens_per_s=labelled(one.tokens_per_s, PERCENTILES),
        total_ms=labelled(one.total_ms, PERCENTILES),
        relative_error=RELATIVE_ERROR,
        newest=whole.newest,
        cost_usd=whole.cost_usd,
        unpriced=whole.unpriced,
        prober=series.prober,
        prompt=series.prompt,
        warm=series.warm,
        n_of=n_of,
    )


def most_sampled(ok: Mapping[Series, int]) -> Series:
    """The series with the most ok probes; of equal ones that of the short prompt, then of the warm connection."""
    return max(ok, key=lambda series: (ok[series], series.prompt is Prompt.SHORT, series.warm))


def strip(
    hours: tuple[int, int], counted: Mapping[int, tuple[int, int, int]], cell_hours: int = CELL_HOURS
) -> list[Cell]:
    """Every cell that meets the hours [first, last), oldest first; those without a probe are there and say so.

    `counted`: cell (a whole number of `cell_hours` from the epoch, so that cells stay where they are) -> how many
    probes were ok, failed and limited.
    """
    first, last = hours[0] // cell_hours, -(-hours[1] // cell_hours)
    return [_cell(cell, cell_hours, *counted.get(cell, (0, 0, 0))) for cell in range(first, last)]


def _cell(cell: int, cell_hours: int, ok: int, failed: int, limited: int) -> Cell:
    start, end = instant(cell * cell_hours), instant((cell + 1) * cell_hours)
    return Cell(start, end, ok + failed + limited, ok, failed, limited)


def hourly(rolled: Iterable[tuple[Series, int, RollUp]]) -> list[Hour]:
    """The hours with probes, oldest first, of one target by one prober. `rolled`: (series, hour, roll-up).

    The percentiles are of the series with the most ok probes over all hours.
    """
    hours: dict[int, dict[Series, RollUp]] = {}
    counts: dict[Series, int] = {}
    for series, hour, each in rolled:
        hours.setdefault(hour, {})[series] = each
        counts[series] = counts.get(series, 0) + each.outcomes.get(Outcome.OK, 0)
    if not hours:
        return []
    charted = most_sampled(counts)
    return [_hour(hour, of_hour, charted) for hour, of_hour in sorted(hours.items())]


def _hour(hour: int, of_hour: Mapping[Series, RollUp], charted: Series) -> Hour:
    outcomes: dict[Outcome, int] = {}
    for rolled in of_hour.values():
        for outcome, count in rolled.outcomes.items():
            outcomes[outcome] = outcomes.get(outcome, 0) + count
    ok, limited, probes = outcomes.get(Outcome.OK, 0), outcomes.get(Outcome.LIMITED, 0), sum(outcomes.values())
    one = of_hour.get(charted)
    measures = (one.ttft_ms, one.tokens_per_s, one.total_ms) if one is not None else (Histogram(),) * 3
    return Hour(
        instant(hour),
        probes,
        ok,
        limited,
        probes - ok - limited,
        causes(outcomes),
        one.outcomes.get(Outcome.OK, 0) if one is not None else 0,
        *(labelled(measure, CHARTED) for measure in measures),
    )


def causes(outcomes: Mapping[Outcome, int]) -> dict[Outcome, int]:
    """The errors among `outcomes`, in the order of the enumeration."""
    return {each: outcomes[each] for each in Outcome if each.is_error and outcomes.get(each)}


def labelled(measure: Histogram, wanted: Sequence[int]) -> dict[str, float]:
    """`{"p50": ...}`; empty of no values."""
    found = measure.percentiles(wanted)
    return {f"p{percent}": value for percent, value in zip(wanted, found or [], strict=False)}
