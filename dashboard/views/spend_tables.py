"""The tables of the Spend page that follow from the sums: groups, movers, names without a price."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import numpy as np
import streamlit as st

from dashboard import controls, markup
from dashboard import format as fmt
from dashboard.data import Reader
from dashboard.markup import Column, Html, Text
from dashboard.usage_sums import Mover, Nameless, summaries, tokens_unpriced, used_meters
from dashboard.usage_sums import movers as moves_of
from dashboard.views.spend_figures import compact, dollars, exact, moved, share, signed
from dashboard.views.spend_filters import Asked, drill, sample_tag
from db import meters
from db.usage.keys import IMPORT
from db.usage.summary import Summary

ROWS: Final = 25
MOST_NAMES: Final = 100
_COMMAND: Final = re.compile(r"(ratecard alias \S+ \S+|--(?:model|provider))")


def groups(_reader: Reader, asked: Asked) -> None:
    """Every group of the period."""
    found = asked.groups[::-1] if asked.is_time else asked.groups
    order = "newest first" if asked.is_time else "the dearest first"
    note = asked.noted(f"{fmt.count(len(found))}, {order}; what has no price is counted beside the cost, never as $0")
    st.html(markup.heading(f"By {asked.label.lower()}", note, first=True))
    start, stop = controls.page_of(len(found), ROWS, "groups_page")
    used = used_meters(found)
    columns = [
        Column(asked.label),
        Column("Cost, US$", True, "of the requests that have a price"),
        Column("Share", True, "of the cost of the period"),
        Column("$ per 1M tokens", True, "what 1M tokens came to, of priced requests"),
        Column("Requests", True),
        *(Column(_meter(meter), True, f"{meters.unit(meter)}s, each counted under one meter") for meter in used),
        Column("Cache hits", True, "cache reads / all input tokens"),
        Column("Unpriced", True, "requests without a known price, and the share of tokens they used"),
    ]
    synthetic = _sampled_keys(asked)
    rows = [_group(each, asked, used, is_sample=each.key in synthetic) for each in found[start:stop]]
    st.html(markup.table(columns, rows, f"By {asked.label.lower()}"))


def _meter(meter: str) -> str:
    return meters.label(meter) if meters.unit(meter) == "token" else f"{meters.label(meter)}, number"


def _sampled_keys(asked: Asked) -> set[tuple[object, ...]]:
    """The groups with synthetic requests; none where all are."""
    samples = asked.usage.names.samples
    if asked.sampled in (0, asked.total.requests):
        return set()
    codes, values = asked.usage.coded(asked.key)
    synthetic = asked.rows & asked.usage.frame[IMPORT].isin(samples).to_numpy()
    return {(values[code],) for code in np.unique(codes[synthetic]).tolist()}


def _group(sums: Summary, asked: Asked, used: Sequence[str], *, is_sample: bool) -> list[Text]:
    name: Text = drill(asked, sums.key[0])
    total = asked.total.cost_nano or 0
    effective, rate = sums.effective_usd_per_mtok, sums.cache_hit_rate
    return [
        markup.join([name, " ", sample_tag("sample")]) if is_sample else name,
        _cost(sums),
        _bar(sums.cost_nano or 0, total) if sums.cost_nano is not None else "–",
        fmt.money(round(effective, 4)) if effective is not None else markup.span(fmt.UNKNOWN, "unknown"),
        fmt.count(sums.requests),
        *(compact(sums.units.get(meter, 0)) for meter in used),
        f"{rate:.1%}" if rate is not None else "–",
        _without(sums),
    ]


def _cost(sums: Summary) -> Html:
    if sums.cost_nano is None:
        return markup.span("unpriced", "warn", "no request of this group has a known price")
    return markup.span(dollars(sums.cost_nano), "", exact(sums.cost_nano))


def _bar(part: int, of: int) -> Html:
    """A share, with a bar as wide as it is."""
    width = max(0, min(48, round(48 * part / of))) if of else 0
    bar = (
        f'<span style="display:inline-block;height:.6rem;width:{width}px;margin-right:.45rem;border-radius:2px;'
        'background:var(--rc-accent);opacity:.55"></span>'
    )
    return markup.join([Html(bar), share(part, of)])


def _without(sums: Summary) -> Text:
    if not sums.unpriced_requests:
        return markup.span("none", "mute")
    tokens = f"{share(tokens_unpriced(sums), sums.tokens)} of tokens" if sums.tokens else ""
    return markup.two_lines(markup.span(fmt.count(sums.unpriced_requests), "warn"), tokens)


def movers(_reader: Reader, asked: Asked) -> None:
    """The groups whose cost moved most against as many days before."""
    before = asked.period.before
    told = f"{asked.described()} against {fmt.day(before.first)} to {fmt.day(before.last)}, the largest move first"
    st.html(markup.heading("Top movers", asked.noted(told), first=True))
    if asked.is_time:
        st.html(markup.note("A day, week or month is in one of the two periods only: group by something else."))
        return
    found = moves_of(summaries(asked.usage, asked.rows_before, (asked.key,)), asked.groups)
    if not found:
        st.html(markup.note("The cost of no group moved."))
        return
    if asked.incomparable:
        said = f"Read with care: {asked.incomparable}."
        st.html(markup.paragraph(said, "small warn"))
    columns = [
        Column(asked.label),
        Column("Moved by, US$", True),
        Column("Change", True),
        Column("Before, US$", True),
        Column("Now, US$", True),
        Column("Requests", True, "now, and how they moved"),
        Column("Tokens", True, "now, and how they moved"),
        Column("$ per 1M tokens", True, "now, and how it moved"),
    ]
    start, stop = controls.page_of(len(found), ROWS, "movers_page")
    st.html(markup.table(columns, [_mover(each, asked) for each in found[start:stop]], "Top movers"))


def _mover(each: Mover, asked: Asked) -> list[Text]:
    old, new = each.before, each.now
    cost_before, cost_now = (sums.cost_nano if sums is not None else None for sums in (old, new))
    change: Text = "new" if old is None else "gone" if new is None else "–"
    if cost_before and cost_now:
        change = moved(Decimal(cost_now), Decimal(cost_before))
    price = [sums.effective_usd_per_mtok if sums is not None else None for sums in (old, new)]
    return [
        drill(asked, each.key[0]),
        markup.span(signed(each.delta_nano), "warn" if each.delta_nano > 0 else "good", exact(each.delta_nano)),
        change,
        _amount(old),
        _amount(new),
        _both(new.requests if new else 0, old.requests if old else 0),
        _both(new.tokens if new else 0, old.tokens if old else 0),
        _prices(*price),
    ]


def _amount(sums: Summary | None) -> Text:
    if sums is None:
        return markup.span("no requests", "mute")
    return _cost(sums)


def _both(now: int, before: int) -> Text:
    return markup.two_lines(compact(now), moved(Decimal(now), Decimal(before)) if now and before else "")


def _prices(before: Decimal | None, now: Decimal | None) -> Text:
    if now is None:
        return "–"
    return markup.two_lines(fmt.money(round(now, 4)), moved(now, before) if before else "")


def unpriced_names(found: Sequence[Nameless], asked: Asked) -> Html:
    """The names without a price, folded up: why, how much, and what may help."""
    columns = [
        Column("Name as logged"),
        Column("Why it has no price"),
        Column("What may help"),
        Column("Requests", True),
        Column("Tokens", True),
    ]
    rows = [
        [each.name, each.why, _help(each), fmt.count(each.requests), compact(each.tokens)]
        for each in found[:MOST_NAMES]
    ]
    more = ""
    if len(found) > MOST_NAMES:
        more = markup.paragraph(f"and {fmt.count(len(found) - MOST_NAMES)} more", "small mute")
    told = f"{fmt.plural(asked.total.unpriced_requests, 'request')} of {fmt.plural(len(found), 'name')} without a price"
    body = markup.join([markup.table(columns, rows, "Without a price"), more])
    return Html(
        f'<div class="rc"><details><summary>{markup.html(told)}: which, and what to do</summary>{body}</details></div>'
    )


def _help(each: Nameless) -> Html:
    """The hint, with what can be typed as code."""
    told = each.hint.removeprefix(f"{each.why}: ")
    parts = [Html(f"<code>{markup.html(part)}</code>") if _COMMAND.fullmatch(part) else markup.html(part)
             for part in _COMMAND.split(told)]  # fmt: skip
    return markup.join(parts) if told else markup.html("–")
