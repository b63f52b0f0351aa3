"""Colours, light and dark: told to Streamlit as options, to charts as a palette, to tables as CSS."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Palette:
    """One theme. `series` are the colours of lines, at most four of them in one chart; the rest is `faint`.

    White text stands on `control`; `accent` is read against the background.
    """

    name: str
    background: str
    surface: str
    ink: str
    mute: str
    grid: str
    faint: str
    accent: str
    control: str
    warn: str
    good: str
    series: tuple[str, ...]


LIGHT: Final = Palette(
    name="light",
    background="#FFFFFF",
    surface="#F6F8FA",
    ink="#1B1F24",
    mute="#5D6878",
    grid="#E6EAEF",
    faint="#C3C9D2",
    accent="#0072B2",
    control="#0072B2",
    warn="#B84B00",
    good="#007A5A",
    series=("#0072B2", "#B84B00", "#007A5A", "#A8528C"),
)
DARK: Final = Palette(
    name="dark",
    background="#0F1318",
    surface="#171D25",
    ink="#E6E9ED",
    mute="#98A2B3",
    grid="#262E38",
    faint="#4A5361",
    accent="#56B4E9",
    control="#2A7BB2",
    warn="#F0824F",
    good="#2CC295",
    series=("#56B4E9", "#F0824F", "#2CC295", "#E79CC6"),
)

ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path d="M3 9h9v7h8v8h9" fill="none" stroke="#1C8FD1"'
    ' stroke-width="4.5" stroke-linejoin="round" stroke-linecap="round"/></svg>'
)
"""A price that steps down."""

FONT: Final = '"Source Sans", "Source Sans Pro", sans-serif'
"""The font that Streamlit brings along: nothing is fetched."""


def palette(name: str | None) -> Palette:
    """The palette for what Streamlit calls the viewer's theme; light where it does not say."""
    return DARK if name == "dark" else LIGHT


def options() -> dict[str, str]:
    """Both themes as options of Streamlit; a viewer switches between them in its menu."""
    found = {
        "theme.baseRadius": "8px",
        "theme.headingFontWeights": "650",
        "theme.metricValueFontSize": "1.5rem",
        "theme.paddingTop": "1.25rem",
        "theme.paddingBottom": "3rem",
    }
    for colours in (LIGHT, DARK):
        values = {
            "primaryColor": colours.control,
            "backgroundColor": colours.background,
            "secondaryBackgroundColor": colours.surface,
            "textColor": colours.ink,
            "borderColor": colours.grid,
            "linkColor": colours.accent,
        }
        found |= {f"theme.{colours.name}.{key}": value for key, value in values.items()}
    return found


def wordmark(colours: Palette) -> str:
    """The name beside the icon, as SVG."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 132 32" width="132" height="32"><path d="M3 10h7v6h7v6h8"'
        f' fill="none" stroke="{colours.accent}" stroke-width="4" stroke-linejoin="round" stroke-linecap="round"/>'
        f'<text x="36" y="22.5" fill="{colours.ink}" font-family="Source Sans, sans-serif" font-size="20"'
        ' font-weight="700" textLength="88" lengthAdjust="spacingAndGlyphs">Ratecard</text></svg>'
    )


def stylesheet(colours: Palette) -> str:
    """The style of everything that Ratecard draws by itself, as one style element."""
    return f"<style>{_variables(colours)}{_RULES}</style>"


def _variables(colours: Palette) -> str:
    names = ("background", "surface", "ink", "mute", "grid", "faint", "accent", "warn", "good")
    values = "".join(f"--rc-{name}:{getattr(colours, name)};" for name in names)
    return f":root{{{values}}}"


_RULES: Final = """
.rc{color:var(--rc-ink);font-size:.9375rem;line-height:1.45}
.rc a{color:var(--rc-accent);text-decoration:none}
.rc a:hover,.rc a:focus-visible{text-decoration:underline}
.rc.mute{color:var(--rc-mute)} .rc.small{font-size:.8125rem}
.rc .mute{color:var(--rc-mute)} .rc .small{font-size:.8125rem}
.rc .warn{color:var(--rc-warn)} .rc .good{color:var(--rc-good)} .rc .accent{color:var(--rc-accent)}
.rc-title{margin:0;font-size:1.75rem;font-weight:680;letter-spacing:-.012em;line-height:1.2}
.rc-title .id{font-size:.9375rem;font-weight:400;letter-spacing:0;color:var(--rc-mute);margin-left:.6rem}
.rc-sub{margin:.3rem 0 0;color:var(--rc-mute);font-size:.875rem}
.rc-h2{margin:1.25rem 0 0;padding-top:1rem;border-top:1px solid var(--rc-grid);
 font-size:1.125rem;font-weight:650;line-height:1.3;margin-bottom:.3rem}
.rc-h2.first{border-top:0;padding-top:0;margin-top:.25rem}
.rc-h2 .note{font-weight:400;font-size:.8125rem;color:var(--rc-mute);margin-left:.5rem}
.rc-h3{margin:.25rem 0 0;font-size:1rem;font-weight:650}
.rc-scroll{overflow-x:auto}
.rc table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
.rc th{font-weight:500;font-size:.8125rem;color:var(--rc-mute);text-align:left;vertical-align:bottom;white-space:nowrap;
 padding:.3rem .85rem .35rem 0;border-bottom:1px solid var(--rc-faint)}
.rc td{padding:.42rem .85rem .42rem 0;border-bottom:1px solid var(--rc-grid);vertical-align:top}
.rc tbody tr:hover td{background:var(--rc-surface)}
.rc th.num+th:not(.num),.rc td.num+td:not(.num){padding-left:1.1rem}
.rc .name{display:block;min-width:15rem}
.rc th:last-child,.rc td:last-child{padding-right:.25rem}
.rc th:first-child,.rc td:first-child{padding-left:.25rem}
.rc .num{text-align:right;white-space:nowrap}
.rc .nowrap{white-space:nowrap}
.rc .sub{display:block;color:var(--rc-mute);font-size:.8125rem;line-height:1.35}
.rc .unknown{color:var(--rc-mute);font-style:italic}
.rc .tag{display:inline-block;margin:0 .3rem .25rem 0;padding:.05rem .45rem;border:1px solid var(--rc-grid);
 border-radius:6px;background:var(--rc-surface);font-size:.8125rem;white-space:nowrap}
.rc .tag.warn{border-color:var(--rc-warn)} .rc .tag.good{border-color:var(--rc-good)}
.rc .prose{max-width:46rem;white-space:pre-line;overflow-wrap:anywhere;unicode-bidi:isolate}
.rc details summary{cursor:pointer;color:var(--rc-accent)}
.rc .cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(12.25rem,1fr));gap:.75rem}
.rc .card{border:1px solid var(--rc-grid);border-radius:10px;padding:.8rem 1rem}
.rc .card .label{color:var(--rc-mute);font-size:.8125rem}
.rc .card .value{font-size:1.5rem;font-weight:650;letter-spacing:-.01em;line-height:1.3}
.rc .card .value .unit{font-size:.875rem;font-weight:400;color:var(--rc-mute);letter-spacing:0;margin-left:.3rem}
.rc .note-box{border:1px dashed var(--rc-faint);border-radius:10px;padding:.8rem 1rem;color:var(--rc-mute)}
.rc .note-box b{color:var(--rc-ink);font-weight:600}
.rc .note-box.problem{border:1px solid var(--rc-warn);color:var(--rc-ink)}
.rc .bar{display:block;position:relative;width:9rem;height:.5rem;margin:.35rem 0 .2rem;border-radius:4px;
 background:var(--rc-grid)}
.rc .bar i{position:absolute;left:0;top:0;bottom:0;border-radius:4px;background:var(--rc-accent)}
.rc .bar i.ahead{opacity:.3} .rc .bar.warn i{background:var(--rc-warn)}
.rc code{font-size:.875em;padding:.1em .35em;border-radius:4px;background:var(--rc-surface);color:var(--rc-ink)}
"""
