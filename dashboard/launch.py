"""How the dashboard is started: the command that serves it, and every setting of it."""

import re
import sys
from pathlib import Path
from typing import Final

from dashboard.theme import options

APP: Final = Path(__file__).parent / "app.py"

_OPTIONS: Final = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.runOnSave": "false",
    "server.showEmailPrompt": "false",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "viewer",
    # What went wrong stands in the log of the server; a page shows sentences.
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
}


def command(port: int, address: str = "127.0.0.1") -> list[str]:
    """The program that serves the dashboard at `address`:`port` until it is ended. Needs `environment` around it."""
    where = [f"--server.address={address}", f"--server.port={port}"]
    return [sys.executable, "-m", "streamlit", "run", str(APP), *where]


def environment() -> dict[str, str]:
    """The settings as environment variables. They win over any config.toml, so the dashboard is the same everywhere."""
    return {_variable(name): value for name, value in (_OPTIONS | options()).items()}


def _variable(option: str) -> str:
    """`theme.light.baseRadius` -> `STREAMLIT_THEME_LIGHT_BASE_RADIUS`."""
    return "STREAMLIT_" + re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", option.replace(".", "_")).upper()
