"""The verbs that read usage, as a user would call them."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select

from db.catalog.tables import EndpointRow
from db.engine import open_engine, reading
from db.prices.tables import PriceRow
from db.versions import table_of
from tests.db.usage_reading.made import Book, Cell
from tests.scripts.conftest import Verb
from tests.scripts.recordings import HERMES, day

KNOWN = datetime(2026, 9, 1, tzinfo=UTC)
EVIL = ("=cmd()", "", "", "")


def hour(number: int, of: int) -> int:
    """So many hours after the poll of that day of January, in hours since its start."""
    return 24 * (number - 1) + 12 + of


@pytest.fixture
def spent(filled: Verb, isolated_environment: Path) -> Iterator[Verb]:
    """Two days of hermes at two prices, something unknown, and a project with a hostile name."""
    engine = open_engine(f"sqlite:///{isolated_environment / 'ratecard.db'}")
    price, endpoint = table_of(PriceRow), table_of(EndpointRow)
    query = (
        select(price.c.id)
        .join(endpoint, endpoint.c.id == price.c.endpoint_id)
        .where(endpoint.c.model == HERMES, endpoint.c.source == "openrouter", price.c.superseded_at.is_(None))
        .order_by(price.c.valid_from)
    )
    with reading(engine) as connection:
        first, second = connection.execute(query).scalars()
    units = {"prompt": 3_000_000, "completion": 1_000_000}
    cells = [
        Cell(hour(1, 1), units, 2_100_000_000, requests=3, model=HERMES, price_id=first, logged=2_000_000_000),
        Cell(hour(3, 1), units, 4_200_000_000, requests=2, model=HERMES, price_id=second, label=EVIL),
        Cell(hour(3, 2), units, None, requests=5, model="who/knows", label=EVIL),
    ]
    Book(engine).add(cells, KNOWN)
    yield filled
    engine.dispose()


def test_a_summary_is_exact_and_never_takes_unknown_for_free(spent: Verb) -> None:
    ran = spent("usage", "summary", "--format", "json")

    hermes, unknown = ran.json()
    assert (hermes["model"], hermes["requests"], hermes["cost_usd"]) == (HERMES, 5, "6.3")
    assert hermes["tokens"] == {"prompt": 6_000_000, "completion": 2_000_000}
    assert hermes["effective_usd_per_mtok"] == "0.7875"
    assert (unknown["cost_usd"], unknown["unpriced_requests"]) == (None, 5)
    assert ran.err.startswith("Total: $6.30 for 5 priced requests; 5 more (50.0%) are unpriced")


def test_a_summary_by_day_of_a_window(spent: Verb) -> None:
    ran = spent("usage", "summary", "--by", "day,project", "--from", day(3), "--format", "json")

    assert [(row["day"], row["project"], row["cost_usd"]) for row in ran.json()] == [("2026-01-03", "=cmd()", "4.2")]


def test_a_summary_as_known_before_the_import_is_empty(spent: Verb) -> None:
    ran = spent("usage", "summary", "--known-at", "2026-08-31", "--format", "json")

    assert (ran.code, ran.json()) == (0, [])
    assert "No usage is on record there." in ran.err


def test_the_table_says_unpriced_where_the_price_is_unknown(spent: Verb) -> None:
    ran = spent("usage", "summary", "--by", "model", "--format", "table")

    lines = ran.out.splitlines()
    assert any(HERMES in line and "$6.30" in line and "8,000,000" in line for line in lines)
    assert any("who/knows" in line and "unpriced" in line and "$0" not in line for line in lines)


def test_re_costing_at_the_own_endpoint_changes_nothing(spent: Verb) -> None:
    found = spent("usage", "recost", "--endpoint", f"{HERMES}@openrouter", "--model", HERMES).json()

    assert (found["actual_usd"], found["recost_usd"], found["low_usd"], found["high_usd"]) == ("6.3",) * 4
    assert (found["requests"], found["compared_requests"], found["unpriced_requests"]) == (5, 5, 0)
    assert [part["model"] for part in found["parts"]] == [HERMES]


def test_re_costing_compares_like_with_like(spent: Verb) -> None:
    """Chutes sells it for 0.3 and 1.2 from the second day on: the first day has no price there."""
    found = spent("usage", "recost", "--same-model-at", "chutes").json()

    assert (found["actual_usd"], found["recost_usd"], found["compared_requests"]) == ("4.2", "2.1", 2)
    assert (found["only_here_requests"], found["only_here_usd"]) == (3, "2.1")
    assert (found["unpriced_requests"], found["only_there_requests"], found["only_there_usd"]) == (8, 0, None)


def test_re_costing_where_nothing_has_a_price_is_null(spent: Verb) -> None:
    found = spent("usage", "recost", "--same-model-at", "chutes", "--model", "who/knows").json()

    assert [found[name] for name in ("actual_usd", "recost_usd", "low_usd", "high_usd")] == [None] * 4
    assert found["unpriced_requests"] == 5


def test_reconciliation_names_its_parts(spent: Verb) -> None:
    found = spent("usage", "reconcile", "--by", "model").json()

    assert (found["logged_usd"], found["ours_usd"], found["residual_usd"]) == ("2", "6.3", "-4.3")
    parts = [Decimal(found[f"{name}_usd"]) for name in ("tier", "tokens", "price", "missing")]
    assert parts == [0, 0, Decimal("-0.1"), Decimal("-4.2")]


@pytest.mark.parametrize("focus", [True, False])
def test_an_export_is_safe_to_open_and_leaves_the_unknown_empty(spent: Verb, tmp_path: Path, focus: bool) -> None:
    file = tmp_path / "out.csv"
    ran = spent("usage", "export", *(["--focus"] if focus else []), file)

    assert (ran.code, ran.out) == (0, "")
    assert "5 unpriced requests" in ran.err
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    cost, project, unpriced = (
        ("BilledCost", "SubAccountId", "x_UnpricedRequests") if focus else ("cost_usd", "project", "unpriced_requests")
    )
    assert sorted((row[cost], row[project], row[unpriced]) for row in rows) == [
        ("", "'=cmd()", "5"),
        ("2.1", "", "0"),
        ("4.2", "'=cmd()", "0"),
    ]
    assert list(tmp_path.glob("out.csv*")) == [file]


def test_an_export_to_standard_output(spent: Verb) -> None:
    ran = spent("usage", "export", "--by", "model", "-")

    assert ran.out.splitlines() == [
        "model,requests,prompt,completion,cost_usd,unpriced_requests,logged_usd,logged_requests",
        f"{HERMES},5,6000000,2000000,6.3,0,2,3",
        "who/knows,5,3000000,1000000,,5,,0",
    ]


def test_a_failed_export_leaves_the_old_file_alone(spent: Verb, tmp_path: Path) -> None:
    ran = spent("usage", "export", tmp_path / "nowhere" / "out.csv")

    assert (ran.code, ran.out) == (2, "")
    assert ran.err == f"ratecard: {tmp_path}/nowhere/out.csv cannot be written: No such file or directory.\n"


def test_imports_are_listed_with_what_they_cost(spent: Verb) -> None:
    (found,) = spent("usage", "imports").json()

    assert (found["rows"], found["requests"], found["cost_usd"], found["unpriced_requests"]) == (3, 10, "6.3", 5)
    assert found["sample"] is False


def test_ones_own_mix_compares_endpoints(spent: Verb) -> None:
    ran = spent("compare", HERMES, "--mix", "mine", "--format", "json")

    assert {row["mix"] for row in ran.json()} == {"3:1, 1,200,000-token prompts"}
    assert f"Your mix: 5 requests to {HERMES} in the 30 days to its last use" in ran.err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("usage summary --by colour", "--by knows no 'colour'."),
        ("usage summary --from 2026-01-01T10:30:00Z", "2026-01-01T10:30:00+00:00 lies inside an hour"),
        ("usage recost", "Say where to: --endpoint"),
        ("usage recost --endpoint a@b --same-model-at c", "Say where to: --endpoint"),
        ("usage recost --endpoint nobody", "--endpoint names no endpoint: 'nobody'"),
        ("usage recost --same-model-at nobody", "--same-model-at names no provider that is known: 'nobody'."),
        ("usage reconcile --by why", "--by why is for `ratecard usage summary`"),
        ("usage export --focus --by model -", "--by with --focus is the charge period: hour or day."),
        ("usage export --format json -", "An export is CSV."),
        (f"compare {HERMES} --mix mine --cached 0.5", "--mix mine takes --cached and --prompt-tokens from your usage"),
    ],
)
def test_wrong_use_gets_one_sentence(filled: Verb, arguments: str, why: str) -> None:
    ran = filled(*arguments.split())

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"ratecard: {why}")
    assert ran.err.count("\n") == 1
