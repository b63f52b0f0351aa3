"""Codex CLI's session logs (rollouts), JSON lines: `token_count` events between the lines of a session.

An event holds a running total and the step that led to it (`last_token_usage`); only steps count. Input includes
cached and cache-writing tokens, output reasoning. The same event comes again when only rate limits changed: its running
total is the same. A forked session begins with a copy of its parent's events under new times: running total and step
are the same there too, so they are the key; a session's first event, which others may equal by chance, also has the
session it first came from. Of copies, the one in the session that is no fork counts, since its time is right.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from collector.logs.base import Context, Format, Parsed, Record, RefusedError
from collector.logs.fields import any_given, count, instant, mostly, obj, split
from collector.logs.names import digest, last_part, name, tags
from db.meters import COMPLETION, PROMPT
from db.usage.facts import Usage

NAME = "codex"
_COUNTERS: Final = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
)
_LINES: Final = frozenset(
    {"session_meta", "turn_context", "event_msg", "response_item", "compacted", "token_usage_record"}
)


class _Session:
    """What earlier lines of a file say about later ones."""

    def __init__(self) -> None:
        self.origin = ""
        self.is_fork = False
        self.model = ""
        self.folder = ""
        self.provider = "openai"
        self.running: tuple[int, ...] | None = None

    def note(self, record: Record) -> None:
        """Take in a line that is no event. A fork names its own session first, then those it was copied from."""
        payload = obj(record.get("payload"))
        if record.get("type") == "session_meta":
            parent = name(payload.get("forked_from_id"))
            is_first = not self.origin
            self.is_fork = self.is_fork or bool(parent)
            self.origin = parent or name(payload.get("id"))
            if is_first:
                self.folder = name(payload.get("cwd"))
                self.provider = name(payload.get("model_provider")) or self.provider
        elif record.get("type") == "turn_context":
            self.model = name(payload.get("model")) or self.model
            self.folder = name(payload.get("cwd")) or self.folder


def _parse(records: Iterable[tuple[int, Record]], context: Context) -> Iterator[Parsed]:
    session = _Session()
    for line, record in records:
        session.note(record)
        try:
            usage = _read(record, session, context)
        except RefusedError as refused:
            yield Parsed(line, reason=str(refused))
        else:
            yield Parsed(line, (usage,) if usage is not None else ())


def _read(record: Record, session: _Session, context: Context) -> Usage | None:
    payload = obj(record.get("payload"))
    info = obj(payload.get("info"))
    if record.get("type") != "event_msg" or payload.get("type") != "token_count" or not info:
        return None
    total, step = obj(info.get("total_token_usage")), obj(info.get("last_token_usage"))
    if not any_given(step, "input_tokens", "output_tokens"):
        raise RefusedError("it has a running total only, and no step")
    running = tuple(count(total.get(each), f"total {each}") for each in _COUNTERS)
    if any(running) and running == session.running:
        return None
    quantities = _quantities(step)
    usage = Usage(
        at=instant(record.get("timestamp"), context, "timestamp"),
        quantities=quantities,
        model=session.model,
        provider=session.provider,
        project=last_part(session.folder),
        tags=tags([("folder", session.folder)]),
        total_tokens=count(step["total_tokens"], "total_tokens") if step.get("total_tokens") else None,
        key=_key(session, running, quantities),
        rank=0 if session.is_fork else 1,
    )
    session.running = running
    return usage


def _quantities(step: Record) -> dict[str, int]:
    units = {each: count(step.get(each), each) for each in _COUNTERS}
    parts = {
        "input_cache_read": units["cached_input_tokens"],
        "input_cache_write": units["cache_write_input_tokens"],
    }
    thought = {"internal_reasoning": units["reasoning_output_tokens"]}
    return {
        **split(units["input_tokens"], "input_tokens", PROMPT, parts),
        **split(units["output_tokens"], "output_tokens", COMPLETION, thought),
    }


def _key(session: _Session, running: tuple[int, ...], quantities: dict[str, int]) -> str | None:
    is_first = sum(quantities.values()) >= running[0] + running[3]
    if not any(running) or (is_first and not session.origin):
        return None
    return digest(NAME, running, sorted(quantities.items()), session.origin if is_first else "")


def _looks(record: Record) -> bool:
    return name(record.get("type")) in _LINES and isinstance(record.get("payload"), dict)


FORMAT = Format(
    NAME,
    "Codex CLI sessions",
    "running total and step; the session's first event: its session too",
    mostly(_looks),
    _parse,
)
