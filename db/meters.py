"""The billable quantities. A rate and a usage quantity of one name are multiplied with each other."""

from decimal import Decimal
from typing import Final

PROMPT: Final = "prompt"
COMPLETION: Final = "completion"

UNITS: Final[dict[str, str]] = {
    PROMPT: "token",
    COMPLETION: "token",
    "internal_reasoning": "token",
    "input_cache_read": "token",
    "input_cache_write": "token",
    "input_cache_write_1h": "token",
    "audio": "token",
    "audio_output": "token",
    "input_audio_cache": "token",
    "image_token": "token",
    "image": "image",
    "image_output": "image",
    "request": "request",
    "web_search": "search",
}
"""Meter -> the single unit that its rate is quoted for. Order is the order of display."""

LABELS: Final[dict[str, str]] = {
    PROMPT: "Input",
    COMPLETION: "Output",
    "internal_reasoning": "Reasoning",
    "input_cache_read": "Cache read",
    "input_cache_write": "Cache write",
    "input_cache_write_1h": "Cache write (1 h)",
    "audio": "Audio in",
    "audio_output": "Audio out",
    "input_audio_cache": "Audio cache read",
    "image_token": "Image token",
    "image": "Image in",
    "image_output": "Image out",
    "request": "Request",
    "web_search": "Web search",
}


PER_MILLION: Final = 1_000_000
"""People quote token rates for this many."""


def unit(meter: str) -> str:
    """The unit of one quantity of `meter`; "unit" for a meter that this version does not know."""
    return UNITS.get(meter, "unit")


def label(meter: str) -> str:
    """What a person calls the meter."""
    return LABELS.get(meter, meter.replace("_", " ").capitalize())


def order(meter: str) -> tuple[int, str]:
    """Sort key: known meters in the order of display, then the others by name."""
    names = list(UNITS)
    return (names.index(meter) if meter in UNITS else len(names), meter)


def decimal_text(value: Decimal) -> str:
    """The shortest plain notation: no exponent, no trailing zeros, no negative zero."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
