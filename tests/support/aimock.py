"""aimock, a server that plays OpenAI and OpenRouter and injects faults; not written by this project.

It is an npm package, installed once under .tools/ just as aimock/package-lock.json says.
`python -m tests.support.aimock` installs it ahead of the tests, for scripts/test.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from threading import Thread
from typing import IO, Any, Final

from tests.support.availability import unavailable
from tests.support.repository import ROOT

OLDEST_NODE: Final = (20, 15)
_PACKAGE: Final = Path(__file__).with_suffix("")
_FILES: Final = ("package.json", "package-lock.json")
_PROGRAM: Final = "node_modules/@copilotkit/aimock/dist/cli.js"


class MissingError(Exception):
    """aimock cannot be had on this machine; the message says why."""


@contextmanager
def running_aimock(fixtures: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Run aimock with these fixtures on a free port of 127.0.0.1; yields the base URL that plays OpenRouter.

    `{url}/api/v1` plays OpenRouter, `{url}/v1` a plain OpenAI-compatible server.
    """
    try:
        program = installed()
    except MissingError as error:
        unavailable(str(error))
    with tempfile.TemporaryDirectory(prefix="ratecard-aimock-") as folder:
        file = Path(folder) / "fixtures.json"
        file.write_text(json.dumps({"fixtures": list(fixtures)}), encoding="utf-8")
        command = ["node", str(program), "-p", "0", "-h", "127.0.0.1", "-f", str(file), "--log-level", "info"]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            try:
                address = _address(process.stdout)
                # What it says from now on is read, lest it waits for a reader, and forgotten.
                reader = Thread(target=process.stdout.read)
                reader.start()
                yield address
            finally:
                process.terminate()
            reader.join()


def _address(output: IO[str]) -> str:
    """Where it listens, as it says itself."""
    said = []
    for line in output:
        said.append(line)
        if found := re.search(r"listening on (http://\S+)", line):
            return found[1]
    raise AssertionError(f"aimock did not start: {''.join(said)}")


def installed() -> Path:
    """aimock's program, installed if it is not yet. Raises MissingError."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise MissingError("Node.js with npm is not installed")
    if _node_version() < OLDEST_NODE:
        raise MissingError(f"Node.js is older than {'.'.join(map(str, OLDEST_NODE))}")
    digest = blake2b(b"".join((_PACKAGE / name).read_bytes() for name in _FILES), digest_size=8).hexdigest()
    home = ROOT / ".tools" / f"aimock-{digest}"
    if not (home / _PROGRAM).exists():
        _install(home)
    return home / _PROGRAM


def _node_version() -> tuple[int, ...]:
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout
    return tuple(int(number) for number in re.findall(r"\d+", said)[:2])


def _install(home: Path) -> None:
    """Whole or not at all, also where two do it at the same time."""
    home.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as folder:
        for name in _FILES:
            shutil.copy(_PACKAGE / name, folder)
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise MissingError(f"npm could not install aimock: {' '.join(done.stdout.split())[:300]}")
        made = Path(folder) / "whole"
        made.mkdir()
        (Path(folder) / "node_modules").rename(made / "node_modules")
        # Somebody else may have been first.
        with suppress(OSError):
            made.rename(home)


def main() -> int:
    """0: it is there."""
    try:
        installed()
    except MissingError as error:
        print(f"{error}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
