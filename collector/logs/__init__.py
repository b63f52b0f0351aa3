"""The registry of usage-log formats. One module and one line here adds a format."""

from typing import Final

from collector.logs import (
    anthropic_usage,
    claude_code,
    codex,
    helicone,
    langfuse,
    litellm,
    openai_chat,
    openai_usage,
    openrouter_activity,
    openrouter_generation,
    otel_genai,
)
from collector.logs.base import Format, Record
from db.errors import InputError

FORMATS: Final[dict[str, Format]] = {
    each.name: each
    for each in (
        openrouter_activity.FORMAT,
        openrouter_generation.FORMAT,
        openai_usage.FORMAT,
        openai_chat.FORMAT,
        anthropic_usage.FORMAT,
        litellm.FORMAT,
        langfuse.FORMAT,
        helicone.FORMAT,
        otel_genai.FORMAT,
        claude_code.FORMAT,
        codex.FORMAT,
    )
}
"""By name. Another, `generic`, maps columns that the user names; it has no fixed shape, and is not recognised here."""


def recognise(records: list[Record], what: str = "the log") -> Format:
    """The format of a log with these first records. Raises InputError where none, or more than one, is sure of it."""
    sure = [each for each in FORMATS.values() if each.recognises(records)]
    if len(sure) == 1:
        return sure[0]
    why = f"could be {' or '.join(each.name for each in sure)}" if sure else "is of no format that is recognised"
    raise InputError(f"{what} {why}: name it with --log-format, one of {', '.join(FORMATS)}, generic.")
