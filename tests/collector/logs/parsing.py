"""Logs in, plain facts out."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from collector.logs import FORMATS
from collector.logs.base import Context, Parsed, Record
from collector.logs.jsontext import parse
from collector.logs.reading import read
from db.meters import decimal_text
from db.usage.facts import Usage

FIXTURES = Path(__file__).parent / "fixtures"
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
CONTEXT = Context(NOW)
IN_BERLIN = Context(NOW, ZoneInfo("Europe/Berlin"))
LOGS = {
    "openrouter_activity.json": "openrouter_activity",
    "openrouter_activity.csv": "openrouter_activity",
    "openrouter_generation.json": "openrouter_generation",
    "openai_usage.json": "openai_usage",
    "openai_chat.jsonl": "openai_chat",
    "anthropic_usage.json": "anthropic_usage",
    "litellm.jsonl": "litellm",
    "langfuse.jsonl": "langfuse",
    "helicone.json": "helicone",
    "otel_genai.json": "otel_genai",
    "claude_code.jsonl": "claude_code",
    "codex.jsonl": "codex",
}
"""Fixture -> its format."""


def records_of(path: Path) -> list[tuple[int, Record]]:
    """All records of a file that nothing is wrong with."""
    refused: list[Parsed] = []
    records = list(read(path, refused.append))
    assert refused == []
    return records


def parsed(log_format: str, records: Iterable[Record], context: Context = CONTEXT) -> list[Parsed]:
    return list(FORMATS[log_format].parse(enumerate(records, 1), context))


def fixture(name: str) -> list[Any]:
    """The records of a fixture, to be changed."""
    return [record for _, record in records_of(FIXTURES / name)]


def usages(found: Iterable[Parsed]) -> list[Usage]:
    return [usage for each in found for usage in each.usage]


def reasons(found: Iterable[Parsed]) -> list[str]:
    return [each.reason for each in found if each.reason]


def only(log_format: str, text: str, context: Context = CONTEXT) -> Usage:
    """The one usage of one record, given as JSON."""
    (found,) = parsed(log_format, [parse(text)], context)
    assert found.reason == ""
    return found.usage[0]


def refused(log_format: str, text: str, context: Context = CONTEXT) -> str:
    """Why the one record, given as JSON, is none."""
    (found,) = parsed(log_format, [parse(text)], context)
    assert found.usage == ()
    return found.reason


def facts(usage: Usage) -> Mapping[str, Any]:
    """Usage as plain JSON, without what is as it is by default."""
    plain: dict[str, Any] = {
        "at": usage.at.isoformat(),
        "until": usage.until.isoformat() if usage.until else None,
        "requests": usage.requests if usage.requests != 1 else None,
        "quantities": dict(usage.quantities),
        "tags": dict(usage.tags),
        "cost_usd": decimal_text(usage.cost_usd) if usage.cost_usd is not None else None,
        "total_tokens": usage.total_tokens,
        "key": usage.key,
        "rank": usage.rank,
    }
    for name in ("model", "provider", "endpoint", "variant", "project", "api_key", "user"):
        plain[name] = getattr(usage, name)
    return {name: value for name, value in plain.items() if value not in (None, "", 0) and value != {}}


def changed(record: Any, **fields: Any) -> Any:
    """A record with other fields; None takes one away."""
    copy = json.loads(json.dumps(record, default=str))
    copy.update(fields)
    return {name: value for name, value in copy.items() if value is not None}
