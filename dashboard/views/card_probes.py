"""The part of a model card that probes measured: speed and reliability, each rated among all that was measured."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta

import streamlit as st

from dashboard import controls, data_probes, markup
from dashboard import format as fmt
from dashboard.charts.series import endpoint_label
from dashboard.data import Reader
from dashboard.markup import Text
from dashboard.views import probe_charts
from db.prices.modelcard import Card
from db.probes.facts import Summary
from db.quality.rating import LEAST, rate

WINDOW = timedelta(days=7)
Figure = Callable[[Summary], float | None]


def draw(reader: Reader, card: Card, asof: date | None) -> frozenset[str]:
    """Draw what was measured of the card's endpoints; which of the card's places it fills."""
    seen = data_probes.seen(reader, asof)
    names = {offered.endpoint.name: endpoint_label(offered.endpoint) for offered in card.offered}
    own = data_probes.own_servers(reader, card.model, seen)
    names |= {name: name for name in own}
    cohort = data_probes.cohort(reader, seen.since(WINDOW), seen)
    measured = {name: cohort[name] for name in names if name in cohort}
    strips = data_probes.strips(reader, tuple(names), seen.until - probe_charts.STRIP, seen)
    compare = markup.link("Compare its providers for your token mix", "providers", _link(card, asof))
    if not measured and not strips:
        st.html(markup.paragraph(compare))
        return frozenset()
    st.html(markup.heading("Speed and reliability", f"measured here, {WINDOW.days} days"))
    entries = _entries(measured, list(cohort.values()), names, reader.shown(asof))
    if entries:
        st.html(markup.cards(entries.values()))
    st.html(markup.paragraph(compare))
    if strips:
        probe_charts.strip(strips, names, seen)
    return frozenset(["Speed"] * bool({"First token", "Output speed"} & set(entries)) + ["Reliability"] * bool(strips))


def _link(card: Card, asof: date | None) -> dict[str, str | None]:
    return controls.keep_asof(asof, model=card.model)


def _entries(
    measured: Mapping[str, Summary], cohort: Sequence[Summary], names: Mapping[str, str], now: datetime
) -> dict[str, tuple[Text, Text, Text, Text]]:
    """Label -> the card of one figure, of those that were measured."""
    kinds: tuple[tuple[str, Figure, str, str, bool], ...] = (
        ("First token", lambda each: each.ttft_ms.get("p50"), "{:,.0f} ms", "faster", False),
        ("Output speed", lambda each: each.tokens_per_s.get("p50"), "{:,.1f} tokens/s", "faster", True),
        ("Uptime", _uptime, "{:.2f}%", "more reliable", True),
    )
    found: dict[str, tuple[Text, Text, Text, Text]] = {}
    for label, figure, shape, word, is_high_good in kinds:
        values = {name: value for name, each in measured.items() if (value := figure(each)) is not None}
        if not values:
            continue
        best, worst = (pick(values, key=lambda name: values[name]) for pick in (min, max))
        if is_high_good:
            best, worst = worst, best
        among = [value for each in cohort if (value := figure(each)) is not None]
        rating = rate(values[best], among, is_high_good=is_high_good)
        told = [f"{names[best]}, {'p50 of ' if label != 'Uptime' else ''}n {fmt.count(_n(measured[best], label))}"]
        told.append(
            f"{word} than {rating.percentile:.0f}% of the other {fmt.count(rating.n - 1)} measured endpoints"
            if rating
            else f"no rating: only {fmt.plural(len(among), 'endpoint')} measured, {LEAST} are needed"
        )
        if newest := measured[best].newest:
            told.append(f"newest probe {fmt.ago(newest, now)}")
        if len(values) > 1:
            told.append(f"at worst {shape.format(values[worst])} ({names[worst]})")
        number, _, unit = shape.format(values[best]).partition(" ")
        found[label] = (label, number, unit, "; ".join(told))
    return found


def _uptime(each: Summary) -> float | None:
    return each.uptime * 100 if each.uptime is not None else None


def _n(each: Summary, label: str) -> int:
    if label == "Uptime":
        return each.ok + each.errors
    return each.n_of["ttft_ms" if label == "First token" else "tokens_per_s"]
