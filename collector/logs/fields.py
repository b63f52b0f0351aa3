"""Reading single fields of a log. Nothing is trusted to have the type it should have.

Counts are whole units; one that is absent is 0 (each format says which counter a record must have). Times are aware,
in UTC. Amounts are exact, in USD.
"""

import re
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Context as Numbers
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from collector.logs.base import Context, Parse, Parsed, Record, RefusedError
from collector.logs.jsontext import parse
from db.usage.facts import Usage

MOST_UNITS: Final = 10**12
"""No record counts more; it also keeps the sums of a billion records within 64 bits."""
DEAREST_USD: Final = Decimal(10**9)
MOST_DECIMALS: Final = 40
AHEAD: Final = timedelta(days=1)
"""A clock may be wrong by this much; what is later is refused."""
EARLIEST: Final = datetime(1971, 1, 1, tzinfo=UTC)
"""Before it, a time is a clock that was not set."""
_EXACT: Final = Numbers(prec=100)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_S: Final = 10**11
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def one_by_one(read: Callable[[Record, Context], Usage | None]) -> Parse:
    """The parser of a log whose records hold one request each; None for a record without usage."""

    def parse_records(records: Iterable[tuple[int, Record]], context: Context) -> Iterator[Parsed]:
        for line, record in records:
            try:
                usage = read(record, context)
            except RefusedError as refused:
                yield Parsed(line, reason=str(refused))
            else:
                yield Parsed(line, (usage,) if usage is not None else ())

    return parse_records


def buckets(
    bounds: Callable[[Record, Context], tuple[datetime, datetime]],
    read: Callable[[Record, datetime, datetime], Usage | None],
) -> Parse:
    """The parser of a report: records are time buckets, their `results` the groups in them."""

    def parse_records(records: Iterable[tuple[int, Record]], context: Context) -> Iterator[Parsed]:
        for line, record in records:
            try:
                start, end = bounds(record, context)
                is_over(start, end, context)
                groups = record.get("results")
                if not isinstance(groups, list):
                    raise RefusedError("results is not a list")
            except RefusedError as refused:
                yield Parsed(line, reason=str(refused))
                continue
            if not groups:
                yield Parsed(line)
            for group in groups:
                try:
                    usage = read(obj(group), start, end)
                except RefusedError as refused:
                    yield Parsed(line, reason=str(refused))
                else:
                    yield Parsed(line, (usage,) if usage is not None else ())

    return parse_records


def mostly(looks: Callable[[Record], bool]) -> Callable[[list[Record]], bool]:
    """Recognises a log of which nine in ten records look right: a stray one must not hide what it is."""
    return lambda records: bool(records) and sum(map(looks, records)) >= 0.9 * len(records)


def count(value: Any, what: str) -> int:
    """Units that were counted; 0 where absent. Text is a number only if it reads as one (CSV, OTLP)."""
    if type(value) is int:
        if 0 <= value <= MOST_UNITS:
            return value
    elif value is None or value == "":
        return 0
    return _checked(value, what)


def _checked(value: Any, what: str) -> int:
    number = value
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        number = _decimal(value.strip())
    is_number = isinstance(number, int | Decimal) and not isinstance(number, bool)
    if not is_number or not Decimal(number).is_finite():
        raise RefusedError(f"{what} is not a number: {shown(value)}")
    units: int | Decimal = number
    if units < 0:
        raise RefusedError(f"{what} is negative: {shown(value)}")
    if units > MOST_UNITS:
        raise RefusedError(f"{what} is beyond any count: {shown(value)}")
    if units != int(units):
        raise RefusedError(f"{what} is not whole: {shown(value)}")
    return int(units)


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def split(whole: int, what: str, rest: str, parts: Mapping[str, int]) -> dict[str, int]:
    """A counter that includes others, as disjoint meters: {meter: part, ..., `rest`: what none of them is}.

    Raises RefusedError where the parts exceed the whole.
    """
    inside = sum(parts.values())
    if not inside:
        return {rest: whole}
    left = whole - inside
    if left < 0:
        named = " and ".join(f"{meter} ({units})" for meter, units in parts.items() if units)
        raise RefusedError(f"{named} exceed {what} ({whole}), which includes them")
    return {rest: left, **{meter: units for meter, units in parts.items() if units}}


def any_given(record: Record, *names: str) -> bool:
    """Whether at least one of the counters is there."""
    return any(record.get(name) not in (None, "") for name in names)


def usd(value: Any, what: str) -> Decimal | None:
    """An exact amount in USD; None where absent."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise RefusedError(f"{what} is not an amount: {shown(value)}")
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        raise RefusedError(f"{what} is not an amount: {shown(value)}")
    amount = _decimal(value.strip()) if isinstance(value, str) else Decimal(value)
    if amount is None or not amount.is_finite() or abs(amount) > DEAREST_USD:
        raise RefusedError(f"{what} is no plausible amount: {shown(value)}")
    if amount < 0:
        raise RefusedError(f"{what} is negative: {shown(value)}")
    if int(amount.as_tuple().exponent) < -MOST_DECIMALS:
        raise RefusedError(f"{what} has more than {MOST_DECIMALS} decimals: {shown(value)}")
    return amount.copy_abs()  # of "-0"


def added(*amounts: Decimal | None) -> Decimal | None:
    """The exact sum of those that are known; None if none is."""
    known = [amount for amount in amounts if amount is not None]
    total = Decimal(0)
    for amount in known:
        total = _EXACT.add(total, amount)
    return total if known else None


def instant(value: Any, context: Context, what: str, *, implied: tzinfo | None = None) -> datetime:
    """An ISO 8601 time, in UTC. `implied`: the zone in which the format says that its times are."""
    if type(value) is not str or not value:
        raise RefusedError(f"{what} is missing" if value in (None, "") else f"{what} is not a time: {shown(value)}")
    at = _time(value)
    if at is None:
        raise RefusedError(f"{what} is not a time: {shown(value)}")
    if at.tzinfo is None:
        zone = implied or context.timezone
        if zone is None:
            raise RefusedError(f"{what} has no time zone: {shown(value)}; --timezone names it")
        at = at.replace(tzinfo=zone)
    return _plausible(at, context, what)


def _time(text: str) -> datetime | None:
    if text[4:5] != "-" or not 10 <= len(text) <= 40:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text.removesuffix(" UTC") + "+00:00") if text.endswith(" UTC") else None
    except ValueError:
        return None


def unix(value: Any, context: Context, what: str, per_second: int = 1) -> datetime:
    """A Unix time in units of which `per_second` make a second, in UTC."""
    if value in (None, ""):
        raise RefusedError(f"{what} is missing")
    number = _decimal(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value
    if isinstance(number, bool) or not isinstance(number, int | Decimal):
        raise RefusedError(f"{what} is not a Unix time: {shown(value)}")
    if not 0 <= number <= _LATEST_S * per_second:
        raise RefusedError(f"{what} is not a Unix time of this unit: {shown(value)}")
    return _plausible(_EPOCH + timedelta(microseconds=int(number * 10**6 // per_second)), context, what)


def _plausible(at: datetime, context: Context, what: str) -> datetime:
    try:
        moment = at if at.tzinfo is UTC else at.astimezone(UTC)
    except OverflowError:
        raise RefusedError(f"{what} is not a time that can be: {shown(str(at))}") from None
    if moment < EARLIEST:
        raise RefusedError(f"{what} is too long ago: {moment.isoformat()}")
    if moment > context.now + AHEAD:
        raise RefusedError(f"{what} lies in the future: {moment.isoformat()}")
    return moment


def is_over(start: datetime, end: datetime, context: Context) -> None:
    """Refuses a time bucket that has not ended: it would be kept half full."""
    if end <= start:
        raise RefusedError(f"it ends at {end.isoformat()}, before it begins")
    if end > context.now:
        raise RefusedError(f"it is not over before {end.isoformat()}: import it again then")


def obj(value: Any) -> Mapping[str, Any]:
    """A nested object, also as JSON text (as CSV holds it); empty where it is none."""
    if isinstance(value, dict):
        return value
    if isinstance(value, str) and value[:1] == "{":
        try:
            inner = parse(value)
        except RefusedError:
            return {}
        return inner if isinstance(inner, dict) else {}
    return {}


def items(value: Any) -> list[Any]:
    """A nested list, also as JSON text; empty where it is none."""
    if isinstance(value, str) and value[:1] == "[":
        try:
            value = parse(value)
        except RefusedError:
            return []
    return value if isinstance(value, list) else []


def first(record: Record, *names: str) -> Any:
    """The first of several spellings that is there."""
    for each in names:
        value = record.get(each)
        if value is not None and value != "":
            return value
    return None


def shown(value: Any) -> str:
    """A hostile value as short plain text for a reason."""
    text = str(value) if isinstance(value, str | Decimal | None) else reprlib.repr(value)
    plain = "".join(c if c.isprintable() else "?" for c in text[:60])
    return f"{plain!r}" + (" (shortened)" if len(text) > 60 else "")
