"""The verbs of plans, as a user runs them."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.scripts.conftest import Verb
from tests.scripts.recordings import HERMES, day

LOG = "time,model,provider,project,prompt,completion"


@pytest.fixture
def used(filled: Verb, tmp_path: Path) -> Verb:
    """The filled database with a log of ten days: $0.30 a day of search, and of chat what nobody can price."""
    rows = [LOG]
    for number in range(2, 12):
        rows.append(f"{day(number)},{HERMES},openrouter,search,300000,0")
        rows.append(f"{day(number)},house/own-7b,openrouter,chat,1000,10")
    file = tmp_path / "log.csv"
    file.write_text("\n".join(rows) + "\n")
    ran = filled(
        "usage", "import", file, "--log-format", "generic", "--map", ",".join(f"{c}={c}" for c in LOG.split(","))
    )
    assert ran.code == 0, ran.err
    return filled


def month_and_as_of() -> tuple[str, str]:
    last = datetime.fromisoformat(day(12)).astimezone(UTC)
    return last.strftime("%Y-%m"), last.strftime("%Y-%m-%dT%H:00:00Z")


def test_a_budget_is_set_projected_listed_and_removed(used: Verb) -> None:
    ran = used(
        "budget",
        "set",
        "team",
        "--limit",
        "5",
        "--timezone",
        "Europe/Berlin",
        "--scope",
        "project=search",
        "--warn",
        "80%",
    )
    assert (ran.code, ran.out) == (0, "")
    month, as_of = month_and_as_of()
    ran = used("project", "--month", month, "--as-of", as_of, "--budget", "team")
    assert ran.code == 1, ran.err
    [row] = ran.json()
    assert (row["scope"], row["spent_usd"], row["budget_usd"], row["unpriced_requests"]) == (
        "project=search",
        "3",
        "5",
        0,
    )
    assert {"month", "as_of", "projected_usd", "crossing_day", "crossing_probability", "backtest_error"} <= row.keys()
    assert Decimal(row["projected_usd"]["median"]) > 5
    assert row["projected_usd"]["low95"] is None
    assert row["crossing_day"].startswith(month)
    [listed] = used("budget", "list").json()
    assert (listed["name"], listed["warn_at"], listed["timezone"]) == ("team", ["0.8"], "Europe/Berlin")
    assert used("budget", "remove", "team").code == 0
    gone = used("project", "--budget", "team")
    assert (gone.code, gone.out) == (2, "")
    assert "There is no budget 'team'. `ratecard budget set` makes one." in gone.err


def test_each_project_has_a_row_and_what_has_no_price_has_no_amount(used: Verb) -> None:
    month, as_of = month_and_as_of()
    ran = used("project", "--month", month, "--as-of", as_of, "--by", "project")
    assert ran.code == 0
    chat, search = ran.json()
    assert (chat["scope"], chat["spent_usd"], chat["projected_usd"]["median"]) == ("project=chat", None, None)
    assert chat["note"].startswith("None of the 10 requests of project=chat has a price")
    assert (search["spent_usd"], search["unpriced_requests"]) == ("3", 0)
    table = used("project", "--month", month, "--as-of", as_of, "--by", "project", "--format", "table")
    assert "$3.00" in table.out
    assert "what they cost is unknown, not $0" in table.err


def test_a_bridge_sums_to_the_difference(used: Verb) -> None:
    first, second = (f"{day(a)[:10]}..{day(b)[:10]}" for a, b in ((2, 4), (4, 8)))
    told = used("bridge", first, second).json()
    assert (told["a"]["usd"], told["b"]["usd"], told["difference_usd"]) == ("0.6", "1.2", "0.6")
    assert sum(map(Decimal, told["parts"].values())) == Decimal(told["difference_usd"])
    assert (told["parts"]["volume"], told["b"]["unpriced_requests"]) == ("0.6", 4)
    assert [each["project"] for each in told["projects"]] == ["search", "chat"]
    parts = used("bridge", first, second, "--by-part", "--format", "csv").out.splitlines()
    assert parts[:2] == ["model,part,usd", f"{HERMES},volume,0.6"]
    assert "Model mix" in used("bridge", first, second, "--by-part", "--format", "table").out
    assert "is no month" in used("bridge", "soon", second).err
    assert "goes to a projection" in used("bridge", "projected", second).err


def test_the_impact_of_a_price_change_is_told(used: Verb) -> None:
    [row] = used("impact").json()
    assert (row["model"], row["provider"], row["source"]) == (HERMES, "openrouter", "openrouter")
    assert row["changes"][0] | {"change_percent": None} == {
        "meter": "prompt",
        "old_usd": "0.0000003",
        "new_usd": "0.000001",
        "change_percent": None,
        "min_prompt_tokens": 0,
        "utc_start": None,
        "utc_end": None,
    }
    assert (row["before_usd"], row["after_usd"], row["monthly_usd"], row["requests"]) == ("0.9", "3", "2.1", 10)
    assert row["projects"] == [{"project": "search", "monthly_usd": "2.1"}]
    assert used("impact", "--model", "nobody/knows").json() == []


def test_a_scenario_is_set_costed_and_removed(used: Verb) -> None:
    ran = used("scenario", "set", "half", "--move", f"{HERMES} -> @chutes: 50%", "--volume", "2")
    assert ran.code == 0, ran.err
    told = used("usage", "recost", "--scenario", "half").json()
    assert (told["actual_usd"], told["recost_usd"]) == ("3", "3.9")
    assert {"low_usd", "high_usd", "unpriced_requests", "parts", "projected"} <= told.keys()
    assert used("scenario", "list").json()[0]["moves"] == [f"{HERMES} -> @chutes: 50%"]
    assert "would have been $3.90" in used("usage", "recost", "--scenario", "half", "--format", "table").err
    assert used("scenario", "remove", "half").code == 0
    gone = used("usage", "recost", "--scenario", "half")
    assert gone.code == 2
    assert "There is no scenario 'half'." in gone.err


def test_suggestions_come_with_what_was_checked(used: Verb) -> None:
    for row in used("scenario", "suggest").json():
        assert Decimal(row["saving_usd"]) > 0
        assert row["checked"] or row["unknown"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("budget", "set", "a", "--limit", "much"), "--limit is no amount in USD"),
        (("budget", "set", "a", "--limit", "1", "--period", "week"), "--period is month, quarter or custom"),
        (("budget", "set", "a", "--limit", "1", "--period", "custom"), "A custom period needs --from and --to"),
        (("budget", "set", "a", "--limit", "1", "--timezone", "Mars"), "There is no time zone 'Mars'"),
        (("budget", "set", "a", "--limit", "1", "--scope", "team"), "There is no scope 'team'"),
        (("budget", "set", "a", "--limit", "1", "--warn", "0"), "--warn is a share above 0"),
        (("budget", "remove", "a"), "There is no budget 'a'"),
        (("project", "--month", "2026-13"), "is no month"),
        (("project", "--by", "planet"), "There is no scope 'planet'"),
        (("scenario", "set", "s"), "A scenario changes something"),
        (("scenario", "set", "s", "--move", "all -> nobody@nowhere"), "A move leads nowhere"),
        (("scenario", "set", "s", "--cache-rate", "2"), "--cache-rate is a share from 0 to 1"),
    ],
)
def test_wrong_use_is_told_in_one_sentence(filled: Verb, arguments: tuple[str, ...], sentence: str) -> None:
    ran = filled(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert sentence in ran.err


def test_without_usage_there_is_nothing_spent_and_no_projection(filled: Verb) -> None:
    [row] = filled("project").json()
    assert (row["spent_usd"], row["projected_usd"]["median"], row["requests"]) == ("0", None, 0)
    assert "nothing to project from" in row["note"]
    assert filled("impact").json() == []
    assert "has no projection" in filled("bridge", "2026-01", "projected").err
