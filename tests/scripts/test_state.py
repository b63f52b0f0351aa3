"""The verbs that fill the database and say how it is: init, poll, alias, status, doctor."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.collector.bodies import market, model
from tests.scripts import recordings
from tests.scripts.conftest import Ran, Verb
from tests.support.upstream import Reply, Upstream

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def listening(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> Upstream:
    """A server that plays both sources, and the settings that lead to it."""
    monkeypatch.setenv("RATECARD_OPENROUTER_URL", f"{upstream.url}/api/v1")
    monkeypatch.setenv("RATECARD_MODELS_DEV_URL", upstream.url)
    monkeypatch.setenv("RATECARD_ATTEMPTS", "1")
    seller = recordings.provider("Nebius", {"acme/atlas-1": recordings.sold(1, 2)})
    upstream.answer_all(market([model("acme/atlas-1"), model("acme/beacon-1")]) | {"/api.json": {"nebius": seller}})
    return upstream


def rows(ran: Ran, key: str) -> dict[str, dict[str, Any]]:
    return {row[key]: row for row in ran.json()}


def test_init_makes_the_database_and_again_changes_nothing(ratecard: Verb, isolated_environment: Path) -> None:
    first, again = ratecard("init"), ratecard("init")

    assert (first.code, first.out) == (again.code, again.out) == (0, "")
    assert first.err == again.err == f"The database is ready at sqlite:///{isolated_environment}/ratecard.db.\n"


def test_init_hides_the_password_of_a_database(
    ratecard: Verb, monkeypatch: pytest.MonkeyPatch, postgres_database: str
) -> None:
    monkeypatch.setenv("RATECARD_DATABASE_URL", postgres_database.replace("ratecard@", "ratecard:secret-word@"))

    ran = ratecard("init")

    assert ran.code == 0
    assert "ratecard:***@127.0.0.1" in ran.err


def test_a_poll_of_every_source(ratecard: Verb, listening: Upstream) -> None:
    ran = ratecard("poll")

    assert (ran.code, ran.out) == (0, "")
    openrouter, models_dev, package = ran.err.splitlines()
    # Two headline prices and two endpoints, each with a price and a detail.
    assert openrouter == "openrouter: 2 entries, 8 changes."
    assert models_dev == "models_dev: 1 entries, 2 changes."
    assert package.startswith("genai_prices: ")
    assert {row["provider"] for row in ratecard("price", "acme/atlas-1").json()} == {"openrouter", "nebius"}


def test_a_poll_of_the_package_needs_no_network(
    ratecard: Verb, monkeypatch: pytest.MonkeyPatch, attempts_to_leave: list[str]
) -> None:
    ran = ratecard("poll", "genai_prices")

    assert ran.code == 0
    assert attempts_to_leave == []
    assert "openai" in {row["provider"] for row in ratecard("price", "openai/gpt-4o").json()}


def test_sources_that_cannot_be_reached_get_one_sentence_each(ratecard: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATECARD_OPENROUTER_URL", NOWHERE)
    monkeypatch.setenv("RATECARD_MODELS_DEV_URL", NOWHERE)
    monkeypatch.setenv("RATECARD_ATTEMPTS", "1")

    ran = ratecard("poll", "openrouter", "models_dev")

    assert (ran.code, ran.out) == (1, "")
    openrouter, models_dev = ran.err.splitlines()
    assert openrouter.startswith("openrouter: 127.0.0.1/models could not be reached (")
    assert models_dev.startswith("models_dev: 127.0.0.1/api.json could not be reached (")
    assert openrouter.endswith("). Is there a network?")


def test_one_source_that_fails_does_not_keep_the_others(ratecard: Verb, listening: Upstream) -> None:
    listening.answer("/api/v1/models", Reply(b"<html>Bad gateway</html>", status=502))

    ran = ratecard("poll", "openrouter", "models_dev")

    assert ran.code == 1
    assert ran.err.splitlines() == [
        "openrouter: 127.0.0.1/api/v1/models answered 502: Bad Gateway.",
        "models_dev: 1 entries, 2 changes.",
    ]


def test_a_status_without_any_poll_is_no(ratecard: Verb) -> None:
    ratecard("init")

    ran = ratecard("status")

    assert ran.code == 1
    assert {row["state"] for row in ran.json()} == {"never polled"}


def test_a_status_as_json(ratecard: Verb, listening: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATECARD_SOURCES", '["openrouter"]')
    before = datetime.now(UTC)
    ratecard("poll")

    ran = ratecard("status")

    assert ran.code == 0
    (row,) = ran.json()
    assert before <= datetime.fromisoformat(row["last_success"]) <= datetime.now(UTC)
    assert before < datetime.fromisoformat(row["next_run"]) <= datetime.now(UTC) + timedelta(hours=1)
    assert {key: value for key, value in row.items() if key not in {"last_success", "next_run", "age_s"}} == {
        "source": "openrouter",
        "state": "fresh",
        "interval_s": 3600,
        "left_alone_until": None,
        "polls": 1,
        "failures": 0,
        "last_error": None,
        "gaps": 0,
        "last_gap": None,
        "rejected_items": 0,
        "last_status": "ok",
        "note": None,
    }


def polled(ratecard: Verb, folder: Path, *ages: timedelta) -> None:
    """Replay polls of OpenRouter of these ages."""
    now = datetime.now(UTC)
    lines = [recordings.line((now - age).isoformat(), [model("acme/atlas-1"), {"id": 7}]) for age in ages]
    assert ratecard("replay", recordings.write(folder / "polls.jsonl", lines)).code == 0


@pytest.mark.parametrize(("age", "state", "code"), [(2, "fresh", 0), (4, "stale", 1)])
def test_a_source_is_stale_after_three_intervals(
    ratecard: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: int, state: str, code: int
) -> None:
    monkeypatch.setenv("RATECARD_SOURCES", '["openrouter"]')
    polled(ratecard, tmp_path, timedelta(hours=age + 1), timedelta(hours=age))

    ran = ratecard("status")

    (row,) = ran.json()
    assert (ran.code, row["state"], row["rejected_items"]) == (code, state, 1)


def test_a_status_tells_the_gaps_of_the_record(ratecard: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATECARD_SOURCES", '["openrouter"]')
    polled(ratecard, tmp_path, *(timedelta(hours=age) for age in (50, 49, 48, 3, 2, 1)))

    (row,) = ratecard("status").json()

    assert row["gaps"] == 1
    span = datetime.fromisoformat(row["last_gap"]["to"]) - datetime.fromisoformat(row["last_gap"]["from"])
    assert span == timedelta(hours=45)


def test_a_status_tells_why_a_source_fails_and_until_when_it_is_left_alone(
    ratecard: Verb, listening: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATECARD_SOURCES", '["openrouter"]')
    listening.answer("/api/v1/models", Reply(status=429, headers={"Retry-After": "7200"}))
    before = datetime.now(UTC)
    ratecard("poll")

    (row,) = ratecard("status").json()

    why = "127.0.0.1/api/v1/models answered 429: it asked for a pause (too many requests)."
    assert (row["state"], row["failures"], row["last_error"], row["note"]) == ("never polled", 1, why, why)
    alone_until = datetime.fromisoformat(row["left_alone_until"])
    assert alone_until >= before + timedelta(hours=2)
    assert datetime.fromisoformat(row["next_run"]) >= alone_until


def test_a_status_as_a_table(ratecard: Verb, listening: Upstream) -> None:
    ratecard("poll", "openrouter")

    shown = ratecard("status", "--format", "table").out

    assert "Last success (UTC)" in shown
    assert "`ratecard poll` asks it now." in shown


def test_an_alias_moves_the_endpoints_and_its_removal_moves_them_back(ratecard: Verb, tmp_path: Path) -> None:
    at = "2026-01-01T00:00:00Z"
    seller = recordings.provider("Chutes", {"Atlas-One": recordings.sold(1, 2)})
    polls = [
        recordings.line(at, [model("acme/atlas-1")]),
        recordings.line(at, {"chutes": seller}, "models_dev"),
    ]
    ratecard("replay", recordings.write(tmp_path / "polls.jsonl", polls))
    own = ratecard("price", "chutes/atlas-one").json()
    assert [row["provider"] for row in own] == ["chutes"]

    added = ratecard("alias", "chutes/Atlas-One", "acme/Atlas-1")

    assert (added.code, added.out, added.err) == (0, "", "1 endpoints changed their model.\n")
    assert ratecard("alias").json() == [{"name": "chutes/atlas-one", "model": "acme/atlas-1"}]
    moved = ratecard("price", "acme/atlas-1").json()
    assert [(row["provider"], row["endpoint"]) for row in moved] == [
        ("openrouter", "openrouter:acme/atlas-1"),
        ("chutes", own[0]["endpoint"]),
    ]
    assert ratecard("price", "chutes/atlas-one").code == 2

    removed = ratecard("alias", "chutes/atlas-one", "--remove")

    assert (removed.code, removed.err) == (0, "1 endpoints changed their model.\n")
    assert (ratecard("alias").json(), ratecard("alias").err) == ([], "No alias is declared.\n")
    assert ratecard("price", "chutes/atlas-one").json() == own


def test_an_alias_holds_for_what_is_seen_later(ratecard: Verb, tmp_path: Path) -> None:
    ratecard("init")
    ratecard("alias", "atlas-one", "acme/atlas-1")

    seller = recordings.provider("Chutes", {"Atlas-One": recordings.sold(1, 2)})
    line = recordings.line("2026-01-01T00:00:00Z", {"chutes": seller}, "models_dev")
    ratecard("replay", recordings.write(tmp_path / "polls.jsonl", [line]))

    assert [row["provider"] for row in ratecard("price", "acme/atlas-1").json()] == ["chutes"]


def test_a_doctor_finds_nothing_wrong(ratecard: Verb, listening: Upstream, isolated_environment: Path) -> None:
    ratecard("poll")

    ran = ratecard("doctor")

    found = rows(ran, "check")
    assert ran.code == 0, ran.out
    assert list(found) == ["settings", "home", "database", "openrouter", "models_dev", "genai_prices", "git"]
    assert found["openrouter"]["finding"] == "answers without a key (prices need none)"
    assert str(isolated_environment) in found["settings"]["finding"]


def test_a_doctor_says_what_to_do(ratecard: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATECARD_OPENROUTER_URL", NOWHERE)
    monkeypatch.setenv("RATECARD_MODELS_DEV_URL", NOWHERE)

    ran = ratecard("doctor")

    found = rows(ran, "check")
    assert ran.code == 1
    assert [check for check, row in found.items() if not row["ok"]] == ["database", "openrouter", "models_dev"]
    assert found["database"]["finding"].endswith("`ratecard run` or `ratecard init` makes one.")
    assert found["openrouter"]["finding"].endswith("Is there a network?")


def test_a_doctor_never_shows_a_key(ratecard: Verb, listening: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-secret")
    ratecard("init")

    ran = ratecard("doctor")

    assert rows(ran, "check")["openrouter"]["finding"] == "answers with a key"
    assert "sk-or-secret" not in ran.out + ran.err


def test_a_doctor_on_settings_that_are_wrong(ratecard: Verb) -> None:
    Path("ratecard.toml").write_text("at_once = = 3", encoding="utf-8")

    ran = ratecard("doctor")

    assert ran.code == 1
    assert "at line 1" in ran.json()[0]["finding"]


def test_a_clock_that_was_set_back_is_found(ratecard: Verb, listening: Upstream, tmp_path: Path) -> None:
    from sqlalchemy import text

    from db.engine import open_engine, writing

    ratecard("poll", "models_dev")
    engine = open_engine(f"sqlite:///{tmp_path}/ratecard-home/ratecard.db")
    with writing(engine) as connection:
        connection.execute(text("UPDATE poll SET recorded_at = '2999-01-01T00:00:00.000000Z'"))
    engine.dispose()

    found = rows(ratecard("doctor"), "check")

    assert not found["clock"]["ok"]
    assert "days in the future; set the clock" in found["clock"]["finding"]
