"""The verb that compares endpoints."""

import json
import lzma
import re
from pathlib import Path
from typing import Any

import pytest

from collector.history import from_files, replay
from collector.sources import SOURCES
from db.engine import migrate, open_engine
from tests.collector.bodies import model
from tests.scripts import recordings
from tests.scripts.conftest import Verb

MIDNIGHT = "2026-01-01T00:00:00Z"
HERMES = "nousresearch/hermes-4-405b"
OPENROUTER = "openrouter/models_replay_daily_2024-09_2026-08.jsonl.xz"
MODELS_DEV = "modelsdev/modelsdev_replay_weekly.jsonl.xz"


@pytest.fixture
def sold(ratecard: Verb, tmp_path: Path) -> Verb:
    """A database with a model at its lister and at two sellers."""
    cheap = recordings.provider("Chutes", {"acme/atlas-1": recordings.sold(0.5, 1, 40_960)})
    dear = recordings.provider("Nebius", {"acme/atlas-1": recordings.sold(2, 4)})
    lines = [
        recordings.line(MIDNIGHT, [model("acme/atlas-1")]),
        recordings.line(MIDNIGHT, {"chutes": cheap, "nebius": dear}, "models_dev"),
    ]
    assert ratecard("replay", recordings.write(tmp_path / "polls.jsonl", lines)).code == 0
    return ratecard


def test_endpoints_side_by_side(sold: Verb) -> None:
    ran = sold("compare", "acme/atlas-1", "--mix", "3:1")

    assert ran.code == 0
    cheap, own, dear = ran.json()
    assert [row["provider"] for row in (cheap, own, dear)] == ["chutes", "openrouter", "nebius"]
    assert [row["effective_usd_per_mtok"] for row in (cheap, own, dear)] == ["0.625", "1.25", "2.5"]
    assert {
        "model",
        "provider",
        "endpoint",
        "source",
        "effective_usd_per_mtok",
        "ttft_ms",
        "tokens_per_s",
        "uptime_percent",
        "context",
        "quantization",
        "lost_parameters",
        "dominated_by",
        "measures",
        "switch",
    } <= cheap.keys()
    assert cheap["measures"] == {"ttft_ms": None, "tokens_per_s": None, "uptime_percent": None}
    assert (cheap["ttft_ms"], cheap["context"], cheap["mix"]) == (None, 40_960, "3:1")
    assert own["dominated_by"] is None
    assert (cheap["switch"]["from"], cheap["switch"]["change_percent"]) == ("openrouter:acme/atlas-1", "-50.0")
    assert (own["switch"]["change_percent"], dear["switch"]["change_percent"]) == ("0.0", "100.0")
    assert cheap["switch"]["context"] == 40_960 - 131_072


@pytest.mark.parametrize("used", ["nebius", "Nebius"])
def test_a_switch_from_what_is_used_now(sold: Verb, used: str) -> None:
    rows = {row["provider"]: row for row in sold("compare", "acme/atlas-1", "--from", used).json()}

    assert rows["chutes"]["switch"]["change_percent"] == "-75.0"
    assert rows["chutes"]["switch"]["saving_usd_per_mtok"] == "1.875"
    assert rows["nebius"]["switch"]["saving_usd_per_mtok"] == "0"


def test_a_switch_from_nowhere_gets_one_sentence(sold: Verb) -> None:
    ran = sold("compare", "acme/atlas-1", "--from", "acme")

    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "ratecard: No endpoint or provider 'acme' serves it then. There are: chutes, openrouter, nebius.\n"
    )


@pytest.mark.parametrize(
    ("mix", "why"),
    [
        ("3", "--mix is no mix: '3'. Write prompt:completion, such as 3:1."),
        ("0:0", "--mix is no mix: '0:0'. Both shares are from 0 to a million, and not both zero."),
        (
            "mine",
            (
                "--mix mine needs your usage of acme/atlas-1, and none is imported: `ratecard usage import FILE` reads "
                "a log. Or write a mix such as 3:1."
            ),
        ),
    ],
)
def test_a_mix_that_is_none_gets_one_sentence(sold: Verb, mix: str, why: str) -> None:
    ran = sold("compare", "acme/atlas-1", "--mix", mix)

    assert (ran.code, ran.out, ran.err) == (2, "", f"ratecard: {why}\n")


def test_a_part_from_cache_names_what_it_assumes(sold: Verb) -> None:
    row = sold("compare", "acme/atlas-1", "--cached", "0.5").json()[0]

    assert (row["mix"], row["assumed"]) == ("3:1, 50% cached", ["input_cache_read billed as prompt"])


def test_before_the_first_price_there_is_nothing_to_compare(sold: Verb) -> None:
    ran = sold("compare", "acme/atlas-1", "--at", "2025-01-01")

    assert (ran.code, ran.json()) == (0, [])
    assert ran.err == "No endpoint serves acme/atlas-1 at that time.\n"


def test_a_table_says_what_is_missing(sold: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "240")

    ran = sold("compare", "acme/atlas-1", "--format", "table")

    assert "no data" in ran.out
    assert "-50%" in ran.out
    assert ran.err == "Switch: the change in price from openrouter (openrouter:acme/atlas-1).\n"


SEEN = re.compile(r'"observed_at": ?"(2025-12-3|2026-01-0[1-6])')
"""In the week before the prices of interest."""


@pytest.fixture
def first_week_of_2026(recorded: Path, tmp_path: Path, isolated_environment: Path) -> None:
    """What both sources said of one model then."""
    engine = open_engine(f"sqlite:///{isolated_environment / 'ratecard.db'}")
    migrate(engine)
    for source, name, of_model in (("openrouter", OPENROUTER, hermes), ("models_dev", MODELS_DEV, providers_of_hermes)):
        with lzma.open(recorded / name, "rt", encoding="utf-8") as lines:
            polls = [json.loads(line) for line in lines if SEEN.search(line)]
        thinned = [recordings.line(poll["observed_at"], of_model(poll["data"]), source) for poll in polls]
        file = recordings.write(tmp_path / f"{source}.jsonl", thinned)
        assert replay(engine, from_files([file]), SOURCES[source]).loaded == len(polls) > 0
    engine.dispose()


def hermes(listed: Any) -> Any:
    return [each for each in listed if each["id"].startswith(HERMES)]


def providers_of_hermes(providers: Any) -> Any:
    return {name: each for name, each in providers.items() if any("ermes-4-405" in model for model in each["models"])}


@pytest.mark.usefixtures("first_week_of_2026")
def test_what_was_recorded_at_the_start_of_2026(ratecard: Verb) -> None:
    ran = ratecard("compare", HERMES, "--mix", "3:1", "--at", "2026-01-06T18:00:00Z", "--from", "nebius")

    assert ran.code == 0
    rows = {(row["provider"], row["variant"]): row for row in ran.json() if row["source"] == "models_dev"}
    nebius, chutes = rows["nebius", None], rows["chutes", None]
    assert (nebius["effective_usd_per_mtok"], chutes["effective_usd_per_mtok"]) == ("1.5", "0.525")
    assert chutes["switch"]["change_percent"] == "-65.0"
    assert chutes["switch"]["saving_usd_per_mtok"] == "0.975"
    # One is known to be fp8, of the other nothing is known: no verdict.
    assert (nebius["dominated_by"], chutes["quantization"]) == (None, "fp8")
