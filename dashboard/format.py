"""Numbers, times and conditions as a person reads them. Money stays Decimal to the last character."""

from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from db.meters import decimal_text, unit
from db.prices.facts import Change, Rate

MILLION: Final = Decimal(1_000_000)
NOT_QUOTED: Final = "not quoted"
UNKNOWN: Final = "unknown"
DYNAMIC: Final = "dynamic"
FREE: Final = "free"
MINUS: Final = "−"
NEGLIGIBLE: Final = Decimal("0.05")
"""A change in percent that one decimal cannot show."""

SOURCES: Final = {
    "openrouter": "OpenRouter",
    "models_dev": "models.dev",
    "litellm": "LiteLLM",
    "genai_prices": "genai-prices",
}


def source(name: str) -> str:
    """What people call a source."""
    return SOURCES.get(name, name)


def money(usd: Decimal) -> str:
    """Dollars with at least two decimals and four significant digits: $0.30, $1.20, $0.1999, $1,250.00."""
    if usd == 0:
        return "$0.00"
    size = abs(usd)
    decimals = max(2, 3 - size.adjusted())
    text = f"{size.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN):,f}"
    whole, _, fraction = text.partition(".")
    return f"{MINUS if usd < 0 else ''}${whole}.{fraction.rstrip('0').ljust(2, '0')}"


def scaled(meter: str, usd: Decimal) -> Decimal:
    """USD for the quantity that people quote a meter in: a million tokens, or one of anything else."""
    return usd * MILLION if unit(meter) == "token" else usd


def per(meter: str) -> str:
    """The quantity that `scaled` is for."""
    return "1M tokens" if unit(meter) == "token" else unit(meter)


def amount(meter: str, usd: Decimal | None) -> str:
    """A rate that is quoted, without its unit."""
    if usd is None:
        return DYNAMIC
    return FREE if usd == 0 else money(scaled(meter, usd))


def rate(quoted: Rate | None) -> str:
    """A rate, without its unit; None is not quoted, which is not free."""
    return NOT_QUOTED if quoted is None else amount(quoted.meter, quoted.usd)


def exact(meter: str, usd: Decimal | None) -> str:
    """The whole value with its unit, for a tooltip: `$0.1999188 per 1M tokens`."""
    if usd is None:
        return "dynamic: known only after the request"
    return f"${decimal_text(scaled(meter, usd))} per {per(meter)}"


def condition(min_prompt_tokens: int, utc_start: int | None, utc_end: int | None) -> str:
    """When a rate holds, in words; empty where it always does."""
    parts = []
    if min_prompt_tokens:
        parts.append(f"above {count(min_prompt_tokens)} prompt tokens")
    if utc_start is not None and utc_end is not None:
        parts.append(f"daily {clock(utc_start)}–{clock(utc_end)} UTC")
    return ", ".join(parts)


def clock(hhmm: int) -> str:
    """930 -> 09:30."""
    return f"{hhmm // 100:02}:{hhmm % 100:02}"


def change(moved: Change) -> str:
    """How far a rate moved; in words where there is no ratio."""
    percent = moved.percent
    if percent is not None:
        return percentage(percent)
    if moved.old is None:
        return "now quoted" if moved.new is not None else DYNAMIC
    if moved.new is None:
        return "no longer quoted"
    return "was free"


def percentage(percent: Decimal) -> str:
    """A signed change: +25%, −98.5%; from ten times on as a factor: ×12.5."""
    if percent >= 900:
        return f"×{_short(percent / 100 + 1)}"
    if abs(percent) < NEGLIGIBLE:
        return "≈0%" if percent else "0%"
    sign = "+" if percent > 0 else MINUS
    return f"{sign}{_short(abs(percent))}%"


def times(ratio: Decimal) -> str:
    """How many times as dear: 2.0×."""
    return f"{ratio:,.0f}×" if ratio >= 100 else f"{ratio:.1f}×"


def _short(value: Decimal) -> str:
    """One decimal below 100, none above."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}".removesuffix(".0")


def count(number: int) -> str:
    """1,234."""
    return f"{number:,}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """`1 model`, `2 models`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def day(at: datetime | date) -> str:
    """22 Aug 2026."""
    return f"{at.day} {at:%b %Y}"


def month(at: datetime | date) -> str:
    """Aug 2026."""
    return f"{at:%b %Y}"


def instant(at: datetime) -> str:
    """22 Aug 2026 12:08 UTC."""
    return f"{day(at.astimezone(UTC))} {at.astimezone(UTC):%H:%M} UTC"


def span(length: timedelta) -> str:
    """A length of time in its largest fitting unit: 45 s, 12 min, 5 h, 3 days, 2.1 years."""
    seconds = max(0, int(length.total_seconds()))
    if seconds < 90:
        return f"{seconds} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    if seconds < 48 * 3600:
        return f"{round(seconds / 3600)} h"
    days = round(seconds / 86400)
    return f"{count(days)} days" if days < 730 else f"{days / 365.25:.1f} years"


def ago(then: datetime, now: datetime) -> str:
    """How long before `now`; a future instant is `in` so long."""
    return f"in {span(then - now)}" if then > now else f"{span(now - then)} ago"


def partial_day(text: str) -> str:
    """An ISO day, month or year as a person writes it; other text as it is."""
    for length, shown in ((10, day), (7, month)):
        if len(text) >= length:
            try:
                return shown(date.fromisoformat(text[:10] if length == 10 else f"{text[:7]}-01"))
            except ValueError:
                continue
    return text


def share(text: str) -> str:
    """A share in decimal text as a percentage: 0.25 -> 25%."""
    try:
        return f"{decimal_text(Decimal(text) * 100)}%"
    except ArithmeticError:
        return text
