"""The sums of the Spend page: the same as the database's own, to the last digit."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pandas as pd
import pytest
from sqlalchemy import Engine

from dashboard import data_usage
from dashboard.data import Reader
from dashboard.usage_sums import Only, Period, Usage, movers, over_time, summaries, unpriced, usage_from, whole
from db.engine import reading
from db.usage import report
from db.usage.keys import Names, Subject
from db.usage.read import View
from tests.dashboard.market import HERMES
from tests.dashboard.spending import HOSTILE, build
from tests.db.usage_reading.made import USD

ALL = Period(date(2026, 1, 1), date(2026, 2, 9))
LATE = Period(date(2026, 1, 21), date(2026, 2, 9))


@pytest.fixture(scope="module")
def spent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = build(f"sqlite:///{tmp_path_factory.mktemp('spent') / 'ratecard.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def reader(spent: Engine) -> Reader:
    return Reader(str(spent.url), 0, datetime(2026, 4, 1, tzinfo=UTC))


@pytest.fixture
def usage(reader: Reader) -> Usage:
    return data_usage.usage(reader, data_usage.seen(reader, None))


@pytest.mark.parametrize(
    "by", [(), ("model",), ("provider", "project"), ("day",), ("month", "model"), ("tag:team",), ("why", "hint")]
)
@pytest.mark.parametrize("only", [Only(), Only(model=HERMES), Only(project=HOSTILE), Only(provider="nobody")])
def test_sums_equal_those_of_the_database(
    spent: Engine, reader: Reader, usage: Usage, by: tuple[str, ...], only: Only
) -> None:
    state = data_usage.seen(reader, None)
    with reading(spent) as connection:
        expected = report.summary(connection, by, state.view(LATE, only))

    assert summaries(usage, usage.chosen(LATE, only), by) == expected


def test_a_known_at_date_gives_the_older_report(spent: Engine, reader: Reader) -> None:
    known = date(2026, 3, 5)
    state = data_usage.seen(reader, known)
    older = data_usage.usage(reader, state)
    with reading(spent) as connection:
        (expected,) = report.summary(connection, (), View(known_at=state.known_at))

    assert whole(older, older.chosen(ALL, Only())) == expected
    assert expected.cost_nano == 60 * USD + 40 * (USD // 3)
    assert data_usage.usage(reader, data_usage.seen(reader, date(2026, 2, 1))).span is None
    assert data_usage.restatements(reader, state) == ()


def test_names_without_a_price_are_counted_with_their_reason(usage: Usage) -> None:
    (found,) = unpriced(usage, usage.chosen(ALL, Only()))

    assert (found.name, found.why, found.hint) == (f"{HOSTILE}@openrouter", "unknown model", "a hint")
    assert (found.requests, found.tokens) == (27, 3_000_000)


def test_movers_compare_as_many_days_before(usage: Usage) -> None:
    assert LATE.before == Period(date(2026, 1, 1), date(2026, 1, 20))
    before, now = (summaries(usage, usage.chosen(p, Only()), ("model",)) for p in (LATE.before, LATE))

    (mover,) = movers(before, now)

    assert (mover.key, mover.delta_nano) == ((HERMES,), 40 * USD)


@pytest.mark.parametrize(
    ("step", "starts"),
    [("day", 40), ("week", ["2025-12-29", "2026-01-05", "2026-01-12"]), ("month", ["2026-01-01", "2026-02-01"])],
)
def test_steps_of_time_hold_every_nano_dollar(usage: Usage, step: str, starts: int | list[str]) -> None:
    rows = usage.chosen(ALL, Only())

    sums = over_time(usage, rows, step, "model", [HERMES])

    found = list(dict.fromkeys(pd.Timestamp(start).date().isoformat() for start in sums["start"]))
    assert len(found) == starts if isinstance(starts, int) else found[: len(starts)] == starts
    assert sums["cost_nano"].sum() == whole(usage, rows).cost_nano
    assert sums.loc[sums["place"] == 0, "cost_nano"].sum() == 120 * USD
    assert sums["unpriced_requests"].sum() == 27


def test_more_money_than_64_bits_hold_is_still_exact() -> None:
    names = Names({1: Subject("m", "", "", "", "m", "")}, {1: ("", "", "", "")}, {})
    most = 2**63 - 1
    rows = [(day, 1, 1, 1, None, 0, 1, most, 0, 0, 5) for day in (0, 1, 2)]

    usage = usage_from(iter(rows), names, ["prompt"])

    total = whole(usage, usage.chosen(Period(date(1970, 1, 1), date(1970, 1, 3)), Only()))
    assert total.cost_nano == 3 * most


def test_usage_of_nothing_has_no_span() -> None:
    usage = usage_from(iter([]), Names({}, {}, {}), [])

    assert usage.span is None
    assert summaries(usage, usage.chosen(ALL, Only()), ("model",)) == []


def test_reconciliation_imports_and_restatements_are_told(reader: Reader) -> None:
    state = data_usage.seen(reader, None)

    found = data_usage.reconciled(reader, state, ALL, Only(model=HERMES))
    assert (found.whole.logged, found.whole.ours) == (80 * USD, 120 * USD)
    (restated,) = data_usage.restatements(reader, state)
    assert restated.files == ("log.csv",)
    (imported,) = data_usage.imports(reader, state)
    assert imported["imported"] == 83
