"""The verbs that read: what they print is a contract."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest

from tests.collector.bodies import model
from tests.scripts import recordings
from tests.scripts.conftest import Ran, Verb

HERMES = "nousresearch/hermes-4-405b"
TIERED = "author/tiered-1"
EXACT = "0.00000008333333333333334"

ENDPOINT_KEYS = ["model", "provider", "endpoint", "source", "provider_name", "variant", "quantization"]
RATE_KEYS = ["meter", "unit", "usd", "dynamic", "min_prompt_tokens", "utc_start", "utc_end"]


def day(number: int) -> str:
    return f"2026-01-{number:02}T12:00:00Z"


@pytest.fixture
def filled(ratecard: Verb, tmp_path: Path) -> Verb:
    """A database with a few polls of two sources in it."""
    tiered_price = {
        "prompt": EXACT,
        "completion": "0.0000005",
        "web_search": "0.01",
        "overrides": [
            {"min_prompt_tokens": 200_000, "prompt": "0.0000002"},
            {"utc_start": 1630, "utc_end": 30, "completion": "0"},
        ],
    }
    tiered = model(TIERED, pricing=tiered_price)
    auto = model("openrouter/auto", "-1", "-1")
    first = [model(HERMES, "0.0000003", "0.0000012"), tiered, auto, model("gone/model-1")]
    second = [model(HERMES, "0.000001", "0.0000012"), tiered, auto]
    polls = [recordings.line(day(1), first), *(recordings.line(day(number), second) for number in (2, 3, 4))]
    sellers = {
        "nebius": recordings.provider("Nebius", {"NousResearch/Hermes-4-405B": recordings.sold(1, 3)}),
        "chutes": recordings.provider("Chutes", {"NousResearch/Hermes-4-405B-FP8": recordings.sold(0.3, 1.2)}),
    }
    polls.append(recordings.line(day(2), sellers, "models_dev"))
    ran = ratecard("replay", recordings.write(tmp_path / "polls.jsonl", polls))
    assert ran.code == 0, ran.err
    return ratecard


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


def test_csv_has_the_same_values(filled: Verb) -> None:
    ran = filled("price", TIERED, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(ran.out)))

    assert [(row["meter"], row["usd"], row["min_prompt_tokens"], row["utc_start"]) for row in rows] == [
        ("prompt", EXACT, "0", ""),
        ("prompt", "0.0000002", "200000", ""),
        ("completion", "0.0000005", "0", ""),
        ("completion", "0", "0", "1630"),
        ("web_search", "0.01", "0", ""),
    ]
    assert {row["valid_from"] for row in rows} == {day(1)}


def test_no_amount_is_written_with_an_exponent(filled: Verb) -> None:
    for verb in (("models",), ("model", TIERED), ("price", TIERED), ("history", TIERED), ("changes",)):
        for format_ in ("json", "csv", "table"):
            assert not re.search(r"\dE[+-]?\d", filled(*verb, "--format", format_).out), (verb, format_)


HOSTILE = "\x1b[31mRed\x1b]0;owned\x07 \x9b31m \x7f \u202egnp \u2028 \x00 \r\n =cmd"


@pytest.fixture
def hostile(ratecard: Verb, tmp_path: Path) -> Verb:
    """A database of third parties who write what they like into every field that is text."""
    bad = model(
        "evil/model-1",
        name=HOSTILE,
        description=HOSTILE,
        supported_parameters=[HOSTILE],
        architecture={"input_modalities": [HOSTILE], "output_modalities": [HOSTILE], "tokenizer": HOSTILE},
        expiration_date="2026-12-31",
        surprise={HOSTILE: HOSTILE},
        benchmarks={HOSTILE: HOSTILE},
    )
    seller = recordings.provider(HOSTILE, {"evil/model-1": recordings.sold(1, 2, name='=HYPERLINK("http://x")')})
    evil = recordings.provider('=HYPERLINK("http://x"),"a"', {"evil/model-1": recordings.sold(3, 4)})
    dash = recordings.provider("-2+3", {"evil/model-1": recordings.sold(5, 6)})
    sellers = {"seller": seller, "evil": evil, "dash": dash}
    polls = [
        recordings.line(day(1), [bad]),
        recordings.line(day(2), [bad | {"name": f"{HOSTILE}!", "pricing": {"prompt": "0.1", "completion": "0.1"}}]),
        recordings.line(day(2), sellers, "models_dev"),
        recordings.line(day(3), [bad | {"id": HOSTILE}]),
        recordings.line(HOSTILE, [bad]),
        recordings.line(day(4), [bad], HOSTILE),
    ]
    ran = ratecard("replay", recordings.write(tmp_path / "polls.jsonl", polls))
    assert harmless(ran)
    assert ran.code == 2
    return ratecard


def harmless(ran: Ran) -> bool:
    """Whether nothing in the output can steer a terminal, hide text, or break a line."""
    return all(c.isprintable() or c == "\n" for c in ran.out + ran.err)


@pytest.mark.parametrize("format_", ["json", "csv", "table"])
@pytest.mark.parametrize(
    "verb",
    [("models",), ("model", "evil/model-1"), ("price", "evil/model-1"), ("history", "evil/model-1"), ("changes",),
     ("status",), ("model", HOSTILE), ("price", "evil/model-1", "--at", HOSTILE), ("alias",)],
    ids=lambda verb: verb[0],
)  # fmt: skip
def test_third_party_text_cannot_steer_a_terminal(hostile: Verb, verb: tuple[str, ...], format_: str) -> None:
    assert harmless(hostile(*verb, "--format", format_))


def test_third_party_text_is_whole_in_json(hostile: Verb) -> None:
    (row,) = hostile("models").json()

    assert row["name"] == f"{HOSTILE}!".replace("\x00", "\ufffd")


def test_a_spreadsheet_finds_no_formula_in_a_cell(hostile: Verb) -> None:
    rows = list(csv.DictReader(io.StringIO(hostile("price", "evil/model-1", "--format", "csv").out)))

    names = {row["provider"]: row["provider_name"] for row in rows}
    assert names["evil"] == """'=HYPERLINK("http://x"),"a\""""
    assert names["dash"] == "'-2+3"
    assert not [cell for row in rows for cell in row.values() if cell.lstrip()[:1] in {"=", "+", "-", "@"} and cell]


def test_a_negative_number_stays_a_number_in_csv(filled: Verb, tmp_path: Path) -> None:
    cheaper = recordings.line(day(5), [model(HERMES, "0.0000005", "0.0000012"), model(TIERED), model("a/b-1")])
    filled("replay", recordings.write(tmp_path / "cheaper.jsonl", [cheaper]))

    (row,) = csv.DictReader(io.StringIO(filled("changes", "--model", HERMES, "--from", day(5), "--format", "csv").out))
    assert row["change_percent"] == "-50.0"


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
