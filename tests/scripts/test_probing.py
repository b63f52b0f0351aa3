"""The verbs that probe: watch, probe, and what status says of them."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.collector.jobs.billing import ESTIMATE, KEY, TAG, Billing, offer, priced, running_billing
from tests.scripts.conftest import Verb

ATLAS = f"openrouter:acme/atlas@{TAG}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Billing]:
    """A server that answers as OpenRouter would, and the settings that lead to it."""
    with running_billing() as running:
        monkeypatch.setenv("RATECARD_OPENROUTER_URL", f"{running.url}/api/v1")
        monkeypatch.setenv("RATECARD_SOURCES", "[]")
        yield running


@pytest.fixture
def market(ratecard: Verb, server: Billing, sqlite_home: str) -> Verb:
    """A database that knows two endpoints of one model."""
    from db.engine import migrate, open_engine

    engine = open_engine(sqlite_home)
    migrate(engine)
    priced(engine, offer("acme/atlas"), offer("acme/atlas", tag="chutes"))
    engine.dispose()
    return ratecard


@pytest.fixture
def sqlite_home(isolated_environment: Any) -> str:
    return f"sqlite:///{isolated_environment / 'ratecard.db'}"


@pytest.fixture
def paid(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key and a budget."""
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    monkeypatch.setenv("RATECARD_PROBE_BUDGET_USD", "0.01")


def watched(ratecard: Verb) -> dict[str, dict[str, Any]]:
    ran = ratecard("watch")
    assert ran.code == 0
    return {row["target"]: row for row in ran.json()}


# watch


def test_nothing_is_watched_at_first(market: Verb) -> None:
    ran = market("watch")

    assert (ran.code, ran.json()) == (0, [])
    assert ran.err == "Nothing is watched. Example: ratecard watch nousresearch/hermes-4-405b\n"


def test_a_model_is_watched_changed_and_let_go(market: Verb, server: Billing) -> None:
    added = market("watch", "acme/atlas")
    assert (added.code, added.out) == (0, "")
    assert added.err == "2 targets are watched, each every 10 minutes.\n"
    assert watched(market)[ATLAS] == {
        "target": ATLAS,
        "prober": "chat",
        "prompts": ["short"],
        "every_minutes": "10.0",
        "url": f"{server.url}/api/v1",
        "last_probe": None,
    }

    market("watch", ATLAS, "--every", "5", "--prompt", "short", "--prompt", "long", "--prompt", "long")
    assert (watched(market)[ATLAS]["every_minutes"], watched(market)[ATLAS]["prompts"]) == ("5.0", ["short", "long"])
    market("watch", ATLAS, "--reach")
    assert watched(market)[ATLAS]["prober"] == "reach"

    assert market("watch", ATLAS, "--remove").err == "1 targets are no longer watched; what was measured stays.\n"
    assert list(watched(market)) == ["openrouter:acme/atlas@chutes"]
    assert market("watch", "acme/atlas", "--remove").err.startswith("1 targets are no longer watched")
    assert watched(market) == {}


def test_a_model_is_let_go_as_it_was_added(market: Verb) -> None:
    market("watch", "acme/atlas")

    assert market("watch", "acme/atlas", "--remove").err.startswith("2 targets are no longer watched")
    assert watched(market) == {}


def test_a_server_of_ones_own_is_watched(market: Verb, server: Billing) -> None:
    ran = market("watch", "home", "--url", f"{server.url}/v1", "--model", "llama", "--every", "1")

    assert ran.err == "1 targets are watched, each every 1 minutes.\n"
    assert watched(market)["home"]["url"] == f"{server.url}/v1"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["acme/none"], "acme/none is neither an endpoint, a model at OpenRouter nor a watched target."),
        (["acme/none", "--remove"], "acme/none is not watched. `ratecard watch` lists what is."),
        (["acme/atlas", "--prompt", "middling"], "--prompt is 'middling'; it is one of: short, long."),
        (["home", "--url", "http://127.0.0.1/v1"], "The server home needs the name of a model there"),
        (["home", "--url", "home/v1", "--model", "llama"], "The address of the server home is none"),
        (
            ["home", "--model", "llama"],
            "--model, --key and --free describe a server of your own, so they need its --url.",
        ),
        (["a", "b", "--url", "http://127.0.0.1/v1", "--model", "llama"], "--url is one server. Give it one name."),
        (
            ["home", "--url", "http://127.0.0.1/v1", "--model", "llama", "--key", "sk-secret-word"],
            "The key of the server home is no name of an environment variable. Name the variable, never the key.",
        ),
    ],
)
def test_what_cannot_be_watched_gets_one_sentence(market: Verb, arguments: list[str], why: str) -> None:
    ran = market("watch", *arguments)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"ratecard: {why}")
    assert ran.err.count("\n") == 1
    assert "secret-word" not in ran.err
    assert watched(market) == {}


# probe


@pytest.mark.usefixtures("paid")
def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(market: Verb, server: Billing) -> None:
    ran = market("probe", "acme/atlas", "--dry-run")

    assert ran.code == 0
    first, second = ran.json()
    assert first == {
        "target": ATLAS,
        "prober": "chat",
        "prompt": "short",
        "url": f"{server.url}/api/v1",
        "model": "acme/atlas",
        "provider": TAG,
        "at_most_usd": str(ESTIMATE),
        "instead": None,
    }
    assert second["provider"] == "chutes"
    assert ran.err == f"2 probes, at most ${2 * ESTIMATE}; $0.01 of today's budget is left.\n"
    assert (server.chats, server.reaches) == ([], 0)
    assert KEY not in ran.out + ran.err


def test_a_dry_run_says_why_it_is_only_a_reach(market: Verb) -> None:
    rows = market("probe", ATLAS, "--dry-run").json()

    (row,) = rows
    assert (row["prober"], row["at_most_usd"]) == ("reach", "0")
    assert row["instead"] == "the environment has no OPENROUTER_API_KEY"


@pytest.mark.usefixtures("paid")
def test_a_probe_says_what_came_of_it(market: Verb, server: Billing) -> None:
    ran = market("probe", ATLAS)

    assert (ran.code, ran.err) == (0, "")
    (row,) = ran.json()
    assert (row["target"], row["prober"], row["prompt"], row["outcome"]) == (ATLAS, "chat", "short", "ok")
    assert (row["cost_usd"], row["output_tokens"], row["reason"]) == ("0.0009", 2, None)
    assert float(row["ttft_ms"]) > 0
    left = market("probe", ATLAS, "--dry-run").err
    assert left.endswith("$0.0091 of today's budget is left.\n")
    # Probed once is not watched.
    assert watched(market) == {}


def test_a_probe_of_a_server_of_ones_own_costs_nothing(market: Verb, server: Billing) -> None:
    server.cost = None
    market("watch", "home", "--url", f"{server.url}/v1", "--model", "llama")

    ran = market("probe")

    assert ran.code == 0
    (row,) = ran.json()
    assert (row["target"], row["prober"], row["outcome"], row["cost_usd"]) == ("home", "chat", "ok", None)
    assert server.keys == [""]
    assert watched(market)["home"]["last_probe"] == row["started_at"]


def test_a_probe_that_failed_is_no(market: Verb, server: Billing) -> None:
    server.refusal = (503, "overloaded")
    market("watch", "home", "--url", f"{server.url}/v1", "--model", "llama")

    ran = market("probe", "home")

    assert ran.code == 1
    (row,) = ran.json()
    assert (row["outcome"], row["ttft_ms"]) == ("http error", None)
    assert row["reason"] == "127.0.0.1 answered 503 Service Unavailable: overloaded."


def test_being_asked_to_wait_is_no_failure(market: Verb, server: Billing) -> None:
    server.refusal = (429, "slow down")
    market("watch", "home", "--url", f"{server.url}/v1", "--model", "llama")

    ran = market("probe", "home")

    assert (ran.code, ran.json()[0]["outcome"]) == (0, "limited")


def test_a_probe_without_a_key_reaches_and_says_why(market: Verb, server: Billing) -> None:
    ran = market("probe", ATLAS)

    assert ran.code == 0
    assert ran.err == "Only reached, not probed: the environment has no OPENROUTER_API_KEY.\n"
    assert (ran.json()[0]["prober"], ran.json()[0]["outcome"]) == ("reach", "ok")
    assert (server.chats, server.reaches) == ([], 1)


def test_a_probe_of_nothing_gets_one_sentence(market: Verb) -> None:
    ran = market("probe")

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("ratecard: Nothing is watched.")


# status


def probes_row(ratecard: Verb) -> dict[str, Any]:
    (row,) = (row for row in ratecard("status").json() if row["source"] == "probes")
    return dict(row)


def test_a_status_has_no_row_for_probes_where_nothing_is_watched(market: Verb) -> None:
    ran = market("status")

    assert (ran.code, ran.json()) == (0, [])


def test_a_status_says_why_endpoints_are_only_reached(market: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    market("watch", "acme/atlas")
    row = probes_row(market)
    assert row["state"] == "never probed"
    assert row["note"] == "2 watched; only reached, because the environment has no OPENROUTER_API_KEY"

    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    assert probes_row(market)["note"] == (
        "2 watched; only reached, because there is no probe budget (RATECARD_PROBE_BUDGET_USD)"
    )

    monkeypatch.setenv("RATECARD_PROBE_BUDGET_USD", "0.01")
    assert probes_row(market)["note"] == "2 watched"


@pytest.mark.usefixtures("paid")
def test_a_status_says_what_is_left_of_the_budget(market: Verb) -> None:
    market("watch", ATLAS)
    market("probe")

    ran = market("status")

    assert ran.code == 0
    (row,) = ran.json()
    assert (row["state"], row["budget_usd"], row["budget_left_usd"]) == ("fresh", "0.01", "0.0091")
    assert row["last_success"] <= row["next_run"]
    assert row["interval_s"] == 600
