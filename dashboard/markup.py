"""Tables and labels as HTML. Everything that is not made here is escaped: names and texts come from strangers."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Text = str | Html


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; numbers stand right, `help` is shown when the heading is pointed at."""

    label: str
    number: bool = False
    help: str = ""


def html(text: Text) -> Html:
    """HTML as it is, any other text escaped; control characters and direction overrides are taken out."""
    if isinstance(text, Html):
        return text
    kept = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf"))
    return Html(escape(kept))


def join(parts: Iterable[Text], between: str = "") -> Html:
    """Parts one after the other."""
    return Html(html(between).join(html(part) for part in parts))


def span(text: Text, kind: str = "", title: str = "") -> Html:
    """Text with a class of the stylesheet and a tooltip."""
    told = f' title="{html(title)}"' if title else ""
    return Html(f'<span class="{kind}"{told}>{html(text)}</span>')


def two_lines(first: Text, second: Text) -> Html:
    """A cell with a smaller second line."""
    return Html(f'{html(first)}<span class="sub">{html(second)}</span>') if second else html(first)


def tags(names: Iterable[Text], kind: str = "") -> Html:
    """Short labels in a row."""
    return join(span(name, f"tag {kind}".strip()) for name in names)


def link(text: Text, page: str, parameters: Mapping[str, str | None]) -> Html:
    """A link to a page of this dashboard, in the same tab."""
    query = urlencode({name: value for name, value in parameters.items() if value}, safe="/")
    return Html(f'<a href="{escape(page)}?{escape(query)}" target="_self">{html(text)}</a>')


def table(columns: Sequence[Column], rows: Iterable[Sequence[Text]], label: str) -> Html:
    """A table; `label` names it for a screen reader."""
    head = "".join(_heading(column) for column in columns)
    body = "".join(f"<tr>{_cells(columns, row)}</tr>" for row in rows)
    return Html(
        f'<div class="rc rc-scroll"><table aria-label="{html(label)}">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _heading(column: Column) -> str:
    kind = ' class="num"' if column.number else ""
    told = f' title="{html(column.help)}"' if column.help else ""
    return f'<th scope="col"{kind}{told}>{html(column.label)}</th>'


def _cells(columns: Sequence[Column], row: Sequence[Text]) -> str:
    kinds = (' class="num"' if column.number else "" for column in columns)
    return "".join(f"<td{kind}>{html(cell)}</td>" for kind, cell in zip(kinds, row, strict=True))


def title(text: Text, sub: Text = "", name: Text = "") -> Html:
    """The heading of a page, with a line below and an id beside it."""
    beside = f'<span class="id">{html(name)}</span>' if name else ""
    below = f'<p class="rc-sub">{html(sub)}</p>' if sub else ""
    return Html(f'<div class="rc"><h1 class="rc-title">{html(text)}{beside}</h1>{below}</div>')


def heading(text: Text, note: Text = "", *, first: bool = False) -> Html:
    """The heading of a section, with a remark beside it."""
    beside = f'<span class="note">{html(note)}</span>' if note else ""
    return Html(f'<div class="rc"><h2 class="rc-h2{" first" if first else ""}">{html(text)}{beside}</h2></div>')


def chart_title(text: Text, below: Text) -> Html:
    """What a chart says, above it."""
    return Html(f'<div class="rc"><h3 class="rc-h3">{html(text)}</h3><div class="small mute">{html(below)}</div></div>')


def note(text: Text) -> Html:
    """What is not there yet, or why something is empty, and what to do about it."""
    return Html(f'<div class="rc"><div class="note-box">{html(text)}</div></div>')


def problem(text: str) -> Html:
    """A sentence about what is wrong and what to do; what stands in backticks is shown as a command."""
    said = re.sub(r"`([^`]+)`", r"<code>\1</code>", html(text))
    return Html(f'<div class="rc" role="alert"><div class="note-box problem">{said}</div></div>')


def paragraph(text: Text, kind: str = "") -> Html:
    """A paragraph of running text."""
    return Html(f'<div class="rc {kind}">{html(text)}</div>')


def cards(entries: Iterable[tuple[Text, Text, Text, Text]]) -> Html:
    """Figures side by side: label, value, unit, and a line of explanation each."""
    body = "".join(
        f'<div class="card"><div class="label">{html(label)}</div>'
        f'<div class="value">{html(value)}<span class="unit">{html(unit)}</span></div>'
        f'<div class="small mute">{html(told)}</div></div>'
        for label, value, unit, told in entries
    )
    return Html(f'<div class="rc"><div class="cards">{body}</div></div>')
