"""The probe budget of a day is never exceeded, whoever asks at once and whoever was killed before."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine, func, select
from sqlalchemy.exc import StatementError
from sqlalchemy.pool import StaticPool

from db.engine import open_engine, reading, writing
from db.migrations import metadata
from db.probes import read, store
from db.probes.budget import RESERVATION, presume
from db.probes.facts import Spending
from tests.db.probes.made import ENDPOINT, at

NOON = at(12)
ZERO = Decimal(0)
CENT = Decimal("0.01")
ESTIMATE = Decimal("0.0007")


def reserve(engine: Engine, estimate: Decimal = ESTIMATE, now: datetime = NOON, budget: Decimal = CENT) -> int | None:
    with writing(engine) as connection:
        return store.reserve(connection, now, ENDPOINT, estimate, budget)


def reserved(engine: Engine, estimate: Decimal = ESTIMATE, now: datetime = NOON, budget: Decimal = CENT) -> int:
    reservation = reserve(engine, estimate, now, budget)
    assert reservation is not None
    return reservation


def reconcile(engine: Engine, reservation: int, actual: Decimal | None) -> None:
    with writing(engine) as connection:
        store.reconcile(connection, reservation, actual)


def release(engine: Engine, reservation: int) -> None:
    with writing(engine) as connection:
        store.release(connection, reservation)


def spending(engine: Engine, now: datetime = NOON) -> Spending:
    with reading(engine) as connection:
        return read.spending(connection, now, CENT)


def test_a_day_without_a_probe_has_its_whole_budget(engine: Engine) -> None:
    assert spending(engine) == Spending(NOON.date(), CENT, Decimal(0), Decimal(0))
    assert spending(engine).left_usd == CENT


def test_what_is_reserved_is_reconciled_with_what_it_cost(engine: Engine) -> None:
    cheap, unknown, never_sent = (reserved(engine, Decimal("0.003")) for _ in range(3))
    assert spending(engine).reserved_usd == Decimal("0.009")
    assert spending(engine).left_usd == Decimal("0.001")

    reconcile(engine, cheap, Decimal("0.00000008333333333333334"))
    reconcile(engine, unknown, None)
    release(engine, never_sent)

    now = spending(engine)
    assert (now.spent_usd, now.reserved_usd) == (Decimal("0.00300008333333333333334"), ZERO)
    assert now.left_usd == CENT - now.spent_usd


def test_a_probe_that_would_exceed_the_budget_is_refused_and_one_that_just_fits_is_not(engine: Engine) -> None:
    reserved(engine, Decimal("0.004"))

    assert reserve(engine, Decimal("0.00600000000000000001")) is None
    assert reserve(engine, Decimal("0.006")) is not None
    assert reserve(engine, Decimal("0.00000000000000000001")) is None
    assert spending(engine).left_usd == 0


def test_a_free_probe_needs_no_budget(engine: Engine) -> None:
    free = reserved(engine, Decimal(0), budget=Decimal(0))
    reconcile(engine, free, Decimal(0))

    assert reserve(engine, Decimal("0.000001"), budget=Decimal(0)) is None


def test_a_probe_that_cost_more_than_estimated_stops_the_next(engine: Engine) -> None:
    reconcile(engine, reserved(engine, Decimal("0.009")), Decimal("0.011"))

    assert reserve(engine, Decimal("0.0001")) is None
    assert spending(engine).left_usd == 0


def test_closing_twice_changes_nothing(engine: Engine) -> None:
    spent, released = reserved(engine), reserved(engine)
    reconcile(engine, spent, ESTIMATE)
    release(engine, released)
    before = spending(engine)

    reconcile(engine, spent, CENT)
    release(engine, spent)
    reconcile(engine, released, CENT)
    release(engine, released)

    assert spending(engine) == before


def test_sixteen_at_once_never_exceed_it(engine: Engine) -> None:
    def work(i: int) -> int | None:
        reservation = reserve(engine)
        if reservation is not None and i % 3 == 0:
            reconcile(engine, reservation, Decimal("0.0005"))
        elif reservation is not None and i % 3 == 1:
            release(engine, reservation)
        return reservation

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(work, range(96)))

    now = spending(engine)
    assert now.spent_usd + now.reserved_usd <= CENT
    assert None in answers
    # What was refused did not fit, and what fits is not refused.
    assert (reserve(engine) is None) == (now.left_usd < ESTIMATE)
    granted = [answer for answer in answers if answer is not None]
    assert len(set(granted)) == len(granted)


def test_what_a_killed_process_left_is_counted_after_a_restart(engine: Engine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    while reserve(engine) is not None:
        pass
    engine.dispose()

    again = open_engine(url)
    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(lambda _: reserve(again), range(32))) == {None}
    # Nobody knows whether they were sent, so they are spent; the next day begins anew.
    later = NOON + timedelta(hours=2)
    assert reserve(again, now=later) is None
    now = spending(again, later)
    assert (now.spent_usd, now.reserved_usd) == (14 * ESTIMATE, ZERO)
    assert reserve(again, now=NOON + timedelta(days=1)) is not None
    again.dispose()


def test_a_reservation_is_presumed_spent_after_an_hour_and_may_still_be_corrected(engine: Engine) -> None:
    late, unsent, gone, _ = (reserved(engine, Decimal("0.002")) for _ in range(4))
    with writing(engine) as connection:
        assert presume(connection, NOON + timedelta(hours=1)) == 0
        assert presume(connection, NOON + timedelta(hours=1, seconds=1)) == 4
        assert presume(connection, NOON + timedelta(hours=2)) == 0
    assert spending(engine).spent_usd == Decimal("0.008")

    reconcile(engine, late, Decimal("0.0015"))
    reconcile(engine, gone, None)
    release(engine, unsent)

    assert spending(engine).spent_usd == Decimal("0.0055")


def test_a_day_ends_at_midnight_utc(engine: Engine) -> None:
    before = reserved(engine, CENT, now=datetime(2026, 1, 1, 23, 59, 59, 999_999, tzinfo=UTC))
    midnight = datetime(2026, 1, 2, tzinfo=UTC)

    assert reserve(engine, CENT, now=midnight) is not None
    # What is reconciled after midnight was the day's before.
    reconcile(engine, before, Decimal("0.004"))
    assert spending(engine).spent_usd == Decimal("0.004")
    assert spending(engine, midnight).reserved_usd == CENT


def test_half_a_transaction_reserves_nothing(engine: Engine) -> None:
    def killed() -> None:
        with writing(engine) as connection:
            store.reserve(connection, NOON, ENDPOINT, CENT, CENT)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()

    assert spending(engine).left_usd == CENT


def test_nonsense_is_refused(engine: Engine) -> None:
    reservation = reserved(engine)
    with pytest.raises(ValueError, match="not negative"):
        reserve(engine, Decimal(-1))
    with pytest.raises(ValueError, match="not negative"):
        reconcile(engine, reservation, Decimal(-1))
    with pytest.raises(ValueError, match="there is no reservation 999"):
        release(engine, 999)
    with pytest.raises(StatementError, match="aware datetime"):
        reserve(engine, now=NOON.replace(tzinfo=None))


def test_old_reservations_go_and_what_the_day_cost_stays(engine: Engine) -> None:
    reconcile(engine, reserved(engine), None)
    reserved(engine)

    with writing(engine) as connection:
        store.prune(connection, NOON + timedelta(days=20))
        left = connection.execute(select(func.count()).select_from(RESERVATION)).scalar_one()

    # One that is open is not closed behind its back.
    assert left == 1
    assert spending(engine).spent_usd == ESTIMATE


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "reconcile", "unknown", "release", "wait"]),
        st.integers(0, 400).map(lambda n: Decimal(n) / 100_000),
    ),
    max_size=40,
)


def step(connection: Connection, what: str, usd: Decimal, now: datetime, open_: list[tuple[int, Decimal]]) -> None:
    if what == "reserve" and (granted := store.reserve(connection, now, ENDPOINT, usd, CENT)) is not None:
        open_.append((granted, usd))
    elif open_ and what in ("reconcile", "unknown", "release"):
        reservation, estimate = open_.pop()
        if what == "release":
            store.release(connection, reservation)
        else:
            # The estimates are upper bounds here, as the job's are.
            store.reconcile(connection, reservation, min(usd, estimate) if what == "reconcile" else None)


@given(STEPS)
def test_whatever_happens_the_day_stays_within_its_budget(steps: list[tuple[str, Decimal]]) -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    open_: list[tuple[int, Decimal]] = []
    now = at(0)
    with engine.begin() as connection:
        for what, usd in steps:
            now += timedelta(minutes=31 if what == "wait" else 0)
            step(connection, what, usd, now, open_)
            told = read.spending(connection, at(0), CENT)
            assert told.spent_usd >= 0
            assert told.reserved_usd >= 0
            assert told.spent_usd + told.reserved_usd <= CENT
    engine.dispose()
