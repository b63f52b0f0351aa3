"""Reading what alerts look at: sources, watched endpoints, what expires, what moved."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import Connection, func, select

from db.catalog.read import CONTENT, DETAIL, ENDPOINT
from db.plans.alert_health import Expiring, Health, Latency, SourceState
from db.plans.alerts import Restated
from db.polls import read as polls
from db.prices import read as prices
from db.prices.changes import changes
from db.prices.facts import Change
from db.probes import read as probes
from db.probes.facts import Summary
from db.usage.tables import CostingRow, SubjectRow
from db.versions import believed, in_force, table_of

NEWS: Final = timedelta(days=2)
"""What happened longer ago is history, not news: nobody is told of it when alerts are first looked for."""
DOWN_WINDOW: Final = timedelta(hours=1)
SLOW_WINDOW: Final = timedelta(hours=3)
USUAL_WINDOW: Final = timedelta(days=7)
PROBERS: Final = ("chat", "reach")
_NANO: Final = Decimal(1_000_000_000)


def source_states(connection: Connection, every: Mapping[str, timedelta]) -> list[SourceState]:
    """The sources of `every` (name -> interval between two polls) with how their polls went."""
    found = []
    for name, interval in every.items():
        newest = polls.newest(connection, name).poll
        failures = polls.failures_since_success(connection, name)
        found.append(
            SourceState(
                name,
                interval,
                newest.observed_at if newest else None,
                failures[-1].observed_at if failures else None,
                failures[0].error if failures else None,
            )
        )
    return found


def health_of_late(connection: Connection, now: datetime) -> list[Health]:
    """Every watched target with its probes of late."""
    names = _watched(connection)
    found = [probes.summaries(connection, now - DOWN_WINDOW, now, prober, names) for prober in PROBERS]
    return [Health(name, tuple(each[name] for each in found if name in each)) for name in names]


def latencies(connection: Connection, now: datetime) -> list[Latency]:
    """Every watched target with its latency of late and its usual one, which is of before that."""
    names = _watched(connection)
    began = now - SLOW_WINDOW
    window = [probes.summaries(connection, began, now, prober, names) for prober in PROBERS]
    usual = [probes.summaries(connection, began - USUAL_WINDOW, began, prober, names) for prober in PROBERS]
    return [Latency(name, _most_probed(name, window), _most_probed(name, usual)) for name in names]


def _watched(connection: Connection) -> list[str]:
    return [target.name for target in probes.targets(connection, watched=True)]


def _most_probed(name: str, by_prober: list[dict[str, Summary]]) -> Summary | None:
    return max((each[name] for each in by_prober if name in each), key=lambda each: each.probes, default=None)


def expiring(connection: Connection) -> list[Expiring]:
    """Every model whose source says when it goes, once for each date that is said."""
    # Few say so: the database picks them out without a body being read.
    said = CONTENT.c.body.contains('"expires":', autoescape=True)
    query = (
        select(ENDPOINT.c.model, ENDPOINT.c.source, CONTENT.c.body)
        .join(DETAIL, DETAIL.c.endpoint_id == ENDPOINT.c.id)
        .join(CONTENT, CONTENT.c.id == DETAIL.c.value_id)
        .where(said, in_force(DETAIL), believed(DETAIL))
        .order_by(ENDPOINT.c.id)
    )
    found: dict[tuple[str, str], Expiring] = {}
    for model, source, body in connection.execute(query):
        expires = json.loads(body).get("expires")
        if expires:
            found.setdefault((model, str(expires)), Expiring(model, source, str(expires)))
    return list(found.values())


def moves(connection: Connection, now: datetime) -> list[Change]:
    """The moves of rates that are news."""
    since = now - NEWS
    return changes(prices.around_changes(connection, since), since)


def restatements(connection: Connection, now: datetime) -> list[Restated]:
    """What was learned later and changed the past bill, as far as it is news; acts of one moment are one."""
    table = table_of(CostingRow)
    query = (
        select(table.c.recorded_at, table.c.kind, func.sum(table.c.delta_nano), func.sum(table.c.delta_unpriced))
        .where(table.c.recorded_at >= now - NEWS, table.c.kind == "restatement")
        .group_by(table.c.recorded_at, table.c.kind)
        .order_by(table.c.recorded_at)
    )
    return [
        Restated(at, act, int(nano) / _NANO, int(unpriced)) for at, act, nano, unpriced in connection.execute(query)
    ]


def models_in_use(connection: Connection) -> frozenset[str]:
    """The models that are watched or in a usage log; none where nobody has said what they use."""
    subject = table_of(SubjectRow)
    used = select(subject.c.as_model).where(subject.c.as_model != "").distinct()
    watched = (
        select(ENDPOINT.c.model)
        .join(probes.TARGET, probes.TARGET.c.endpoint_id == ENDPOINT.c.id)
        .where(probes.TARGET.c.watched)
        .distinct()
    )
    return frozenset(connection.execute(used).scalars()) | frozenset(connection.execute(watched).scalars())
