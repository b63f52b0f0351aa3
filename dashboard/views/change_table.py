"""Moves of prices as a table. Used by more than one page."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby

from dashboard import controls, markup
from dashboard import format as fmt
from dashboard.charts.series import endpoint_label
from dashboard.markup import Column, Html, Text
from db import meters
from db.prices.facts import Change


def table(moves: Iterable[Change], label: str, asof: date | None, *, with_model: bool = True) -> Html:
    """One line a move, in the order given."""
    columns = [
        Column("When"),
        *([Column("Model")] if with_model else []),
        Column("Endpoint"),
        Column("Meter"),
        Column("Was", True, "US$"),
        Column("Is", True, "US$"),
        Column("Change", True),
    ]
    return markup.table(columns, [_row(move, asof, with_model) for move in moves], label)


def _row(move: Change, asof: date | None, with_model: bool) -> list[Text]:
    model = controls.model_link(move.endpoint.model, move.endpoint.model, asof)
    when = fmt.condition(move.min_prompt_tokens, move.utc_start, move.utc_end)
    per = f"per {fmt.per(move.meter)}"
    return [
        markup.span(fmt.day(move.at), "nowrap", fmt.instant(move.at)),
        *([model] if with_model else []),
        markup.two_lines(endpoint_label(move.endpoint), fmt.source(move.endpoint.source)),
        markup.two_lines(meters.label(move.meter), f"{per}, {when}" if when else per),
        _price(move, is_new=False),
        _price(move, is_new=True),
        changed(move),
    ]


def _price(move: Change, *, is_new: bool) -> Html:
    usd, other = (move.new, move.old) if is_new else (move.old, move.new)
    if usd is None and other is not None:
        # A change keeps None for both: the ledger tells them apart, the move does not need to.
        return markup.span("none", "unknown", "not quoted, or dynamic")
    return markup.span(fmt.amount(move.meter, usd), "", fmt.exact(move.meter, usd))


def changed(move: Change) -> Html:
    """How far a rate moved, coloured by direction; marked while it is suspect."""
    percent = move.percent
    kind = "" if percent is None or abs(percent) < fmt.NEGLIGIBLE else "warn" if percent > 0 else "good"
    shown = markup.span(fmt.change(move), kind)
    if move.suspect:
        return markup.two_lines(
            shown, markup.span("suspect", "", "far from the price before: a second poll must repeat it")
        )
    return shown


Moves = tuple[Change, ...]
"""Everything that moved at one endpoint at one instant."""


def together(moves: Iterable[Change]) -> list[Moves]:
    """Moves grouped by endpoint and instant; expects them oldest first."""
    return [tuple(group) for _, group in groupby(moves, key=lambda move: (move.at, move.endpoint.id))]


def factor(group: Moves) -> Decimal:
    """How many times as dear or as cheap input or output became; 0 where neither has a ratio."""
    ratios = [move.new / move.old for move in group if _is_main(move) and move.old and move.new]
    return max((max(ratio, 1 / ratio) for ratio in ratios), default=Decimal(0))


def _is_main(move: Change) -> bool:
    is_base = not move.min_prompt_tokens and move.utc_start is None
    return is_base and move.meter in (meters.PROMPT, meters.COMPLETION)


def feed(groups: Iterable[Moves], label: str, asof: date | None) -> Html:
    """One line an endpoint and instant: input, output, and what else moved."""
    columns = [
        Column("When"),
        Column("Model"),
        Column("Endpoint"),
        Column("Input", True),
        Column("Output", True),
        Column("Other rates", True),
    ]
    return markup.table(columns, [_feed_row(group, asof) for group in groups], label)


def _feed_row(group: Moves, asof: date | None) -> list[Text]:
    first = group[0]
    main = {move.meter: move for move in group if _is_main(move)}
    others = [move for move in group if not _is_main(move)]
    return [
        markup.span(fmt.day(first.at), "nowrap", fmt.instant(first.at)),
        controls.model_link(first.endpoint.model, first.endpoint.model, asof),
        markup.two_lines(endpoint_label(first.endpoint), fmt.source(first.endpoint.source)),
        *(_was_is(main.get(meter)) for meter in (meters.PROMPT, meters.COMPLETION)),
        _others(others),
    ]


def _was_is(move: Change | None) -> Html:
    if move is None:
        return Html("")
    return markup.two_lines(markup.join([_price(move, is_new=False), _price(move, is_new=True)], " → "), changed(move))


def _others(moves: Sequence[Change]) -> Html:
    if not moves:
        return Html("")
    if len(moves) == 1 and not moves[0].min_prompt_tokens and moves[0].utc_start is None:
        return markup.two_lines(meters.label(moves[0].meter), changed(moves[0]))
    told = "\n".join(map(_in_words, moves))
    percents = [move.percent for move in moves if move.percent is not None]
    span = dict.fromkeys(fmt.percentage(percent) for percent in (min(percents), max(percents))) if percents else ()
    return markup.two_lines(markup.span(fmt.plural(len(moves), "rate"), "", told), " to ".join(span))


def _in_words(move: Change) -> str:
    when = fmt.condition(move.min_prompt_tokens, move.utc_start, move.utc_end)
    prices = " → ".join(fmt.amount(move.meter, usd) if usd is not None else "none" for usd in (move.old, move.new))
    what = ", ".join(filter(None, [meters.label(move.meter), when]))
    return f"{what}: {prices} per {fmt.per(move.meter)}, {fmt.change(move)}"
