"""A log from the viewer's browser: handed to the same command that a terminal would run, and gone afterwards."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final

import streamlit as st

from dashboard import format as fmt
from dashboard import markup
from dashboard.markup import Html, Text
from db.errors import RatecardError, UsageError
from db.settings import Storage, load

FIELDS: Final = {
    "--log-format": ("Log format", "recognised by its content"),
    "--map": ("Columns", "time=ts,model=model,prompt=in,completion=out"),
    "--timezone": ("Time zone of times without one", "UTC"),
    "--model": ("Model, where the log names none", ""),
    "--provider": ("Provider, where the log names none", ""),
    "--project": ("Project, where the log names none", ""),
}
_COUNTS: Final = {
    "rows": "rows",
    "imported": "imported",
    "duplicates": "duplicates",
    "rejected": "rejected",
    "ignored": "without usage",
    "unpriced": "without a price",
}
_LONGEST_NAME: Final = 120


@dataclass(frozen=True, slots=True)
class Result:
    """What the command came to: its counts, None where it ended before any; and its sentences."""

    counts: Mapping[str, Any] | None
    sentences: tuple[str, ...]
    failed: bool


@st.dialog("Upload a log", width="large", on_dismiss="rerun")
def dialog() -> None:
    """The form over the page; the page is drawn anew when it is closed."""
    form()


@st.fragment
def form() -> None:
    """Choose a file, say what it does not say by itself, import it."""
    limit = int(st.get_option("server.maxUploadSize"))
    with st.form("upload", border=False):
        file = st.file_uploader(
            f"A log of at most {fmt.count(limit)} MB; `ratecard usage import FILE` reads larger ones, and folders"
        )
        with st.expander("What the log does not say by itself (the options of the command)"):
            columns = st.columns(2)
            options = {
                flag: columns[number % 2].text_input(f"{label} ({flag})", placeholder=hint, key=f"upload{flag}")
                for number, (flag, (label, hint)) in enumerate(FIELDS.items())
            }
        pressed = st.form_submit_button("Import", type="primary", icon=":material/upload:")
    if not pressed:
        return
    if file is None:
        st.html(markup.problem("Choose a file first."))
        return
    try:
        with st.spinner("Importing: reading, then costing each request at the price of its time…"):
            result = imported(file, file.name, {flag: value for flag, value in options.items() if value})
    except RatecardError as error:
        st.html(markup.problem(str(error)))
        return
    st.html(told(result, file.name))


def safe_name(name: str) -> str:
    """A file name that is only a name: no folder, no pattern, nothing that hides it or steers a terminal."""
    kept = re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip("._-")
    return kept[-_LONGEST_NAME:].lstrip("._-") or "log"


def imported(content: BinaryIO, name: str, options: Mapping[str, str]) -> Result:
    """Run `ratecard usage import` over what was uploaded. Raises RatecardError where it cannot be put aside."""
    uploads = load(Storage).home / "uploads"
    try:
        uploads.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=uploads) as folder:
            file = Path(folder) / safe_name(name)
            with file.open("wb") as stream:
                shutil.copyfileobj(content, stream)
            ran = subprocess.run(command(file, options), capture_output=True, check=False, stdin=subprocess.DEVNULL)  # noqa: S603
    except OSError as error:
        raise UsageError(f"The log cannot be put aside in {uploads}: {error.strerror}.") from error
    said = ran.stderr.decode(errors="replace").replace(str(file), file.name)
    return Result(_counts(ran.stdout), tuple(filter(None, said.splitlines())), failed=ran.returncode != 0)


def command(file: Path, options: Mapping[str, str]) -> list[str]:
    """The command; a value is part of its option's word, so that none can be an option itself."""
    said = (f"{flag}={value}" for flag, value in options.items())
    return [sys.executable, "-m", "scripts.ratecard", "usage", "import", "--format=json", *said, "--", str(file)]


def _counts(output: bytes) -> Mapping[str, Any] | None:
    try:
        found = json.loads(output)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("rows") else None


def told(result: Result, name: str) -> Html:
    """The counts, and every sentence of the command."""
    parts: list[Text] = []
    if result.counts is not None:
        counts = [f"{fmt.count(result.counts.get(key, 0))} {label}" for key, label in _COUNTS.items()]
        cost = result.counts.get("cost_usd")
        price = f"; US$ {cost}. " if cost is not None else ". "
        shown = markup.link("Show all usage", "spend", {"period": "All"})
        parts.append(markup.note(markup.join([markup.span(name, "accent"), ": ", ", ".join(counts), price, shown])))
    if result.sentences:
        text = "\n".join(result.sentences)
        said = markup.join(map(markup.html, result.sentences), Html("<br>"))
        parts.append(markup.problem(text) if result.failed else markup.paragraph(said, "small mute"))
    elif result.failed:
        parts.append(markup.problem("The import ended without a word; `ratecard usage import FILE` may say more."))
    return markup.join(parts)
