"""The parts of a model card that are not about money."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from dashboard import controls, markup
from dashboard import format as fmt
from dashboard.charts.series import endpoint_label
from dashboard.markup import Column, Html, Text
from db import meters
from db.catalog.facts import Event
from db.prices.modelcard import Card, Fact
from db.prices.rates import base_rate

LONG_TEXT = 600
MOST_EVENTS = 10
MOST_OTHERS = 60
MOST_BENCHMARKS = 40

NAMES = {
    "parameter_count": "Parameters",
    "context_length": "Context",
    "max_completion_tokens": "Longest output",
    "input_modalities": "Input",
    "output_modalities": "Output",
    "released": "Released",
    "created": "Listed",
    "knowledge_cutoff": "Knowledge cutoff",
    "expires": "Expires",
    "tokenizer": "Tokenizer",
    "open_weights": "Open weights",
    "hugging_face_id": "Hugging Face",
    "moderated": "Moderated",
    "alias_of": "Alias of",
}


def headline(card: Card) -> Html:
    """The figures that a reader looks for first."""
    offered = card.headline
    price = offered.price if offered else None
    where = f"{endpoint_label(price.endpoint)}, since {fmt.day(price.valid_from)}" if price else "no source quotes one"
    entries: list[tuple[Text, Text, Text, Text]] = []
    for meter in (meters.PROMPT, meters.COMPLETION):
        rate = base_rate(price.rates, meter) if price else None
        shown = markup.span(fmt.rate(rate), "", fmt.exact(meter, rate.usd) if rate else "")
        unit = "per 1M tokens" if rate is not None and rate.usd else ""
        entries.append((f"{meters.label(meter)} price", shown, unit, where))
    entries.append(_cost_tier(card))
    context = next((fact for fact in card.specifications if fact.name == "context_length"), None)
    told = f"{_source(context)}" if context else "no source says"
    length = fmt.count(context.value) if context else fmt.UNKNOWN
    entries.append(("Context", length, "tokens" if context else "", told))
    providers = {o.endpoint.provider for o in card.offered if not o.endpoint.is_headline}
    sources = ", ".join(fmt.source(name) for name in dict.fromkeys(o.endpoint.source for o in card.offered))
    told = f"{fmt.plural(len(card.offered), 'quote')} by {sources}" if sources else "nobody offers it at this time"
    entries.append(("Providers", fmt.count(len(providers)) if providers else "none named", "", told))
    return markup.cards(entries)


def _cost_tier(card: Card) -> tuple[Text, Text, Text, Text]:
    tier = card.cost_tier
    if tier is None:
        return "Cost tier", fmt.UNKNOWN, "", "there is no price to rank"
    if tier.tier == "free":
        return "Cost tier", "free", "", f"{fmt.count(tier.n)} models that cost something are dearer"
    blended = fmt.money(tier.usd_per_token * fmt.MILLION)
    told = f"{tier.percentile:g}% of {fmt.count(tier.n)} {tier.cohort} are cheaper, at 3 input to 1 output tokens"
    return "Cost tier", tier.tier, f"{blended} blended", told


def description(card: Card) -> Html:
    """The author's own words, as inert text."""
    title = markup.heading("What its author says", first=True)
    if not card.description:
        return markup.join([title, markup.note("No source carries a description of this model.")])
    text = card.description.strip()
    if len(text) <= LONG_TEXT:
        return markup.join([title, markup.paragraph(text, "prose")])
    start = text[:LONG_TEXT].rsplit(" ", 1)[0]
    rest = f"<details><summary>Read on</summary>{markup.html(text[len(start) :].lstrip())}</details>"
    return markup.join([title, markup.paragraph(markup.join([start, " …", Html(rest)]), "prose")])


def specifications(card: Card) -> Html:
    """The key specifications, each with who says so and since when."""
    rows: list[list[Text]] = [
        [markup.span(NAMES.get(fact.name, fact.name), "nowrap"), _value(fact), _told(fact)]
        for fact in card.specifications
    ]
    title = markup.heading("Key specifications")
    if not rows:
        return markup.join([title, markup.note("No source says anything of this model besides its price.")])
    columns = [Column("Specification"), Column("Value"), Column("Who says so, since when")]
    return markup.join([title, markup.table(columns, rows, "Key specifications")])


def abilities(card: Card) -> Html:
    """What it can do and which request parameters it takes."""
    return markup.join(
        [
            markup.heading("Features", "of at least one endpoint"),
            _tags(card.features, "No source names a feature."),
            markup.heading("Supported parameters", "of at least one endpoint"),
            _tags(card.parameters, "No source lists parameters."),
        ]
    )


def _tags(names: tuple[str, ...], otherwise: str) -> Html:
    return markup.paragraph(markup.tags(names)) if names else markup.note(otherwise)


def _value(fact: Fact) -> str:
    value = fact.value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{fmt.count(value)} tokens"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if fact.name in ("released", "created", "knowledge_cutoff", "expires"):
        return fmt.partial_day(str(value))
    return str(value)


def _told(fact: Fact) -> Html:
    if fact.derived:
        return markup.span(f"derived {fact.derived}", "mute small")
    since = f" {fmt.day(fact.since)}" if fact.since else ""
    told = fmt.instant(fact.since) if fact.since else ""
    return markup.span(f"{_source(fact)}{since}", "mute small nowrap", f"{fact.source}, since {told}")


def _source(fact: Fact) -> str:
    return fmt.source(fact.source.partition(":")[0])


def not_yet(card: Card, measured: frozenset[str] = frozenset()) -> Html:
    """The places of what is not gathered yet, with what will fill them; those that are `measured` are filled."""
    reported = any(offered.reported for offered in card.offered)
    elsewhere = " What sources report stands in the table of endpoints." if reported else ""
    entries = [
        ("Speed", f"Time to first token and tokens per second need timed probes of the endpoints.{elsewhere}"),
        ("Reliability", f"Uptime and error rates need probes over days.{elsewhere}"),
        ("Ability", "A percentile among comparable models needs published benchmark results."),
        ("Written summary", "It is put together from measured price, speed, reliability and ability."),
    ]
    body = "".join(
        f'<div class="card"><div class="label">{markup.html(name)}</div><div>No data yet</div>'
        f'<div class="small mute">{markup.html(told)}</div></div>'
        for name, told in entries
        if name not in measured
    )
    title = markup.heading("Ability and summary" if measured else "Speed, reliability, ability")
    return markup.join([title, Html(f'<div class="rc"><div class="cards">{body}</div></div>')])


def benchmarks(card: Card) -> Html:
    """Benchmark results as their source gave them."""
    title = markup.heading("Benchmark results", "reported by the source, not verified here")
    rows: list[list[Text]] = []
    for endpoint, results in card.benchmarks.items():
        source = fmt.source(endpoint.partition(":")[0])
        rows += [row for name, value in _leaves(results) if (row := [name, value, source]) not in rows]
    if not rows:
        return markup.join([title, markup.note("No data yet: no source gave benchmark results for this model.")])
    columns = [Column("Benchmark"), Column("Result", True), Column("Reported by")]
    return markup.join([title, markup.table(columns, rows[:MOST_BENCHMARKS], "Benchmark results")])


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Every single value in a JSON body, with the names on the way to it."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, str(name).replace("_", " ")))
    elif isinstance(value, list):
        for number, inner in enumerate(value, 1):
            if isinstance(inner, Mapping) and not any(isinstance(part, list | Mapping) for part in inner.values()):
                names = [part for part in inner.values() if isinstance(part, str)]
                yield " › ".join([*path, *(names or [str(number)])]), _figures(inner)
            else:
                yield from _leaves(inner, (*path, str(number)))
    elif value is not None and not isinstance(value, bool):
        yield " › ".join(path), _figure(value)


def _figures(item: Mapping[str, Any]) -> str:
    """The numbers of one result on one line."""
    numbers = {name: value for name, value in item.items() if isinstance(value, int | float)}
    return ", ".join(f"{name.replace('_', ' ')} {_figure(value)}" for name, value in numbers.items())


def _figure(value: Any) -> str:
    return f"{value:,.10g}" if isinstance(value, int | float) else str(value)


def events(card: Card) -> Html:
    """What changed besides prices, newest first."""
    title = markup.heading("What changed", "besides prices")
    if not card.events:
        return markup.join([title, markup.note("Nothing changed while it was watched.")])
    rows = [_event_row(event) for event in reversed(card.events)]
    columns = [Column("When"), Column("Endpoint"), Column("What"), Column("Was"), Column("Is")]
    parts: list[Text] = [title, markup.table(columns, rows[:MOST_EVENTS], "What changed")]
    if len(rows) > MOST_EVENTS:
        older = markup.table(columns, rows[MOST_EVENTS:], "What changed earlier")
        summary = f"{fmt.plural(len(rows) - MOST_EVENTS, 'earlier change')}"
        parts.append(Html(f'<div class="rc"><details><summary>{summary}</summary>{older}</details></div>'))
    return markup.join(parts)


def _event_row(event: Event) -> list[Text]:
    when = markup.span(fmt.day(event.at), "nowrap", fmt.instant(event.at))
    where = markup.two_lines(endpoint_label(event.endpoint), fmt.source(event.endpoint.source))
    if event.kind in ("added", "removed", "returned"):
        kind = {"added": "good", "returned": "good", "removed": "warn"}[event.kind]
        return [when, where, markup.span(event.kind, kind), "", ""]
    what = NAMES.get(event.kind, event.kind.replace("_", " ").capitalize())
    old, new = event.old, event.new
    if isinstance(old, tuple) and isinstance(new, tuple):
        gone, come = [x for x in old if x not in new], [x for x in new if x not in old]
        return [
            when,
            where,
            what,
            _short(f"without {', '.join(map(str, gone))}" if gone else ""),
            _short(f"with {', '.join(map(str, come))}" if come else ""),
        ]
    return [when, where, what, _short(old), _short(new)]


def _plainly(value: Any) -> str:
    """A JSON value in words."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return fmt.count(value)
        case Mapping():
            return ", ".join(f"{str(name).replace('_', ' ')}: {_plainly(inner)}" for name, inner in value.items())
        case list() | tuple():
            return ", ".join(map(_plainly, value))
        case _:
            return str(value)


def _short(value: Any) -> Text:
    if value is None:
        return markup.span("not told", "unknown")
    text = _plainly(value)
    return text if len(text) <= 80 else markup.span(f"{text[:77]}…", "", text[:2000])


def others(card: Card, asof: date | None) -> Html:
    """Other models by the same author."""
    title = markup.heading(f"Other models by {card.author}")
    if not card.others:
        return markup.join([title, markup.note("None at this time.")])
    links = [controls.model_link(model, name, asof) for model, name in card.others[:MOST_OTHERS]]
    more = len(card.others) - len(links)
    rest = markup.span(f"and {fmt.count(more)} more", "mute") if more > 0 else Html("")
    return markup.join([title, markup.paragraph(markup.join([markup.tags(links), rest]))])
