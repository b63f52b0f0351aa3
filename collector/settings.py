"""What the collector needs besides storage. Keys come from the environment or a file, never from an option."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from db.errors import UsageError
from db.settings import Storage


class Watched(BaseModel):
    """One [[watch]] entry of ratecard.toml: an endpoint or model at OpenRouter, or an OpenAI-compatible server.

    `key`: the environment variable that holds the server's key, never the key itself. `free`: the server is your own,
    nobody is billed; without, a server with a key is only reached for, since what it would cost is unknown.
    """

    model_config = ConfigDict(extra="forbid")

    endpoint: str | None = None
    name: str | None = None
    url: str | None = None
    model: str | None = None
    key: str | None = None
    free: bool = False
    prober: Literal["chat", "reach"] = "chat"
    prompts: list[Literal["short", "long"]] = Field(default=["short"])
    every_minutes: float = Field(default=10, ge=1, le=1440)


class Collecting(Storage):
    """Addresses, bounds and pace of fetching. Sizes in bytes, times in seconds."""

    openrouter_url: str = "https://openrouter.ai/api/v1"
    models_dev_url: str = "https://models.dev"
    sources: list[str] = Field(default_factory=lambda: ["openrouter", "models_dev", "genai_prices"])
    at_once: int = Field(default=8, ge=1, le=16)
    timeout_s: float = Field(default=20, gt=0)
    deadline_s: float = Field(default=60, gt=0)
    attempts: int = Field(default=3, ge=1, le=10)
    max_body_bytes: int = Field(default=32 * 1024 * 1024, gt=0)
    grace_s: float = Field(default=20, ge=0)
    probe_budget_usd: Decimal = Field(default=Decimal(0), ge=0, le=1000)
    watch: list[Watched] = Field(default_factory=list)


def secret(name: str) -> SecretStr | None:
    """The key in the environment variable `name`, or in the file that `name`_FILE names."""
    value = os.environ.get(name, "").strip()
    file = os.environ.get(f"{name}_FILE", "").strip()
    if not value and file:
        try:
            value = Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise UsageError(f"The key file that {name}_FILE names cannot be read: {error.strerror}.") from error
    if not value:
        return None
    if not value.isascii() or not value.isprintable() or " " in value:
        raise UsageError(f"The key in {name} holds a space or an unprintable character. Was it pasted whole?")
    return SecretStr(value)
