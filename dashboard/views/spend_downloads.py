"""The shown period as CSV: sums by day, and charges in the words of FOCUS. Made when asked for."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from typing import Any, Final

import streamlit as st

from dashboard.data import Reader, engine_of
from dashboard.views.spend_filters import Asked
from db.engine import reading
from db.meters import decimal_text
from db.usage import charges, export, report
from db.usage.exact import usd
from db.usage.keys import MINUTES_A_DAY
from db.usage.read import View
from db.usage.summary import Summary

BY: Final = ("day", "model", "provider", "project", "api_key", "user", "sample")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


def buttons(reader: Reader, asked: Asked) -> None:
    """Two buttons; nothing is read before one is pressed."""
    view = asked.state.view(asked.period, asked.only)
    name = f"{asked.period.first.isoformat()}_{asked.period.last.isoformat()}{'_with_sample' if asked.sampled else ''}"
    kinds = {
        "CSV": (sums_csv, f"spend_{name}.csv", f"One line a {', '.join(BY)}: exact decimals in US$."),
        "FOCUS": (focus_csv, f"focus_{name}.csv", "Charges by day in the columns of FOCUS 1.2, corrections included."),
    }
    with st.container(horizontal=True, width="content"):
        for label, (made, file_name, told) in kinds.items():
            st.download_button(
                label,
                partial(made, reader, view),
                file_name=file_name,
                mime="text/csv",
                icon=":material/download:",
                on_click="ignore",
                help=f"{told} A cost that is not known stays empty.",
            )


def sums_csv(reader: Reader, view: View) -> str:
    """Sums by BY; an unpriced cost is empty."""
    with reading(engine_of(reader.url)) as connection:
        found = report.summary(connection, BY, view)
    used = list(dict.fromkeys(meter for each in found for meter in each.units))
    names = [*BY, "requests", *used, "cost_usd", "unpriced_requests", "logged_usd", "logged_requests"]
    return _csv(names, (_line(each, used) for each in found))


def _line(sums: Summary, used: Iterable[str]) -> list[Any]:
    return [
        *sums.key,
        sums.requests,
        *(sums.units.get(meter, 0) for meter in used),
        _money(sums.cost_nano),
        sums.unpriced_requests,
        _money(sums.logged_nano),
        sums.logged_requests,
    ]


def _money(nano: int | None) -> Decimal | None:
    return None if nano is None else usd(nano)


def focus_csv(reader: Reader, view: View) -> str:
    """Charges by day, as first costed, then what restatements corrected."""
    with reading(engine_of(reader.url)) as connection:
        found = map(charges.focus, export.charges(connection, view, MINUTES_A_DAY))
        return _csv(charges.COLUMNS, (row.values() for row in found))


def _csv(names: Iterable[str], lines: Iterable[Iterable[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([plain(value) for value in line] for line in lines)
    return out.getvalue()


def plain(value: Any) -> str:
    """A value as text. A spreadsheet runs a cell that begins like a formula; a stranger's name must not."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Decimal():
            return decimal_text(value)
    text = "".join(c for c in str(value) if unicodedata.category(c) not in ("Cc", "Cf"))
    return f"'{text}" if text.lstrip()[:1] in set("=+-@") and not _NUMBER.fullmatch(text) else text
