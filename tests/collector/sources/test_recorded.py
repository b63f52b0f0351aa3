"""Bodies that the sources really sent: every price in them arrives, with the same digits."""

import gzip
import json
import lzma
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from collector.sources import models_dev, openrouter
from collector.sources.base import Memo, parse_json
from collector.sources.fields import clean_float
from db.prices.facts import Offer
from tests.collector.playing import offer_at, play

Json = dict[str, Any]
Condition = tuple[str, int, int | None, int | None]

MODELS = ["2024-09-21", "2025-03-07", "2025-10-05", "2026-01-06", "2026-08-22"]
ENDPOINTS = ["2025-05-22", "2025-05-24"]


def rates(offer: Offer) -> dict[Condition, Decimal | None]:
    return {rate.condition: rate.usd for rate in offer.rates}


def quoted(pricing: Json) -> dict[Condition, Decimal | None]:
    """The rates in an OpenRouter price, read in the plainest way."""
    found: dict[Condition, Decimal | None] = {}
    for layer in ({**pricing}, *pricing.get("overrides", ())):
        threshold = layer.pop("min_prompt_tokens", None)
        start, end = layer.pop("utc_start", None), layer.pop("utc_end", None)
        first = threshold or 0
        for meter, usd in layer.items():
            if meter not in ("overrides", "discount"):
                found[meter, first, start, end] = None if usd == "-1" else Decimal(usd)
    return found


@pytest.mark.parametrize("day", MODELS)
def test_every_price_on_openrouters_list_arrives(recorded: Path, day: str) -> None:
    body = gzip.decompress((recorded / "openrouter" / f"models_{day}.json.gz").read_bytes())
    snapshot = openrouter.read(parse_json(body, "the list"), Memo())

    assert snapshot.rejections == ()
    assert dict(snapshot.unknown_fields) == {}
    items = json.loads(body)["data"]
    assert snapshot.items == len(snapshot.offers) == len(items)
    for item in items:
        assert rates(offer_at(snapshot, item["id"].lower())) == quoted(item["pricing"]), item["id"]


@pytest.mark.parametrize("day", ENDPOINTS)
def test_every_price_of_openrouters_endpoints_arrives(recorded: Path, day: str) -> None:
    model = "google/gemini-2.5-pro-preview"
    body = (recorded / "openrouter" / f"endpoints_{model.replace('/', '__')}_{day}.json").read_bytes()
    listing = {"data": [{"id": model, "pricing": {"prompt": "0.00000125", "completion": "0.00001"}}]}
    snapshot = play(openrouter.SOURCE, lambda path: body if path != "/models" else json.dumps(listing).encode())

    assert snapshot.rejections == ()
    assert dict(snapshot.unknown_fields) == {}
    items = json.loads(body)["data"]["endpoints"]
    assert len(items) == len(snapshot.offers) - 1 > 1
    for item in items:
        name = item.get("tag") or item["name"].lower()
        assert rates(offer_at(snapshot, f"{model}@{name}")) == quoted(item["pricing"])


def test_every_price_of_the_last_models_dev_snapshot_arrives(recorded: Path) -> None:
    with lzma.open(recorded / "modelsdev" / "modelsdev_replay_weekly.jsonl.xz", "rb") as lines:
        *_, last = lines
    document = parse_json(last, "the snapshot")["data"]
    snapshot = models_dev.read(document, Memo())

    assert snapshot.rejections == ()
    assert snapshot.items == len(snapshot.offers) == 5_254
    offers = {offer.key: offer for offer in snapshot.offers}
    cleaned, dropped = [], Counter[str]()
    for provider, body in document.items():
        for model, item in body["models"].items():
            found = rates(offers[f"{provider}/{model}".lower()])
            cost = item.get("cost", {})
            tiers = cost.get("tiers", ())
            for first, layer in [(0, cost), *((tier["tier"]["size"], tier) for tier in tiers)]:
                for name, per_million in layer.items():
                    if name in ("tier", "tiers"):
                        continue
                    if name not in models_dev.METERS:
                        dropped[name] += 1
                        continue
                    amount = Decimal(per_million)
                    if amount != clean_float(amount):
                        cleaned.append(amount)
                    usd = found.pop((models_dev.METERS[name], first, None, None))
                    assert usd == clean_float(amount) / 1_000_000, (provider, model, name)
            assert found == {}, (provider, model)
    # What is no rate is known by name, and the artefacts of floats are really that.
    assert dropped == {"image": 2, "citation": 1, "request": 1}
    assert all(abs(amount - clean_float(amount)) < Decimal("1e-11") for amount in cleaned)
    assert len(set(cleaned)) == 36


def test_two_years_of_polls_hold_no_price_that_cannot_be_read(recorded: Path) -> None:
    file = recorded / "openrouter" / "models_replay_daily_2024-09_2026-08.jsonl.xz"
    memo, polls, reasons, unknown = Memo(), 0, Counter[str](), Counter[str]()
    with lzma.open(file, "rb") as lines:
        for line in lines:
            snapshot = openrouter.read(parse_json(line, "the poll")["data"], memo)
            polls += 1
            reasons.update(rejection.reason for rejection in snapshot.rejections)
            unknown.update(snapshot.unknown_fields)

    assert polls == 656
    assert dict(reasons) == {}
    assert dict(unknown) == {}


def test_a_year_of_models_dev_refuses_only_amounts_that_were_a_million_times_too_high(recorded: Path) -> None:
    memo = Memo()
    with lzma.open(recorded / "modelsdev" / "modelsdev_replay_weekly.jsonl.xz", "rb") as lines:
        documents = (parse_json(line, "the snapshot")["data"] for line in lines)
        refused = [models_dev.read(document, memo).rejections for document in documents]

    assert len(refused) == 56
    assert [len(rejections) for rejections in refused if rejections] == [19, 19]
    for rejection in (rejection for rejections in refused for rejection in rejections):
        assert (rejection.item or "").startswith("cloudflare-ai-gateway/workers-ai/")
        assert ": input is no plausible amount: '" in rejection.reason
