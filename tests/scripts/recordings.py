"""Recorded polls, written by the tests in the shape that `ratecard replay` reads."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Json = dict[str, Any]

HERMES = "nousresearch/hermes-4-405b"
TIERED = "author/tiered-1"
EXACT = "0.00000008333333333333334"


def day(number: int) -> str:
    return f"2026-01-{number:02}T12:00:00Z"


def line(at: object, data: object, source: str = "openrouter") -> str:
    return json.dumps({"observed_at": at, "source": source, "data": data})


def write(file: Path, lines: Iterable[str]) -> Path:
    file.write_text("".join(f"{each}\n" for each in lines), encoding="utf-8")
    return file


def provider(name: str, models: dict[str, Json]) -> Json:
    """A provider of models.dev."""
    return {"id": name.lower(), "name": name, "env": [], "models": models}


def sold(prompt: float, completion: float, context: int = 131_072, **changes: Any) -> Json:
    """A model of a provider of models.dev; prices are USD per 1M tokens."""
    return {
        "name": "Sold model",
        "cost": {"input": prompt, "output": completion},
        "limit": {"context": context, "output": 8192},
        "modalities": {"input": ["text"], "output": ["text"]},
        **changes,
    }
