"""From steps of rates to what a step chart draws."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from dashboard.charts.series import COLOURED, MOST_MARKS, Frames, Series, by_interest, conclusion, frames, series_of
from db.catalog.facts import Endpoint
from db.polls.facts import Gap
from db.prices.facts import Rate, Step

START = datetime(2026, 1, 1, tzinfo=UTC)
COLOURS = ("#111111", "#222222", "#333333", "#444444")
FAINT = "#CCCCCC"


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def endpoint(
    number: int = 1, provider: str = "nebius", *, source: str = "openrouter", key: str = "k", variant: str | None = None
) -> Endpoint:
    return Endpoint(
        number, source, "models", key, key, "a/b", provider, provider.title(), "a/b", variant, None, "own id"
    )


def steps(*told: tuple[str | None, int, int | None], of: Endpoint | None = None, meter: str = "prompt") -> list[Step]:
    """Steps of (USD per 1M tokens or None, first day, day after the last or None)."""
    return [
        Step(
            of or endpoint(),
            Rate(meter, Decimal(usd) / 1_000_000 if usd is not None else None),
            day(first),
            day(last) if last is not None else None,
        )
        for usd, first, last in told
    ]


def draw(
    series: Sequence[Series],
    gaps: Sequence[Gap] = (),
    *,
    seen: int = 30,
    end: int = 30,
    is_log: bool = False,
    since: int | None = None,
) -> Frames:
    return frames(
        series,
        COLOURS,
        FAINT,
        gaps={"openrouter": gaps},
        last_seen={"openrouter": day(seen)},
        since=day(since) if since is not None else None,
        end=day(end),
        is_log=is_log,
    )


def corners(drawn: Frames) -> list[tuple[int, float, str]]:
    """Day, price and segment of every corner."""
    return [((row.at - START).days, row.usd, row.segment) for row in drawn.lines.itertuples()]


def test_a_line_has_a_corner_for_each_change_and_one_at_its_end() -> None:
    drawn = draw(series_of(steps(("1", 0, 10), ("2", 10, None)), ["prompt"]))

    assert corners(drawn) == [(0, 1.0, "0-0"), (10, 2.0, "0-0"), (30, 2.0, "0-0")]
    assert list(drawn.dots["price"]) == ["$1 per 1M tokens", "$2 per 1M tokens"]
    assert list(drawn.ends["text"]) == ["Nebius  $2.00"]


def test_a_gap_in_polling_is_a_gap_in_the_line() -> None:
    gap = Gap("openrouter", day(12), day(20))

    drawn = draw(series_of(steps(("1", 0, None)), ["prompt"]), [gap])

    assert corners(drawn) == [(0, 1.0, "0-0"), (12, 1.0, "0-0"), (20, 1.0, "0-1"), (30, 1.0, "0-1")]
    assert len(drawn.dots) == 1, "that the line goes on after a gap is no change"
    assert list(drawn.bands["text"]) == [
        "Openrouter was not polled from 13 Jan 2026 to 21 Jan 2026".replace("Openr", "OpenR")
    ]


def test_a_change_within_a_gap_is_seen_at_its_end() -> None:
    drawn = draw(series_of(steps(("1", 0, 20), ("2", 20, None)), ["prompt"]), [Gap("openrouter", day(12), day(20))])

    assert corners(drawn) == [(0, 1.0, "0-0"), (12, 1.0, "0-0"), (20, 2.0, "0-1"), (30, 2.0, "0-1")]


def test_after_the_last_poll_nothing_is_drawn() -> None:
    open_gap = Gap("openrouter", day(20), None)

    drawn = draw(series_of(steps(("1", 0, None)), ["prompt"]), [open_gap], seen=20, end=60)

    assert corners(drawn)[-1] == (20, 1.0, "0-0")
    assert drawn.bands.iloc[0]["end"] < day(60), "a long silence is hinted at, not drawn out"


def test_an_endpoint_that_is_gone_ends() -> None:
    series = series_of(steps(("1", 0, 10)), ["prompt"])

    drawn = draw(series)

    assert corners(drawn)[-1] == (10, 1.0, "0-0")
    assert list(drawn.ends["text"]) == ["Nebius  ended"]


def test_while_a_price_is_dynamic_there_is_no_line() -> None:
    drawn = draw(series_of(steps(("1", 0, 10), (None, 10, 20), ("2", 20, None)), ["prompt"]))

    assert [segment for _, _, segment in corners(drawn)] == ["0-0", "0-0", "0-1", "0-1"]


def test_a_log_scale_leaves_free_out_and_says_so() -> None:
    series = series_of(steps(("0", 0, 10), ("2", 10, None)), ["prompt"])

    assert draw(series, is_log=True).hidden_free == 1
    assert corners(draw(series, is_log=True)) == [(10, 2.0, "0-0"), (30, 2.0, "0-0")]
    assert corners(draw(series))[0] == (0, 0.0, "0-0")


def test_a_window_cuts_and_does_not_invent_a_change() -> None:
    drawn = draw(series_of(steps(("1", 0, None)), ["prompt"]), since=10)

    assert corners(drawn) == [(10, 1.0, "0-0"), (30, 1.0, "0-0")]
    assert drawn.dots.empty


def test_at_most_four_series_are_coloured() -> None:
    many = [step for n in range(7) for step in steps(("1", 0, None), of=endpoint(n, f"provider{n}"))]

    drawn = draw(series_of(many, ["prompt"]))

    by_rank = drawn.ends.sort_values("rank")
    assert list(by_rank["colour"]) == [*COLOURS, *[FAINT] * 3]
    assert list(by_rank["is_main"]) == [True] * COLOURED + [False] * 3


def test_a_chart_stays_drawable() -> None:
    long = [(str(n % 7 + 1), n, n + 1) for n in range(900)]
    many = [step for n in range(4) for step in steps(*long, of=endpoint(n, f"provider{n}"))]

    drawn = draw(series_of(many, ["prompt"]), seen=1000, end=1000)

    assert len(drawn.lines) + len(drawn.dots) + len(drawn.ends) <= MOST_MARKS
    assert drawn.left_out == 4 - len(drawn.ends) > 0


def test_what_would_read_the_same_is_told_apart() -> None:
    same = [
        *steps(("1", 0, None), of=endpoint(1, "nebius", key="nebius/fp8")),
        *steps(("1", 0, None), of=endpoint(2, "nebius", key="nebius/fast")),
        *steps(("1", 0, None), of=endpoint(3, "nebius", source="models_dev")),
        *steps(("1", 0, None), of=endpoint(4, "chutes", variant="free")),
    ]

    assert [each.label for each in series_of(same, ["prompt"])] == [
        "Nebius (OpenRouter) nebius/fp8",
        "Nebius (OpenRouter) nebius/fast",
        "Nebius (models.dev)",
        "Chutes :free",
    ]


def test_conditions_have_no_line_and_meters_are_named() -> None:
    tier = Step(endpoint(), Rate("prompt", Decimal(1), min_prompt_tokens=5), START, None)
    both = [*steps(("1", 0, None)), *steps(("3", 0, None), meter="completion"), tier]

    assert [each.label for each in series_of(both, ["prompt", "completion"])] == ["Nebius, input", "Nebius, output"]


def test_the_lister_comes_first_then_the_author_then_what_moves() -> None:
    told = [
        *steps(("1", 0, 10), of=endpoint(1, "gone")),
        *steps(("1", 0, None), of=endpoint(2, "still")),
        *steps(("1", 0, 10), ("2", 10, None), of=endpoint(3, "moving")),
        *steps(("1", 0, None), of=endpoint(4, "author")),
        *steps(("1", 0, None), of=endpoint(5, "openrouter")),
    ]

    ranked = by_interest(series_of(told, ["prompt"]), own_api="author")

    assert [each.endpoint.provider for each in ranked] == ["openrouter", "author", "moving", "still", "gone"]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ([("1", 0, None)], "unchanged at $1.00 since Jan 2026"),
        ([("1", 0, 5), ("3", 5, None)], "tripled since Jan 2026, $1.00 → $3.00"),
        ([("1", 0, 5), ("2.01", 5, None)], "doubled since Jan 2026, $1.00 → $2.01"),
        ([("2", 0, 5), ("1", 5, None)], "halved since Jan 2026, $2.00 → $1.00"),
        ([("1", 0, 5), ("5", 5, None)], "up 5.0× since Jan 2026, $1.00 → $5.00"),
        ([("1", 0, 5), ("1.25", 5, None)], "up 25% since Jan 2026, $1.00 → $1.25"),
        ([("1", 0, 5), ("0.1", 5, None)], "down 90% since Jan 2026, $1.00 → $0.10"),
        ([("0", 0, 5), ("1", 5, None)], "no longer free since Jan 2026, free → $1.00"),
        ([("1", 0, 5), ("0", 5, None)], "now free since Jan 2026, $1.00 → free"),
        ([("1", 0, 5), ("2", 5, 9), ("1", 9, None)], "the same again at $1.00 since Jan 2026"),
        ([("1", 0, 40)], "unchanged at $1.00 since Jan 2026 until it ended in Feb 2026"),
        ([(None, 0, None)], "dynamic"),
    ],
)
def test_the_title_says_what_happened(told: list[tuple[str | None, int, int | None]], said: str) -> None:
    assert conclusion(series_of(steps(*told), ["prompt"]), "Acme: M") == f"Input price of M at Nebius: {said}"


def test_the_title_speaks_of_the_window() -> None:
    series = series_of(steps(("1", 0, 5), ("3", 5, None)), ["prompt"])

    assert conclusion(series, "M", day(40)) == "Input price of M at Nebius: unchanged at $3.00 since Feb 2026"
    assert conclusion([], "M") == "No price of M in this window"
