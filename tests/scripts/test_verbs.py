"""The verbs that read: what they print is a contract."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.collector.bodies import model
from tests.scripts import recordings
from tests.scripts.conftest import Ran, Verb
from tests.scripts.recordings import EXACT, HERMES, TIERED, day

ENDPOINT_KEYS = ["model", "provider", "endpoint", "source", "provider_name", "variant", "quantization"]
RATE_KEYS = ["meter", "unit", "usd", "dynamic", "min_prompt_tokens", "utc_start", "utc_end"]


def only(ran: Ran, **of: str) -> dict[str, Any]:
    """The one row that has these values."""
    assert ran.code == 0, ran.err
    (found,) = (row for row in ran.json() if all(row[key] == value for key, value in of.items()))
    assert isinstance(found, dict)
    return found


def test_a_price_as_json(filled: Verb) -> None:
    row = only(filled("price", HERMES), provider="openrouter")

    assert list(row) == [
        *ENDPOINT_KEYS,
        "valid_from",
        "valid_to",
        "recorded_at",
        "suspect",
        "context",
        "rates",
    ]
    assert [list(rate) for rate in row["rates"]] == [RATE_KEYS, RATE_KEYS]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", row.pop("recorded_at"))
    assert row == {
        "model": HERMES,
        "provider": "openrouter",
        "endpoint": f"openrouter:{HERMES}",
        "source": "openrouter",
        "provider_name": "OpenRouter",
        "variant": None,
        "quantization": None,
        "valid_from": "2026-01-02T12:00:00Z",
        "valid_to": None,
        "suspect": False,
        "context": 131_072,
        "rates": [
            dict(zip(RATE_KEYS, ("prompt", "token", "0.000001", False, 0, None, None), strict=True)),
            dict(zip(RATE_KEYS, ("completion", "token", "0.0000012", False, 0, None, None), strict=True)),
        ],
    }


def test_prices_of_the_same_model_at_other_providers(filled: Verb) -> None:
    rows = {row["provider"]: row for row in filled("price", "NousResearch/Hermes-4-405B").json()}

    assert {provider: [rate["usd"] for rate in row["rates"]] for provider, row in rows.items()} == {
        "openrouter": ["0.000001", "0.0000012"],
        "nebius": ["0.000001", "0.000003"],
        "chutes": ["0.0000003", "0.0000012"],
    }
    assert rows["chutes"]["quantization"] == "fp8"
    assert rows["nebius"]["quantization"] is None


def test_every_condition_and_every_digit_of_a_rate(filled: Verb) -> None:
    rates = only(filled("price", TIERED))["rates"]

    assert [tuple(rate.values()) for rate in rates] == [
        ("prompt", "token", EXACT, False, 0, None, None),
        ("prompt", "token", "0.0000002", False, 200_000, None, None),
        ("completion", "token", "0.0000005", False, 0, None, None),
        ("completion", "token", "0", False, 0, 1630, 30),
        ("web_search", "search", "0.01", False, 0, None, None),
    ]


def test_a_dynamic_price_is_no_zero(filled: Verb) -> None:
    rates = only(filled("price", "openrouter/auto"))["rates"]

    assert [(rate["usd"], rate["dynamic"]) for rate in rates] == [(None, True), (None, True)]
    assert "dynamic" in filled("price", "openrouter/auto", "--format", "table").out


def test_a_price_at_a_time(filled: Verb) -> None:
    before = only(filled("price", HERMES, "--provider", "openrouter", "--at", "2026-01-02T12:59:59+01:00"))
    after = only(filled("price", HERMES, "--provider", "openrouter", "--at", "2026-01-02T13:00:00+01:00"))

    assert [(row["valid_from"], row["valid_to"]) for row in (before, after)] == [
        ("2026-01-01T12:00:00Z", "2026-01-02T12:00:00Z"),
        ("2026-01-02T12:00:00Z", None),
    ]


def test_a_price_as_known_at_a_time(filled: Verb) -> None:
    ran = filled("price", HERMES, "--at", day(3), "--known-at", day(3))

    # All was learned by the replay, which is later.
    assert (ran.code, ran.json()) == (0, [])
    assert ran.err == f"No price of {HERMES} was in force then. `ratecard history {HERMES}` shows when there was one.\n"


def test_a_model_that_is_gone_has_a_history_and_no_price(filled: Verb) -> None:
    assert filled("price", "gone/model-1").json() == []

    rows = filled("history", "gone/model-1").json()
    assert {row["valid_to"] for row in rows} == {day(2)}


def test_a_history_as_json(filled: Verb) -> None:
    rows = filled("history", HERMES, "--provider", "openrouter", "--meter", "prompt").json()

    assert [list(row) for row in rows] == [[*ENDPOINT_KEYS, *RATE_KEYS, "valid_from", "valid_to", "suspect"]] * 2
    assert [(row["usd"], row["valid_from"], row["valid_to"]) for row in rows] == [
        ("0.0000003", day(1), day(2)),
        ("0.000001", day(2), None),
    ]


def test_a_history_is_cut_by_its_window_and_its_intervals_are_not(filled: Verb) -> None:
    def completion(*window: str) -> list[tuple[str, str | None]]:
        ran = filled("history", HERMES, "--provider", "openrouter", "--meter", "completion", *window)
        return [(row["valid_from"], row["valid_to"]) for row in ran.json()]

    # The prompt price changed on day 2; the completion price holds since day 1, whatever is asked for.
    assert completion() == [(day(1), None)]
    assert completion("--from", day(3)) == [(day(1), None)]
    assert completion("--to", "2026-01-02") == [(day(1), None)]
    assert completion("--to", "2026-01-01") == []

    prompt = filled("history", HERMES, "--provider", "openrouter", "--meter", "prompt", "--from", day(2)).json()
    assert [row["valid_from"] for row in prompt] == [day(2)]


def test_changes_as_json(filled: Verb) -> None:
    row = only(filled("changes", "--model", HERMES))

    assert row == {
        "at": day(2),
        **dict(
            zip(
                ENDPOINT_KEYS,
                (HERMES, "openrouter", f"openrouter:{HERMES}", "openrouter", "OpenRouter", None, None),
                strict=True,
            )
        ),
        "meter": "prompt",
        "old_usd": "0.0000003",
        "new_usd": "0.000001",
        "change_percent": "233.3333",
        "min_prompt_tokens": 0,
        "utc_start": None,
        "utc_end": None,
        "suspect": False,
    }


@pytest.mark.parametrize(
    ("window", "found"),
    [
        ((), 1),
        (("--from", day(2)), 1),
        (("--from", "2026-01-02T12:00:01Z"), 0),
        (("--to", day(2)), 0),
        (("--to", "2026-01-02T12:00:01Z"), 1),
        (("--from", "2026-01-02", "--to", "2026-01-03"), 1),
    ],
)
def test_changes_from_inclusive_to_exclusive(filled: Verb, window: tuple[str, ...], found: int) -> None:
    assert len(filled("changes", *window).json()) == found


def test_models_as_json(filled: Verb) -> None:
    rows = {row["model"]: row for row in filled("models").json()}

    assert list(rows) == sorted([HERMES, TIERED, "openrouter/auto"])
    assert rows[HERMES] == {
        "model": HERMES,
        "name": HERMES.title(),
        "prompt_usd": "0.000001",
        "completion_usd": "0.0000012",
        "dynamic": False,
        "context": 131_072,
        "input_modalities": ["text"],
        "output_modalities": ["text"],
        "providers": 3,
        "endpoints": 3,
        "source": "openrouter",
        "first_seen": day(1),
    }
    assert (rows["openrouter/auto"]["prompt_usd"], rows["openrouter/auto"]["dynamic"]) == (None, True)


def test_models_are_found_by_words_in_any_order(filled: Verb) -> None:
    assert [row["model"] for row in filled("models", "405B hermes").json()] == [HERMES]

    nothing = filled("models", "unheard-of")
    assert (nothing.code, nothing.json(), nothing.err) == (0, [], "No model matches 'unheard-of'.\n")


def test_a_model_card_as_json(filled: Verb) -> None:
    ran = filled("model", HERMES)
    card = ran.json()

    assert ran.code == 0
    assert list(card) == [
        "model",
        "name",
        "author",
        "at",
        "description",
        "specifications",
        "parameters",
        "features",
        "cost_tier",
        "endpoints",
        "disagreements",
        "benchmarks",
        "events",
        "other_models",
        "measured",
        "summary",
    ]
    assert {fact["name"]: fact["value"] for fact in card["specifications"]}["parameter_count"] == "405B"
    assert [(each["provider"], each["rule"]) for each in card["endpoints"]] == [
        ("openrouter", "reference id"),
        ("nebius", "same id"),
        ("chutes", "same id"),
    ]
    assert card["cost_tier"]["blended_usd"] == "0.00000105"


def test_a_model_card_as_a_table(filled: Verb) -> None:
    shown = filled("model", HERMES, "--format", "table").out

    assert "Nousresearch/Hermes-4-405B  (nousresearch/hermes-4-405b)" in shown
    assert re.search(r"nebius .* \$3\.00/M .* models_dev .* 2026-01-02 12:00", shown)
    assert re.search(r"chutes .* fp8 .* \$0\.30/M", shown)


def test_a_table_shows_prices_for_a_million_tokens(filled: Verb) -> None:
    shown = filled("price", TIERED, "--format", "table").out

    assert "$0.08333333333333334/M" in shown
    assert re.search(r"\$0\.20/M .* above 200,000 prompt tokens", shown)
    assert re.search(r"free .* 16:30–00:30 UTC", shown)
    assert "$0.01/search" in shown


def test_a_table_of_changes(filled: Verb) -> None:
    assert re.search(
        rf"2026-01-02 12:00 +{HERMES} +openrouter +Input +\$0\.30/M +\$1\.00/M +\+233\.3%",
        filled("changes", "--format", "table").out,
    )


def test_the_same_on_postgresql(
    ratecard: Verb, monkeypatch: pytest.MonkeyPatch, postgres_database: str, tmp_path: Path, isolated_environment: Path
) -> None:
    monkeypatch.setenv("RATECARD_DATABASE_URL", postgres_database)
    polls = [recordings.line(day(1), [model(HERMES, EXACT)]), recordings.line(day(2), [model(HERMES, "0.0000002")])]
    file = recordings.write(tmp_path / "polls.jsonl", polls)

    assert ratecard("replay", file).json()["loaded"] == 2
    assert ratecard("replay", file).json()["skipped"] == 2
    row = only(ratecard("changes"))
    assert (row["at"], row["old_usd"], row["new_usd"]) == (day(2), EXACT, "0.0000002")
    assert only(ratecard("price", HERMES, "--at", day(1)))["valid_to"] == day(2)
    assert ratecard("model", HERMES).code == 0
    assert ratecard("status").code == 1
    assert not isolated_environment.exists()
