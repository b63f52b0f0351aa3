"""How the dashboard is started: the command that serves it, with every setting on it."""

import os
import sys
from pathlib import Path

from dashboard.theme import flags

APP = Path(__file__).parent / "app.py"


def command(port: int, address: str = "127.0.0.1") -> list[str]:
    """The program and arguments that serve the dashboard at `address`:`port` until they are ended.

    Options win over any config.toml of the user, so the dashboard looks and behaves the same everywhere.
    """
    return [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(APP),
        f"--server.address={address}",
        f"--server.port={port}",
        "--server.headless=true",
        "--server.fileWatcherType=none",
        "--server.runOnSave=false",
        "--server.showEmailPrompt=false",
        "--browser.gatherUsageStats=false",
        "--client.toolbarMode=viewer",
        "--client.showErrorDetails=none",
        "--client.showErrorLinks=false",
        *flags(),
    ]


def environment(database_url: str) -> dict[str, str]:
    """This process's environment, with the database that the dashboard reads.

    The URL may hold a password, so it is no argument that every user of the machine can list.
    """
    return {**os.environ, "RATECARD_DATABASE_URL": database_url}
