"""JSON with exact numbers, as logs need it. No float is ever made."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from collector.logs.base import RefusedError

LONGEST_NUMBER: Final = 300
"""Digits of a number, and places that it may be moved by; beyond, it stays text, which is no number anywhere."""
_EVERYDAY: Final = 30


def _fraction(text: str) -> Decimal | str:
    if len(text) <= _EVERYDAY and "e" not in text and "E" not in text:
        return Decimal(text)
    try:
        value = Decimal(text)
    except InvalidOperation:
        return text
    return value if len(text) <= LONGEST_NUMBER and abs(value.adjusted()) <= LONGEST_NUMBER else text


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= LONGEST_NUMBER else text


# NaN and Infinity are no JSON, but some writers put them: they become text too.
_quick: Final = json.JSONDecoder(parse_float=_fraction, parse_constant=str)
_careful: Final = json.JSONDecoder(parse_float=_fraction, parse_constant=str, parse_int=_integer)


def scan(text: str, start: int = 0) -> tuple[Any, int]:
    """The value that begins at `start`, and where it ends.

    Raises JSONDecodeError where there is none, RefusedError for one that is nested too deeply.
    """
    try:
        try:
            return _quick.raw_decode(text, start)
        except json.JSONDecodeError:
            raise
        except ValueError:
            # Somewhere an absurdly long integer: slower, and only that one becomes text.
            return _careful.raw_decode(text, start)
    except RecursionError:
        raise RefusedError("it is nested too deeply") from None


def parse(text: str) -> Any:
    """The one value that `text` is. Raises RefusedError with the reason where it is none."""
    start = 0 if text.startswith("{") else len(text) - len(text.lstrip())
    try:
        value, end = scan(text, start)
    except json.JSONDecodeError as error:
        raise RefusedError(f"it is not JSON: {error.msg} at character {error.pos + 1}") from None
    if end != len(text) and not text[end:].isspace():
        raise RefusedError(f"it is not JSON: something follows the value at character {end + 1}")
    return value
