"""Where things are: from the environment (RATECARD_*) or ratecard.toml, in this order."""

import os
import re
import tomllib
from pathlib import Path
from typing import Self, TypeVar

from pydantic import ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from db.errors import UsageError

S = TypeVar("S", bound="Storage")


def config_file() -> Path:
    """RATECARD_CONFIG, or ratecard.toml in the working folder."""
    return Path(os.environ.get("RATECARD_CONFIG") or "ratecard.toml")


class Storage(BaseSettings):
    """What reader and writer both need."""

    model_config = SettingsConfigDict(env_prefix="RATECARD_", extra="ignore", hide_input_in_errors=True)

    home: Path = Path.home() / ".ratecard"
    database_url: str = ""

    @model_validator(mode="after")
    def _default_database(self) -> Self:
        self.home = self.home.expanduser()
        if not self.database_url:
            self.database_url = f"sqlite:///{self.home / 'ratecard.db'}"
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, config_file())


def load(kind: type[S]) -> S:
    """The settings, or one sentence about the first that is wrong. A value is never repeated: it may be a key."""
    if os.environ.get("RATECARD_CONFIG") and not config_file().is_file():
        raise UsageError(f"There is no file {config_file()}, which RATECARD_CONFIG names.")
    try:
        return kind()
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "settings"
        said = first["msg"].removeprefix("Value error, ")
        reason = said[0].lower() + said[1:]
        raise UsageError(
            f"The setting {name} (RATECARD_{name.partition('.')[0].upper()} or {config_file()}) is wrong: {reason}."
        ) from error
    except SettingsError as error:
        name = next(iter(re.findall(r'field "(\w+)"', str(error))), "settings")
        raise UsageError(
            f'The setting RATECARD_{name.upper()} is no JSON; a list is written ["one", "two"].'
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{config_file()} is not TOML: {error}.") from error
    except OSError as error:
        raise UsageError(f"{config_file()} cannot be read: {error.strerror}.") from error
