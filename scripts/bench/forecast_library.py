"""AutoETS in an environment of its own: it is a benchmark's rival, never a dependency of Ratecard.

Run by the interpreter of that environment: histories as JSON on standard input, the totals of the coming days on
standard output, None where it fails.
"""

import json
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final

LIBRARY: Final = "statsforecast==2.1.1"
WEEK: Final = 7


def installed(folder: Path) -> Path:
    """The interpreter of the environment in `folder`, which is made where it is missing (some 450 MB)."""
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"Installing {LIBRARY} for this benchmark into {folder} (once, some 450 MB).", file=sys.stderr)
        uv = [sys.executable, "-m", "uv", "--quiet"]
        subprocess.run([*uv, "venv", "--clear", "--python", sys.executable, str(folder)], check=True)  # noqa: S603
        subprocess.run([*uv, "pip", "install", "--python", str(python), LIBRARY], check=True)  # noqa: S603
        (folder / "complete").touch()
    return python


def totals(python: Path, histories: Sequence[Sequence[float]], horizons: Sequence[int]) -> list[list[float] | None]:
    """What AutoETS projects after each history, for each horizon in days."""
    asked = json.dumps({"histories": histories, "horizons": horizons})
    ran = subprocess.run([str(python), __file__], input=asked, capture_output=True, text=True, check=True)  # noqa: S603
    answered: list[list[float] | None] = json.loads(ran.stdout)
    return answered


def _answer() -> None:
    from statsforecast.models import AutoETS  # type: ignore[import-not-found]

    warnings.simplefilter("ignore")
    asked = json.load(sys.stdin)
    answers: list[list[float] | None] = []
    for history in asked["histories"]:
        import numpy as np

        try:
            ahead = AutoETS(season_length=WEEK).forecast(np.array(history, dtype=float), h=max(asked["horizons"]))
            running = np.cumsum(ahead["mean"])
            answer = [max(0.0, float(running[horizon - 1])) for horizon in asked["horizons"]]
            answers.append(answer if np.isfinite(running).all() else None)
        except Exception:  # noqa: BLE001 - whatever it raises, it has no answer
            answers.append(None)
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    _answer()
