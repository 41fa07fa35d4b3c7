"""Plans and results as HTML for a notebook.

It knows HTML; it must not ask AWS for anything.
"""

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from workshop_utils.cleanup import text
from workshop_utils.cleanup.resource import Resource

if TYPE_CHECKING:
    from workshop_utils.cleanup.plan import Plan, Result

_LEFT = "text-align:left;vertical-align:top"


def plan(shown: "Plan") -> str:
    """Return a plan: what costs first, the rest by kind, and what stays."""
    costly, free = text.parted(shown.resources)
    parts = [f"<b>{html.escape(text.title(shown))}</b>"]
    if not shown.resources:
        parts.append("<p>Nothing: there is nothing to delete.</p>")
    if costly:
        rows = [
            (one.words, one.name, one.status, one.age(shown.made), text.price(one), one.note)
            for one in costly
        ]
        parts.append(_table(("costs", "name", "status", "age", "on AWS", ""), rows))
    for words, group in text.by_kind(free):
        parts.append(_group(words, group, shown))
    if shown.resources:
        parts.append(f"<p>{html.escape(text.total(shown))} Nothing has been deleted yet.</p>")
    parts += [f"<p>{html.escape(line)}</p>" for line in text.remarks(shown)]
    return f"<div>{''.join(parts)}</div>"


def result(shown: "Result") -> str:
    """Return a result: how much is gone, and what is left with its reasons and links."""
    first, *rest = text.result(shown).splitlines()
    colour = "#2a7d4f" if shown.ok else "#b3261e"
    head = "Clean" if shown.ok else "Not everything is gone"
    parts = [f"<b style='color:{colour}'>{head}</b><p>{html.escape(first)}</p>"]
    if shown.ok:
        parts.append(f"<p>{html.escape(rest[0])}</p>")
    region = shown.plan.session.region
    if shown.left:
        items = "".join(
            f"<li>{html.escape(str(one))}: {html.escape(one.note)} "
            f"<a href='{html.escape(text.console_link(region, one))}' target='_blank' "
            "rel='noopener'>console</a></li>"
            for one in shown.left
        )
        parts.append(f"<ul>{items}</ul>")
    lines = text.unseen(shown.unseen) + [text.unknown(arn) for arn in shown.unknown]
    parts += [f"<p>{html.escape(line)}</p>" for line in lines]
    return f"<div>{''.join(parts)}</div>"


def _group(words: str, group: Sequence[Resource], shown: "Plan") -> str:
    rows = [(one.name, one.status, one.age(shown.made), one.why, one.note) for one in group]
    table = _table(("name", "status", "age", "known by", ""), rows)
    summary = html.escape(text.counted(len(group), words))
    return f"<details><summary>{summary}</summary>{table}</details>"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = "".join(f"<th style='{_LEFT}'>{html.escape(name)}</th>" for name in head)
    lines = "".join(
        "<tr>" + "".join(f"<td style='{_LEFT}'>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{titles}</tr>{lines}</table>"
