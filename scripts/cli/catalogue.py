"""The verbs that read the catalogue: models, model."""

from typing import Annotated, Any

import typer

from db.meters import COMPLETION, PROMPT
from scripts.cli import output
from scripts.cli.database import read_only
from scripts.cli.prices import KnownAt, Model, by_meter, condition, named

At = Annotated[str | None, typer.Option(help="As of this time. Default: now.", show_default=False)]


def models(
    text: Annotated[str | None, typer.Argument(help="Words in the id or name.", show_default=False)] = None,
    at: At = None,
    format_: output.FormatOption = None,
) -> None:
    """Search the catalogue. Prices are the lister's own, USD per single token.

    Example: ratecard models hermes
    """
    from db.prices.cards import catalogue
    from db.prices.rates import base_rate

    with read_only() as connection:
        entries = catalogue(connection, output.moment(at, "--at"))
    words = (text or "").lower().split()
    found = []
    for entry in entries:
        detail = entry.listing.detail
        if not all(word in f"{entry.model} {detail.name or ''}".lower() for word in words):
            continue
        rates = entry.price.rates if entry.price else ()
        prompt, completion = base_rate(rates, PROMPT), base_rate(rates, COMPLETION)
        found.append(
            {
                "model": entry.model,
                "name": detail.name or entry.model,
                "prompt_usd": prompt.usd if prompt else None,
                "completion_usd": completion.usd if completion else None,
                "dynamic": bool(prompt and prompt.usd is None),
                "context": detail.context_length,
                "input_modalities": list(detail.input_modalities or ()),
                "output_modalities": list(detail.output_modalities or ()),
                "providers": entry.providers,
                "endpoints": entry.endpoints,
                "source": entry.listing.endpoint.source,
                "first_seen": entry.first_seen,
            }
        )
    if output.chosen(format_) is output.Format.table:
        found = [row | _shown(row) for row in found]
    columns = {
        "model": "Model",
        "in": "Input",
        "out": "Output",
        "context": "Context (tokens)",
        "providers": "Providers",
        "input_modalities": "Takes",
        "first_seen": "First seen (UTC)",
    }
    nothing = f"No model matches {text!r}." if text else "The catalogue is empty. `ratecard poll` fills it."
    output.rows(found, format_, columns, nothing)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    def price(meter: str) -> str:
        usd = row[f"{meter}_usd"]
        return output.per_million(usd, meter) if usd is not None or row["dynamic"] else "not quoted"

    return {"in": price(PROMPT), "out": price(COMPLETION)}


def model(
    model_id: Model,
    at: At = None,
    known_at: KnownAt = None,
    format_: output.FormatOption = None,
) -> None:
    """The whole model card: specifications, features, prices, endpoints, what changed, other models by the author.

    Example: ratecard model nousresearch/hermes-4-405b
    """
    from db.prices.cards import card

    with read_only() as connection:
        found = card(connection, model_id, output.moment(at, "--at"), output.moment(known_at, "--known-at"))
    row = _card(found)
    if output.chosen(format_) is not output.Format.table:
        if output.chosen(format_) is output.Format.csv:
            output.rows(row["endpoints"], format_, {}, "No endpoint serves it at that time.")
        else:
            output.put(output.json_text(row))
        return
    _print_card(row)


def _card(card: Any) -> dict[str, Any]:
    return {
        "model": card.model,
        "name": card.name,
        "author": card.author,
        "at": card.at,
        "description": card.description,
        "specifications": [
            {"name": f.name, "value": f.value, "source": f.source, "since": f.since, "derived": f.derived}
            for f in card.specifications
        ],
        "parameters": list(card.parameters),
        "features": list(card.features),
        "cost_tier": (
            {
                "tier": card.cost_tier.tier,
                "percentile": card.cost_tier.percentile,
                "n": card.cost_tier.n,
                "cohort": card.cost_tier.cohort,
                "blended_usd": card.cost_tier.usd_per_token,
            }
            if card.cost_tier
            else None
        ),
        "endpoints": [_offered(each) for each in card.offered],
        "disagreements": [
            {
                "provider": d.provider,
                "variant": d.variant,
                "meter": d.meter,
                "quotes": [{"source": source, "usd": usd} for source, usd in d.quotes],
                "ratio": float(round(d.ratio, 4)) if d.ratio is not None else None,
            }
            for d in card.disagreements
        ],
        "benchmarks": dict(card.benchmarks),
        "events": [
            {"at": e.at, "endpoint": e.endpoint.name, "kind": e.kind, "old": e.old, "new": e.new} for e in card.events
        ],
        "other_models": [{"model": other, "name": name} for other, name in card.others],
        "measured": None,
        "summary": None,
    }


def _offered(each: Any) -> dict[str, Any]:
    detail = each.listing.detail
    rates = by_meter(each.price.rates) if each.price else []
    return {
        **named(each.endpoint),
        "rule": each.endpoint.rule,
        "context": detail.context_length,
        "max_completion_tokens": detail.max_completion_tokens,
        "parameters": list(detail.parameters or ()),
        "status": detail.status,
        "discount": detail.discount,
        "expires": detail.expires,
        "valid_from": each.price.valid_from if each.price else None,
        "suspect": bool(each.price and each.price.suspect),
        "rates": [
            {
                "meter": rate.meter,
                "usd": rate.usd,
                "dynamic": rate.usd is None,
                "min_prompt_tokens": rate.min_prompt_tokens,
                "utc_start": rate.utc_start,
                "utc_end": rate.utc_end,
            }
            for rate in rates
        ],
        "reported": (
            {
                "at": each.reported_at,
                "uptime_percent": {
                    "5m": each.reported.uptime_5m,
                    "30m": each.reported.uptime_30m,
                    "1d": each.reported.uptime_1d,
                },
                "latency_ms": dict(each.reported.latency_ms),
                "tokens_per_s": dict(each.reported.tokens_per_s),
            }
            if each.reported
            else None
        ),
    }


def _print_card(row: dict[str, Any]) -> None:
    output.put(f"{output.cell(row['name'])}  ({row['model']})\n")
    if row["description"]:
        output.put(f"{output.cell(row['description'])}\n")
    tier = row["cost_tier"]
    facts = [
        {"name": f["name"].replace("_", " "), **{k: f[k] for k in ("value", "derived", "source")}}
        for f in row["specifications"]
    ]
    if tier:
        value = f"{tier['tier']} (dearer than {tier['percentile']:g}% of {tier['n']} {tier['cohort']})"
        facts.insert(0, {"name": "cost tier", "value": value, "derived": "3:1 blend", "source": None})
    output.table(facts, {"name": "Specification", "value": "", "derived": "Derived", "source": "Source"})
    output.put(f"Features: {output.cell(row['features']) or 'none said'}")
    output.put(f"Parameters: {output.cell(row['parameters']) or 'none said'}\n")
    prices = [
        {
            **endpoint,
            "meter": rate["meter"],
            "price": output.per_million(rate["usd"], rate["meter"]),
            "condition": condition(rate["min_prompt_tokens"], rate["utc_start"], rate["utc_end"]),
        }
        for endpoint in row["endpoints"]
        for rate in endpoint["rates"]
    ]
    columns = {
        "provider": "Provider",
        "variant": "Variant",
        "quantization": "Quantization",
        "context": "Context",
        "meter": "Meter",
        "price": "Price",
        "condition": "Condition",
        "source": "Source",
        "valid_from": "Since (UTC)",
    }
    output.table(prices, columns)
    output.put("Speed, reliability, ability: no data yet.")
    if row["other_models"]:
        output.put(f"Other models by the author: {output.cell([other['model'] for other in row['other_models']])}")
