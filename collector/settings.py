"""What the collector needs besides storage. Keys come from the environment or a file, never from an option."""

import os
from pathlib import Path

from pydantic import Field, SecretStr

from db.errors import UsageError
from db.settings import Storage


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
