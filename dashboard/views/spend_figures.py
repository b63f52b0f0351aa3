"""Figures of the Spend page as a person reads them. Money comes as whole nano-dollars."""

from decimal import Decimal
from typing import Final

from dashboard import format as fmt
from dashboard import markup
from dashboard.markup import Html
from db.usage.exact import usd

CENTS_FROM: Final = Decimal("0.1")


def dollars(nano: int | None) -> str:
    """An amount: cents, or what a smaller one needs to be seen; None is unknown."""
    if nano is None:
        return fmt.UNKNOWN
    amount = usd(nano)
    return fmt.money(round(amount, 2) if abs(amount) >= CENTS_FROM else amount)


def signed(nano: int) -> str:
    """By how much an amount moved: +$1.20, −$0.35."""
    return f"+{dollars(nano)}" if nano > 0 else dollars(nano)


def exact(nano: int | None) -> str:
    """To the last digit, for a tooltip."""
    return fmt.UNKNOWN if nano is None else f"{usd(nano):,f} US$"


def compact(number: int) -> Html:
    """1,234 as it is; 83.34M above a hundred thousand, with all digits when pointed at."""
    for size, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k")):
        if abs(number) >= max(size, 100_000):
            return markup.span(f"{Decimal(number) / size:.4g}{letter}", "", fmt.count(number))
    return markup.html(fmt.count(number))


def share(part: int, of: int) -> str:
    """A percentage that says 0% and 100% only of nothing and of all."""
    if not of:
        return "–"
    percent = Decimal(part) * 100 / of
    if 0 < percent < Decimal("0.1"):
        return "<0.1%"
    if Decimal("99.9") < percent < 100:
        return ">99.9%"
    return f"{percent:.1f}%".replace(".0%", "%")


def moved(now: Decimal, before: Decimal) -> Html:
    """A change in percent. More is no alarm by itself: only its direction is shown."""
    if not before:
        return markup.html("new")
    percent = (now / before - 1) * 100
    return markup.span(fmt.percentage(percent), "nowrap")
