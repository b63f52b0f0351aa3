"""The project's own files, for tests that hold the repository to its rules."""

import subprocess
from pathlib import Path

from tests.support.availability import unavailable

ROOT = Path(__file__).resolve().parents[2]


def repository_files() -> list[Path]:
    """Every file that is, or would be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        unavailable(f"git cannot list the files of the project: {listed.stderr.strip()}")
    files = (ROOT / name for name in listed.stdout.split("\0") if name)
    return sorted(file for file in files if file.is_file())
