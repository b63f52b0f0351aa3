"""Who serves one model best for a token mix: prices, latency and uptime side by side; what a switch would change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import streamlit as st

from dashboard import controls, data, data_probes, markup
from dashboard import format as fmt
from dashboard.charts import pareto
from dashboard.charts.price_bars import bars, price_bars
from dashboard.data import Reader
from dashboard.data_probes import Seen
from dashboard.markup import Html, Text
from dashboard.views import probe_charts, provider_table, switch_card
from dashboard.views.card_prices import same, trust
from db.errors import RatecardError, UsageError
from db.quality.compare import parse_mix, ranked
from db.quality.facts import Compared, Mix

WINDOWS = {
    "24 h": timedelta(days=1),
    "72 h": timedelta(days=3),
    "7 days": timedelta(days=7),
    "30 days": timedelta(days=30),
}
USUAL = "72 h"
USUAL_MIX = "3:1"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the controls of the whole page say."""

    model: str
    window: timedelta
    asof: date | None
    seen: Seen

    def rows(self, reader: Reader, mix: Mix) -> list[Compared]:
        """The endpoints for a mix. Raises UsageError where there is no such model."""
        since = self.seen.since(self.window)
        return trusted(data_probes.compared(reader, self.model, mix, data.end_of(self.asof), since, self.seen))


def page() -> None:
    """The page."""
    reader = controls.opened()
    if reader is None:
        return
    title, asof = controls.header_later()
    model, window = _choose(reader)
    if model is None:
        title.html(markup.title("Providers", "Who serves a model best for your token mix."), width="stretch")
        st.html(markup.note(_suggestions(reader, asof)))
        return
    title.html(markup.title("Providers", controls.ages(reader, asof), model), width="stretch")
    asked = Asked(model, window, asof, data_probes.seen(reader, asof))
    try:
        rows = asked.rows(reader, Mix())
    except RatecardError as error:
        st.html(markup.problem(str(error)))
        return
    if not rows:
        st.html(markup.note(_nobody(reader, model, asof)))
        return
    _prices(reader, asked)
    own = data_probes.own_servers(reader, model, asked.seen)
    probe_charts.draw(reader, rows, own, model, asked.seen, window)


def _choose(reader: Reader) -> tuple[str | None, timedelta]:
    """The model, and over which window measured figures are."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = st.selectbox(
            "Model",
            data.models(reader),
            index=None,
            key=controls.MODEL,
            bind="query-params",
            placeholder="Choose a model, or type a part of its name",
            accept_new_options=True,
        )
        return model, WINDOWS[controls.choose_one("Measured over", list(WINDOWS), "window", USUAL)]


def _mix() -> Mix:
    """The controls of the token mix. Raises UsageError for one that is none."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        mix = st.text_input(
            "Prompt : completion",
            value=USUAL_MIX,
            key="mix",
            bind="query-params",
            width=165,
            help="How many prompt tokens your requests have for each completion token, such as 3:1 or 10:1.",
        )
        cached = st.number_input(
            "Cached prompt, %",
            min_value=0,
            max_value=100,
            value=0,
            step=10,
            key="cached",
            bind="query-params",
            width=140,
            help="How much of the prompt is read from the provider's cache.",
        )
        prompt = st.number_input(
            "Prompt length, tokens",
            min_value=0,
            value=0,
            step=1000,
            key="prompt",
            bind="query-params",
            width=165,
            help="Chooses the price tier, where a provider charges more for long prompts.",
        )
    try:
        shares = parse_mix(mix or USUAL_MIX)
    except UsageError as error:
        raise UsageError(str(error).replace("--mix", "Prompt : completion")) from error
    return Mix(shares.prompt, shares.completion, Decimal(cached) / 100, prompt)


def trusted(rows: Sequence[Compared]) -> list[Compared]:
    """One row an endpoint: where several sources tell of it, the one whose word counts first; ranked anew."""
    best: dict[object, Compared] = {}
    for row in rows:
        key = same(row.endpoint)
        known = best.get(key)
        if known is None or _worth(row) < _worth(known):
            best[key] = row
    return ranked(list(best.values()))


def _worth(row: Compared) -> tuple[bool, int, str]:
    return row.effective is None, trust(row.endpoint), row.endpoint.name


def _nobody(reader: Reader, model: str, asof: date | None) -> Html:
    steps = data.history(reader, (model,), None)
    first = min((step.valid_from for step in steps), default=None)
    when = f"on {fmt.day(asof)}" if asof else "now"
    told: list[Text] = [Html(f"<b>Nobody offered this model {when}.</b> " if asof else "<b>Nobody offers it now.</b> ")]
    if first is not None and asof is not None and first.date() > asof:
        told.append(f"The first price that is known of it is from {fmt.day(first)}: choose a later as-of date.")
    else:
        told.append(markup.link("What was last said of it", "model", {controls.MODEL: model}))
    return markup.join(told)


def _suggestions(reader: Reader, asof: date | None) -> Html:
    lines = sorted(data.catalogue(reader, data.end_of(asof)), key=lambda line: -line.providers)[:5]
    links = [markup.link(line.name, "providers", controls.keep_asof(asof, model=line.model)) for line in lines]
    told = Html("<b>Choose a model above.</b>")
    return markup.join([told, " The most providers have ", markup.join(links, ", "), "."]) if links else told


@st.fragment
def _prices(reader: Reader, asked: Asked) -> None:
    """All that a mix changes: another one draws this part anew, and not what was measured over time."""
    try:
        mix = _mix()
        rows = asked.rows(reader, mix)
    except RatecardError as error:
        st.html(markup.problem(str(error)))
        return
    now = reader.shown(asked.asof)
    st.html(provider_table.table(rows, str(mix), now))
    left, right = st.columns([4, 3], gap="large")
    with left:
        _chart(rows, asked.model, str(mix))
    with right:
        switch_card.draw(rows, str(mix), now)


@st.fragment
def _chart(rows: Sequence[Compared], model: str, mix: str) -> None:
    """Price against what was chosen; prices alone where no endpoint has that figure."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        st.html(markup.heading("Best value", first=True))
        name = controls.choose_one("Price against", list(pareto.AGAINST), "against")
    against = pareto.AGAINST[name]
    cloud = pareto.cloud(rows, against)
    palette = controls.colours()
    if cloud is None or cloud.points.empty:
        st.html(markup.note(_no_figures(name, model, cloud)))
        _bars(rows, mix)
        return
    title = pareto.conclusion(cloud, against)
    st.html(markup.chart_title(title, _below(cloud, against)))
    st.altair_chart(pareto.pareto_chart(cloud, against, palette, mix), theme=None, width="stretch", alt=title)


def _below(cloud: pareto.Cloud, against: pareto.Against) -> Html:
    parts: list[Text] = [
        markup.join([markup.span("●", "accent"), f" no other is both cheaper and {against.better}"]),
        f"{cloud.origin} over {cloud.window}",
    ]
    if cloud.points["is_other"].any():
        other = "reported" if cloud.origin == "measured" else "measured"
        parts.append(f"hollow: {other}, so not compared")
    for n, why in ((cloud.no_figure, "without the figure"), (cloud.no_price, "without a price"), (cloud.free, "free")):
        if n:
            parts.append(f"{fmt.count(n)} {why}")
    return markup.join(parts, " · ")


def _no_figures(name: str, model: str, cloud: pareto.Cloud | None) -> Html:
    if cloud is not None:
        return markup.html("No endpoint has both this figure and a price above zero, so there is nothing to compare.")
    what = {"First token": "a latency", "Speed": "a speed", "Uptime": "an uptime"}[name]
    return markup.join(
        [
            Html(f"<b>No endpoint of this model has {what} yet,</b> neither measured nor reported. "),
            Html(f"<code>ratecard watch {markup.html(model)}</code> probes its endpoints from now on; until then, "),
            "here are the prices alone.",
        ]
    )


def _bars(rows: Sequence[Compared], mix: str) -> None:
    drawn = bars(rows)
    if drawn.empty:
        st.html(markup.note("No source quotes a price that is known before the request."))
        return
    title = f"{drawn['name'].iloc[0]} is the cheapest of {fmt.plural(len(drawn), 'endpoint')}"
    st.html(markup.chart_title(title, "from the prices in force, unknown prices left out"))
    st.altair_chart(price_bars(drawn, controls.colours(), mix), theme=None, width="stretch", alt=title)
