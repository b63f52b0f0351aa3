"""The parts of a model card that are about money: what is charged, where, and who says otherwise."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from dashboard import format as fmt
from dashboard import markup
from dashboard.charts.series import endpoint_label
from dashboard.markup import Column, Html, Text
from db import meters
from db.catalog.facts import Endpoint
from db.prices.facts import Price, Rate, Step
from db.prices.modelcard import SOURCE_ORDER, Card, Offered
from db.prices.rates import base_rate

Sameness = tuple[str, str | None, str | None]

_STATUS = {0: "up", -1: "degraded", -2: "degraded", -3: "degraded", -5: "down", -10: "withdrawn"}


def same(endpoint: Endpoint) -> Sameness:
    """What two sources that tell of one endpoint agree in."""
    return endpoint.provider, endpoint.variant, endpoint.quantization


def trust(endpoint: Endpoint) -> int:
    """Whose word counts first: the smaller, the earlier."""
    return SOURCE_ORDER.index(endpoint.source) if endpoint.source in SOURCE_ORDER else len(SOURCE_ORDER)


def preferred(steps: Iterable[Step]) -> list[Step]:
    """The steps of each endpoint from one source only: the one whose word counts first."""
    steps = list(steps)
    best: dict[Sameness, int] = {}
    for step in steps:
        rank = trust(step.endpoint)
        best[same(step.endpoint)] = min(rank, best.get(same(step.endpoint), rank))
    return [step for step in steps if trust(step.endpoint) == best[same(step.endpoint)]]


def current(card: Card) -> Html:
    """Every meter of the headline price, with the conditions that it holds under."""
    offered = card.headline
    if offered is None or offered.price is None:
        return markup.join([markup.heading("Prices in force"), markup.note("No source quotes a price for this model.")])
    price = offered.price
    rates = sorted(price.rates, key=lambda rate: (meters.order(rate.meter), not rate.is_base))
    source, since = fmt.source(price.endpoint.source), fmt.day(price.valid_from)
    where = f"{endpoint_label(price.endpoint)}, quoted by {source} since {since}"
    table = markup.table(
        [Column("Meter"), Column("US$", True), Column("Per"), Column("When")],
        [_rate_row(rate) for rate in rates],
        "Prices in force",
    )
    detail = offered.listing.detail if offered.listing else None
    below = []
    if detail and detail.discount:
        below.append(f"These rates already contain a discount of {fmt.share(detail.discount)}.")
    if price.suspect:
        below.append("This price is far from the one before it: suspect until a second poll repeats it.")
    if any(rate.meter == "internal_reasoning" and rate.usd == 0 for rate in rates):
        below.append("Reasoning tokens are billed as output: the source quotes no rate of their own.")
    return markup.join(
        [markup.heading("Prices in force", where), table, *(markup.paragraph(text, "small mute") for text in below)]
    )


def _rate_row(rate: Rate) -> list[Text]:
    is_billed_as_output = rate.meter == "internal_reasoning" and rate.usd == 0
    value = "as output" if is_billed_as_output else fmt.rate(rate)
    when = fmt.condition(rate.min_prompt_tokens, rate.utc_start, rate.utc_end) or "always"
    return [
        meters.label(rate.meter),
        markup.span(value, "", fmt.exact(rate.meter, rate.usd)),
        fmt.per(rate.meter),
        when,
    ]


def endpoints(card: Card, now: datetime) -> Html:
    """Where the model can be had: one line an endpoint, the cheapest input first."""
    groups: dict[Sameness, list[Offered]] = {}
    for offered in card.offered:
        groups.setdefault(same(offered.endpoint), []).append(offered)
    lines = [sorted(group, key=lambda offered: trust(offered.endpoint)) for group in groups.values()]
    lines.sort(key=lambda group: _cheapness(group[0]))
    title = markup.heading(
        "Available endpoints",
        f"{fmt.plural(len(lines), 'endpoint')}, prices in US$ per 1M tokens, cheapest input first",
    )
    if not lines:
        return markup.join([title, markup.note("No endpoint offers this model at this time.")])
    columns = [
        Column("Provider"),
        Column("Variant"),
        Column("Context, tokens", True),
        Column("Input", True),
        Column("Output", True),
        Column("Cache read", True),
        Column("Cache write", True),
        Column("Status", help="reported by the source"),
        Column("Latency p50", True, "milliseconds to the first token, reported by the source"),
        Column("Uptime 1 day", True, "percent, reported by the source"),
        Column("Source"),
        Column("Price since", True),
    ]
    table = markup.table(columns, [_endpoint_row(group, now) for group in lines], "Available endpoints")
    told = "Status, latency and uptime are reported by the source, not measured here."
    return markup.join([title, table, markup.paragraph(told, "small mute")])


def _cheapness(offered: Offered) -> tuple[object, ...]:
    rate = base_rate(offered.price.rates, meters.PROMPT) if offered.price else None
    is_known = rate is not None and rate.usd is not None
    return not is_known, rate.usd if rate is not None and is_known else 0, offered.endpoint.provider


def _endpoint_row(group: Sequence[Offered], now: datetime) -> list[Text]:
    offered = group[0]
    endpoint, price = offered.endpoint, offered.price
    detail = offered.listing.detail if offered.listing else None
    other = [fmt.source(each.endpoint.source) for each in group[1:]]
    kinds = [endpoint.quantization or "", f":{endpoint.variant}" if endpoint.variant else ""]
    return [
        markup.two_lines(endpoint.provider_name, endpoint.key),
        markup.tags(filter(None, kinds)),
        fmt.count(detail.context_length) if detail and detail.context_length else _unknown(),
        *(
            rate_cell(price, meter)
            for meter in (meters.PROMPT, meters.COMPLETION, "input_cache_read", "input_cache_write")
        ),
        status(detail.status if detail else None),
        *(_with_age(figure, offered.reported_at, now) for figure in (_latency(offered), _uptime(offered))),
        markup.two_lines(fmt.source(endpoint.source), f"also {', '.join(dict.fromkeys(other))}" if other else ""),
        markup.span(fmt.day(price.valid_from), "", fmt.instant(price.valid_from)) if price else _unknown(),
    ]


def _unknown() -> Html:
    return markup.span("unknown", "unknown")


def rate_cell(price: Price | None, meter: str) -> Html:
    """A base rate, with the exact value in the tooltip and a mark where other conditions change it."""
    rate = base_rate(price.rates, meter) if price else None
    if price is None or rate is None:
        return markup.span(fmt.NOT_QUOTED, "unknown")
    others = [each for each in price.rates if each.meter == meter and not each.is_base]
    if not others:
        return markup.span(fmt.rate(rate), "", fmt.exact(meter, rate.usd))
    low_high = [fmt.amount(meter, each.usd) for each in others]
    told = "; ".join(
        f"{fmt.condition(each.min_prompt_tokens, each.utc_start, each.utc_end)}: {fmt.exact(meter, each.usd)}"
        for each in others
    )
    shown = markup.span(fmt.rate(rate), "", fmt.exact(meter, rate.usd))
    return markup.two_lines(shown, markup.span(f"or {', '.join(dict.fromkeys(low_high))}", "", told))


def status(code: int | None) -> Html:
    """A source's status code in words."""
    if code is None:
        return markup.span("not told", "unknown")
    word = _STATUS.get(code, "unwell")
    return markup.span(word, "good" if code == 0 else "warn", f"status {code}, reported by the source")


def _latency(offered: Offered) -> Html | None:
    percentiles = dict(offered.reported.latency_ms) if offered.reported else {}
    if (value := percentiles.get("p50")) is None:
        return None
    told = ", ".join(f"{name} {figure:,.0f} ms" for name, figure in percentiles.items())
    return markup.span(f"{value:,.0f} ms", "", f"reported by the source: {told}")


def _uptime(offered: Offered) -> Html | None:
    if offered.reported is None or offered.reported.uptime_1d is None:
        return None
    return markup.span(f"{offered.reported.uptime_1d:.2f}%", "", "reported by the source, over one day")


def _with_age(figure: Html | None, at: datetime | None, now: datetime) -> Html:
    if figure is None:
        return markup.span("no data", "unknown")
    return markup.two_lines(figure, markup.span(fmt.ago(at, now), "", f"reported: {fmt.instant(at)}") if at else "")


def disagreements(card: Card) -> Html:
    """Where sources quote different rates for one endpoint."""
    title = markup.heading("Where sources disagree", "US$ per 1M tokens")
    if not card.disagreements:
        several = len({offered.endpoint.source for offered in card.offered}) > 1
        told = "All sources that quote the same endpoint agree." if several else "Only one source tells of this model."
        return markup.join([title, markup.note(told)])
    rows = [
        [
            markup.two_lines(each.provider, each.variant or ""),
            meters.label(each.meter),
            markup.join(
                [
                    markup.span(
                        f"{fmt.source(source)} {fmt.amount(each.meter, usd)}", "nowrap", fmt.exact(each.meter, usd)
                    )
                    for source, usd in each.quotes
                ],
                " · ",
            ),
            fmt.times(each.ratio) if each.ratio is not None else "free or not",
        ]
        for each in card.disagreements
    ]
    columns = [Column("Provider"), Column("Meter"), Column("Quotes"), Column("Dearest to cheapest", True)]
    return markup.join([title, markup.table(columns, rows, "Where sources disagree")])
