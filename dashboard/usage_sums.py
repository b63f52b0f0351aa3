"""Sums over a frame of usage: groups, days, names without a price. Pure; money stays whole nano-dollars."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from itertools import chain, islice
from typing import Any, Final

import numpy as np
import pandas as pd

from db.catalog.identity import provider_slug, split_variant
from db.usage import keys
from db.usage.exact import Bools, Ints
from db.usage.facts import COUNTED
from db.usage.keys import Key, Names, Subject
from db.usage.summary import MEASURES, TOKENS, UNPRICED, Summary, folded
from db.usage.tags import tags_of

IDS: Final = ("day", keys.SUBJECT, keys.LABEL, keys.IMPORT, keys.WHY, "basis")
"""What a row of the frame is of: a UTC day since 1970, ids, the number of a reason, and what the cost assumes."""

EPOCH: Final = date(1970, 1, 1)
_WHOLE: Final = 2.0**62
_BATCH: Final = 50_000


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def before(self) -> "Period":
        """As many days, up to the one before the first."""
        return Period(self.first - timedelta(days=self.days), self.first - timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Only:
    """Which usage; None is any. Meant in the catalogue's spelling or as logs name it, as in db.usage.read.View."""

    model: str | None = None
    provider: str | None = None
    project: str | None = None

    def subject(self, subject: Subject) -> bool:
        """Whether the subject is meant."""
        model = self.model is None or (subject.as_model == split_variant(self.model)[0] or subject.model == self.model)
        provider = self.provider is None or (
            subject.as_provider == provider_slug(self.provider) or subject.provider == self.provider
        )
        return model and provider


@dataclass(frozen=True, eq=False)
class Usage:
    """All usage that is known: sums by IDS, and what the ids stand for.

    `frame`: IDS, MEASURES and each meter that was used; money in 1e-9 USD. `whys`: the reasons, by their numbers.
    """

    frame: pd.DataFrame
    names: Names
    meters: tuple[str, ...]
    whys: tuple[str | None, ...] = ()
    _codes: dict[str, tuple[Ints, list[Any]]] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def span(self) -> Period | None:
        """From the first to the last day with usage; None without any."""
        if self.frame.empty:
            return None
        return Period(day_of(self.frame["day"].min()), day_of(self.frame["day"].max()))

    def coded(self, key: str) -> tuple[Ints, list[Any]]:
        """For each row the number of its value of the key, and the values; None where logs do not say."""
        if key not in self._codes:
            column = "day" if key in keys.TIMES else keys.columns((key,))[0]
            ids, place = np.unique(self.frame[column].to_numpy(), return_inverse=True)
            told = self.whys if column == keys.WHY else None
            name = keys.namer((key,), self.names)
            found = [told[i] if told else name((i,))[0] for i in ids.tolist()]
            values = list(dict.fromkeys(found))
            number = {value: i for i, value in enumerate(values)}
            self._codes[key] = np.array([number[value] for value in found], np.int64)[place], values
        return self._codes[key]

    def values(self, key: str) -> list[str]:
        """What the key takes, by name."""
        return sorted(str(value) for value in self.coded(key)[1] if value is not None)

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """The names of tags."""
        found = {name for label in self.names.labels.values() for name in tags_of(label[3])}
        return tuple(sorted(found))

    def chosen(self, period: Period, only: Only) -> Bools:
        """Which rows are of the period and of what is meant."""
        frame = self.frame
        rows = (frame["day"] >= number_of(period.first)) & (frame["day"] <= number_of(period.last))
        if only.model is not None or only.provider is not None:
            rows &= frame[keys.SUBJECT].isin([i for i, each in self.names.subjects.items() if only.subject(each)])
        if only.project is not None:
            rows &= frame[keys.LABEL].isin([i for i, each in self.names.labels.items() if each[0] == only.project])
        return np.asarray(rows, np.bool_)

    def days_in(self, rows: Bools) -> int:
        """On how many days there is usage."""
        return len(np.unique(self.frame["day"].to_numpy()[rows]))


def usage_from(rows: Iterator[Sequence[Any]], names: Names, meters: Sequence[str]) -> Usage:
    """Usage from rows of db.usage.read.grouped, by keys whose columns are IDS."""
    columns = (*IDS, *MEASURES, *meters)
    place = IDS.index(keys.WHY)
    whys: dict[str | None, int] = {}
    parts: list[Ints] = []
    while batch := list(islice(rows, _BATCH)):
        flat = chain.from_iterable(
            (*row[:place], whys.setdefault(row[place], len(whys)), *row[place + 1 :]) for row in batch
        )
        parts.append(np.fromiter(flat, np.int64, len(batch) * len(columns)).reshape(-1, len(columns)))
    table = np.concatenate(parts) if parts else np.empty((0, len(columns)), np.int64)
    frame = pd.DataFrame({name: np.ascontiguousarray(table[:, i]) for i, name in enumerate(columns)})
    return Usage(frame.assign(**{name: _summable(frame[name]) for name in ("cost_nano", "logged_nano")}), names,
                 tuple(meters), tuple(whys))  # fmt: skip


def _summable(money: pd.Series) -> pd.Series:
    """As 64-bit integers; above 4 thousand million dollars as whole numbers of any size."""
    return money if float(money.abs().astype(float).sum()) < _WHOLE else money.astype(object)


def summaries(usage: Usage, rows: Bools, by: Sequence[str] = ()) -> list[Summary]:
    """As db.usage.report.summary: the dearest first, or oldest first where a key is a time."""
    measures = [*MEASURES, *usage.meters]
    coded = [usage.coded(key) for key in by]
    group = np.zeros(int(rows.sum()), np.int64)
    for codes, values in coded:
        group = group * len(values) + codes[rows]
    picked = usage.frame.loc[rows, ["basis", *measures]]
    sums = picked.groupby([group, picked["basis"].to_numpy()], sort=False)[measures].sum()
    sizes = [len(values) for _, values in coded]
    places = _places(np.asarray(sums.index.get_level_values(0), np.int64), sizes)
    basis = sums.index.get_level_values(1).tolist()
    lines = ((*place, b, *row) for place, b, row in zip(places, basis, sums.to_numpy().tolist(), strict=True))
    return folded(
        lines, lambda ids: tuple(values[i] for i, (_, values) in zip(ids, coded, strict=True)), by, usage.meters
    )


def _places(group: Ints, sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """The number of a group -> the number of each key's value."""
    if not sizes:
        return [()] * len(group)
    return list(zip(*(part.tolist() for part in np.unravel_index(group, sizes)), strict=True))


def whole(usage: Usage, rows: Bools) -> Summary:
    """All of it as one; without a row, of nothing."""
    return next(iter(summaries(usage, rows)), Summary((), 0, 0, {}, {}, None, None, 0, {}))


@dataclass(frozen=True, slots=True)
class Nameless:
    """Requests without a price, by what the log calls their endpoint."""

    name: str
    why: str
    hint: str
    requests: int
    tokens: int


def unpriced(usage: Usage, rows: Bools) -> list[Nameless]:
    """The names without a price, those with the most requests first."""
    without = rows & (usage.frame["basis"] == UNPRICED).to_numpy()
    found = summaries(usage, without, ("subject", "hint", keys.WHY))
    named = [Nameless(str(k[0] or "(no name)"), str(k[2] or ""), str(k[1] or ""), s.requests, s.tokens) for k, s in
             ((each.key, each) for each in found)]  # fmt: skip
    return sorted(named, key=lambda each: (-each.requests, each.name))


def sampled(usage: Usage, rows: Bools) -> int:
    """How many requests are synthetic."""
    if not usage.names.samples:
        return 0
    synthetic = rows & usage.frame[keys.IMPORT].isin(usage.names.samples).to_numpy()
    return int(usage.frame["requests"].to_numpy()[synthetic].sum())


@dataclass(frozen=True, slots=True)
class Mover:
    """A group in two periods; None where it has no priced requests, or no requests at all, in one of them."""

    key: Key
    before: Summary | None
    now: Summary | None

    @property
    def delta_nano(self) -> int:
        """By how much the priced cost moved."""
        return _cost(self.now) - _cost(self.before)


def _cost(sums: Summary | None) -> int:
    return (sums.cost_nano or 0) if sums is not None else 0


def movers(before: Sequence[Summary], now: Sequence[Summary]) -> list[Mover]:
    """The groups whose priced cost moved, the largest move first."""
    old, new = {each.key: each for each in before}, {each.key: each for each in now}
    every = [Mover(key, old.get(key), new.get(key)) for key in dict.fromkeys((*new, *old))]
    moved = [each for each in every if each.delta_nano]
    return sorted(moved, key=lambda each: (-abs(each.delta_nano), keys.order(each.key)))


def tokens_unpriced(sums: Summary) -> int:
    """The tokens of requests without a price."""
    return sums.tokens - sum(sums.priced_units.get(meter, 0) for meter in TOKENS)


def used_meters(found: Sequence[Summary]) -> list[str]:
    """The meters that any group used."""
    return [meter for meter in COUNTED if any(meter in each.units for each in found)]


def day_of(number: int) -> date:
    """Days since 1970 -> the day."""
    return EPOCH + timedelta(days=int(number))


def number_of(day: date) -> int:
    """The day -> days since 1970."""
    return (day - EPOCH).days


def over_time(usage: Usage, rows: Bools, step: str, key: str, shown: Sequence[Any]) -> pd.DataFrame:
    """Sums by day, week or month and by what is `shown` of the key: {start: datetime64, place, requests,
    unpriced_requests, cost_nano}. `place`: the number in `shown`; the one behind them is all the rest."""
    codes, values = usage.coded(key)
    place = np.full(len(values), len(shown), np.int64)
    for number, value in enumerate(shown):
        place[values.index(value)] = number
    picked = usage.frame.loc[rows, ["day", "basis", "requests", "cost_nano"]]
    sums = pd.DataFrame(
        {
            "start": _starts(picked["day"].to_numpy(), step),
            "place": place[codes[rows]],
            "requests": picked["requests"],
            "unpriced_requests": picked["requests"].where(picked["basis"] == UNPRICED, 0),
            "cost_nano": picked["cost_nano"],
        }
    )
    return sums.groupby(["start", "place"], as_index=False).sum()


def _starts(days: Ints, step: str) -> np.ndarray[Any, np.dtype[np.datetime64]]:
    """The first day of the step in which each day lies; a week begins on Monday."""
    if step == "week":
        days = days - (days + 3) % 7
    whole_days = days.astype("datetime64[D]")
    return (whole_days.astype("datetime64[M]") if step == "month" else whole_days).astype("datetime64[s]")
