"""The table of endpoints: every figure with its origin, n, window and age."""

from collections.abc import Sequence
from datetime import datetime

from dashboard import format as fmt
from dashboard import markup
from dashboard.charts.series import endpoint_label
from dashboard.markup import Column, Html, Text
from dashboard.views.card_prices import status
from db.meters import decimal_text
from db.quality.facts import Compared, Measure

MOST_ROWS = 60
LONG_LIST = 3


def table(rows: Sequence[Compared], mix: str, now: datetime) -> Html:
    """One line an endpoint, the cheapest first."""
    names = {row.endpoint.name: endpoint_label(row.endpoint) for row in rows}
    columns = [
        Column("Provider"),
        Column("Variant"),
        Column("Effective, $/1M", True, f"US$ per 1M tokens at {mix}, cache prices and tiers included"),
        Column("First token, p50", True, "the median time to the first token"),
        Column("Speed, p50", True, "the median output speed"),
        Column("Uptime", True, "ok / (ok + errors); limited requests (429) count as neither"),
        Column("Context, tokens", True),
        Column("Lacks", help="request parameters that another endpoint here supports and this one does not"),
        Column("Dominated by", help="an endpoint that is no worse in anything known here, and better in something"),
    ]
    note = f"{fmt.plural(len(rows), 'endpoint')} at {mix}, the cheapest first"
    parts: list[Text] = [markup.heading("Endpoints", note, first=True)]
    parts.append(markup.table(columns, [_row(row, names, now) for row in rows[:MOST_ROWS]], "Endpoints"))
    if len(rows) > MOST_ROWS:
        parts.append(markup.paragraph(f"and {fmt.count(len(rows) - MOST_ROWS)} dearer ones", "small mute"))
    return markup.join(parts)


def _row(row: Compared, names: dict[str, str], now: datetime) -> list[Text]:
    endpoint = row.endpoint
    kinds = [row.quantization or "", f":{endpoint.variant}" if endpoint.variant else ""]
    name: Text = endpoint.provider_name
    if row.status:
        name = markup.join([name, " ", status(row.status)])
    origin = f"quoted by {fmt.source(endpoint.source)}"
    return [
        markup.two_lines(name, markup.span(origin, "", endpoint.name)),
        markup.tags(filter(None, kinds)) if any(kinds) else markup.span("not told", "unknown"),
        price(row),
        figure(row.ttft_ms, "{:,.0f} ms", now),
        figure(row.tokens_per_s, "{:,.1f} t/s", now),
        figure(row.uptime_percent, "{:.2f}%", now),
        fmt.count(row.context) if row.context is not None else markup.span(fmt.UNKNOWN, "unknown"),
        lacks(row.lost_parameters),
        _dominated(row, names),
    ]


def price(row: Compared) -> Html:
    """The effective price, exact when pointed at, with its age and what had to be assumed."""
    if row.effective is None:
        told = "a rate that this mix needs is not quoted" if row.priced_since else "no source quotes a price"
        return markup.span(fmt.UNKNOWN, "unknown", told)
    usd = row.effective.usd_per_mtok
    shown = markup.span(fmt.money(usd) if usd else fmt.FREE, "", f"${decimal_text(usd)} per 1M tokens")
    since = f"since {fmt.day(row.priced_since)}" if row.priced_since else ""
    if not row.effective.assumed:
        return markup.two_lines(shown, since)
    told = "; ".join(row.effective.assumed)
    return markup.two_lines(shown, markup.join([markup.span("no cache price, ", "warn", told), since]))


def figure(measure: Measure | None, shape: str, now: datetime) -> Html:
    """A figure with where it comes from; no figure is said so."""
    if measure is None:
        return markup.span("no data", "unknown")
    n = f", n {fmt.count(measure.n)}" if measure.n is not None else ""
    told = "" if measure.n is not None else "the source does not say of how many requests"
    age = f", {fmt.ago(measure.newest, now)}" if measure.newest else ""
    newest = f"newest: {fmt.instant(measure.newest)}" if measure.newest else ""
    return markup.join(
        [
            shape.format(measure.value),
            markup.span(f"{measure.origin}{n}", "sub", told),
            markup.span(f"{measure.window}{age}", "sub", newest),
        ]
    )


def lacks(parameters: tuple[str, ...] | None) -> Html:
    """What is not supported: a few by name, many by their number."""
    if parameters is None:
        return markup.span("not told", "unknown", "no source lists its parameters")
    if not parameters:
        return markup.span("nothing", "mute")
    if len(parameters) <= LONG_LIST:
        return markup.tags(parameters)
    few = markup.tags(parameters[: LONG_LIST - 1])
    return markup.join(
        [few, markup.span(f"and {len(parameters) - LONG_LIST + 1} more", "small", ", ".join(parameters))]
    )


def _dominated(row: Compared, names: dict[str, str]) -> Text:
    if row.dominated_by is None:
        return markup.span("nobody", "mute")
    return markup.span(names.get(row.dominated_by, row.dominated_by), "warn", row.dominated_by)
