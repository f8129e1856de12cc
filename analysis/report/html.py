"""Small HTML pages: one file, no script, readable inside the workflow's report and by themselves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from pydantic import JsonValue

STYLE = """
body { font: 15px/1.45 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; color: #1c1c1f; background: #fff;
       margin: 1.6rem auto; padding: 0 1.4rem; max-width: 100rem; }
h1 { font-size: 1.45rem; margin: 0 0 .3rem; } h2 { font-size: 1.12rem; margin: 1.8rem 0 .4rem; }
p { margin: .35rem 0; max-width: 60rem; } .note, caption { color: #55585f; font-size: .88rem; }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .3rem; }
th, td { padding: .22rem .7rem; text-align: right; vertical-align: baseline; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: .2rem; }
table.text th, table.text td { text-align: left; white-space: normal; overflow-wrap: break-word; vertical-align: top; }
table.text tbody th { white-space: nowrap; }
span.one { white-space: nowrap; }
span.words { display: inline-block; width: 24rem; text-align: left; white-space: normal; }
span.pm { display: inline-flex; flex-direction: column; vertical-align: middle; font-size: .76em; line-height: 1.15; }
thead th { border-bottom: 1.5px solid #1c1c1f; font-weight: 600; }
tbody tr:nth-child(even) { background: #f4f5f7; } tbody th { font-weight: 400; }
tr.ours td, tr.ours th { font-weight: 600; background: #fbeae6; }
small { color: #6b6e76; } code { font: .86em ui-monospace, Menlo, Consolas, monospace; }
details { margin: .5rem 0; } summary { cursor: pointer; font-weight: 600; }
""".strip()


@dataclass(frozen=True)
class Markup:
    """Text that is HTML already."""

    text: str

    def __str__(self) -> str:
        return self.text


Cell = str | Markup


def markup(value: Cell) -> str:
    """Return a cell as HTML: plain text is escaped."""
    return value.text if isinstance(value, Markup) else escape(value)


def table(
    header: Sequence[Cell],
    rows: Sequence[Sequence[Cell]],
    *,
    caption: str = "",
    text: bool = False,
    ours: Sequence[int] = (),
) -> Markup:
    """Return a table; the first column names the row, the others are numbers unless ``text``.

    Parameters
    ----------
    header
        Heads of the columns; empty for none.
    rows
        Cells.
    caption
        What the table says.
    text
        Cells hold text rather than numbers: aligned to the left, and wrapped.
    ours
        Indices of rows to highlight.

    Raises
    ------
    ValueError
        A row is not as long as the header.
    """
    if header and any(len(row) != len(header) for row in rows):
        raise ValueError("a row is not as long as the header")
    parts = [f'<div class="wide"><table{" class=text" if text else ""}>']
    if caption:
        parts.append(f"<caption>{escape(caption)}</caption>")
    if header:
        parts.append("<thead><tr>" + "".join(f"<th>{markup(cell)}</th>" for cell in header) + "</tr></thead>")
    parts.append("<tbody>")
    for index, row in enumerate(rows):
        cells = [f"<th>{markup(row[0])}</th>", *(f"<td>{markup(cell)}</td>" for cell in row[1:])]
        parts.append(f"<tr{' class=ours' if index in ours else ''}>" + "".join(cells) + "</tr>")
    parts.append("</tbody></table></div>")
    return Markup("\n".join(parts))


def heading(text: str) -> Markup:
    """Return a heading of the second level."""
    return Markup(f"<h2>{escape(text)}</h2>")


def paragraph(text: Cell, *, note: bool = False) -> Markup:
    """Return a paragraph; notes are smaller and grey."""
    return Markup(f"<p{' class=note' if note else ''}>{markup(text)}</p>")


def code(text: str) -> Markup:
    """Return text in the typewriter face."""
    return Markup(f"<code>{escape(text)}</code>")


def nowrap(text: str) -> Markup:
    """Return HTML that stays on one line."""
    return Markup(f'<span class="one">{text}</span>')


def errors(low: str, high: str) -> Markup:
    """Return two errors above each other: the upper one, then the lower one; none of them is "−0.00"."""
    upper, lower = (f"{sign}{text}" if text.strip("0.") else text for sign, text in (("+", high), ("−", low)))
    return Markup(f'<span class="pm"><span>{escape(upper)}</span><span>{escape(lower)}</span></span>')


def with_small(text: str, small: str) -> Markup:
    """Return a cell with a smaller, grey addition."""
    return Markup(f"{escape(text)} <small>{escape(small)}</small>")


def words(text: str) -> Markup:
    """Return a cell of text among numbers: wrapped, so that the table is not as wide as its longest sentence."""
    return Markup(f'<span class="words">{escape(text)}</span>')


def fold_out(title: str, *content: Markup) -> Markup:
    """Return content that opens when its title is clicked."""
    inner = "\n".join(part.text for part in content)
    return Markup(f"<details><summary>{escape(title)}</summary>\n{inner}\n</details>")


def page(title: str, *content: Markup, provenance: JsonValue = None) -> str:
    """Return a whole page; its provenance travels inside, as JSON."""
    inside = json.dumps(provenance, ensure_ascii=False, sort_keys=True).replace("</", "<\\/")
    return "\n".join(
        [
            "<!DOCTYPE html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
            f"<style>{STYLE}</style>",
            f'<script type="application/json" id="provenance">{inside}</script></head><body>',
            f"<h1>{escape(title)}</h1>",
            *(part.text for part in content),
            "</body></html>\n",
        ]
    )
