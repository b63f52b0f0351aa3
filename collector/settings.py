"""What the collector needs besides storage. Keys come from the environment or a file, never from an option."""

import os
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from db.errors import UsageError
from db.plans.alerts import Kind, Thresholds
from db.plans.messages import Quiet, quiet_hours
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


_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CHANNEL: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


class Channel(BaseModel):
    """One entry of [alerts.channels]: where alerts go, and which.

    `url`: the environment variable that holds the channel's apprise URL (that with _FILE behind its name may name a
    file instead), never the URL itself: it is a secret.
    """

    model_config = ConfigDict(extra="forbid")

    url: str
    kinds: list[Kind] = Field(default_factory=lambda: list(Kind))

    @field_validator("url")
    @classmethod
    def _names_a_variable(cls, url: str) -> str:
        if not _VARIABLE.fullmatch(url):
            raise ValueError(
                "it names the environment variable that holds the URL of the channel, never the URL itself"
            )
        return url


class Alerting(BaseModel):
    """[alerts] of ratecard.toml: what is worth an alert, where it goes, and when.

    `quiet`: hours in which only `urgent` kinds are sent (`22:00-07:00`), by the clocks of `quiet_zone`; `an_hour`: how
    many messages a channel gets at most; what exceeds them comes as one summary.
    """

    model_config = ConfigDict(extra="forbid")

    channels: dict[str, Channel] = Field(default_factory=dict)
    thresholds: Thresholds = Field(default_factory=Thresholds)
    urgent: list[Kind] = Field(default_factory=lambda: [Kind.DOWN])
    quiet: str = ""
    quiet_zone: str = "UTC"
    an_hour: int = Field(default=10, ge=1, le=1000)
    every_minutes: int = Field(default=1, ge=1, le=30)
    timeout_s: float = Field(default=20, gt=0, le=120)

    @field_validator("channels", mode="before")
    @classmethod
    def _short_form(cls, channels: Any) -> Any:
        """`oncall = "ONCALL_URL"` is short for `oncall = {url = "ONCALL_URL"}`."""
        if not isinstance(channels, dict):
            return channels
        if not all(isinstance(name, str) and _CHANNEL.fullmatch(name) for name in channels):
            raise ValueError("the name of a channel is a short word in lower case, like oncall; its URL is a secret")
        return {name: {"url": each} if isinstance(each, str) else each for name, each in channels.items()}

    @model_validator(mode="after")
    def _hours(self) -> Self:
        quiet_hours(self.quiet, self.quiet_zone)
        return self

    @property
    def quiet_hours(self) -> Quiet | None:
        return quiet_hours(self.quiet, self.quiet_zone)

    @property
    def lease(self) -> timedelta:
        """How long a message is left to whoever is sending it."""
        return timedelta(seconds=self.timeout_s + 10)

    @property
    def wanted(self) -> dict[str, list[Kind]]:
        """Channel -> the kinds that go to it."""
        return {name: channel.kinds for name, channel in self.channels.items()}


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
    alerts: Alerting = Field(default_factory=Alerting)


class UsageDefaults(BaseModel):
    """[usage] of ratecard.toml: what `ratecard usage import` takes where no option says it. `map`: field -> column."""

    model_config = ConfigDict(extra="forbid")

    map: dict[str, Any] = Field(default_factory=dict)
    timezone: str = ""
    model: str = ""
    provider: str = ""
    project: str = ""


class Importing(Storage):
    """How usage logs are read."""

    usage: UsageDefaults = Field(default_factory=UsageDefaults)


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
