"""What a notebook shows: cards, tables, and the API requests behind a helper.

It knows HTML; it must not call AWS itself.
"""

import html
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pandas as pd
from botocore.client import BaseClient

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

_LONG = 300
_SECRET_MEMBERS = frozenset({"Password", "SecretAccessKey", "SessionToken", "Token"})


def card(title: str, rows: Mapping[str, str]) -> str:
    """Return a small HTML table of names and values."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(str(value))}</td></tr>"
        for name, value in rows.items()
    )
    caption = f"<caption style='text-align:left'><b>{html.escape(title)}</b></caption>"
    return f"<table>{caption}{cells}</table>"


def rows(frame: pd.DataFrame) -> "Styler":
    """Return a table for reading: left-aligned, whole texts, no index."""
    left = [("text-align", "left"), ("vertical-align", "top")]
    return (
        frame.style.hide(axis="index")
        .format(precision=3, escape="html")
        .set_table_styles([{"selector": "th, td", "props": left}])
    )


class Live:
    """Something that is shown again and again as it changes: one output that is replaced.

    Outside a notebook the lines that are new are printed instead.
    """

    def __init__(self) -> None:
        self._handle: Any = None
        self._shown: Mapping[str, str] = {}
        self._lines: set[str] = set()

    def show(self, page: str, lines: Iterable[str]) -> None:
        """Show what it looks like now.

        Parameters
        ----------
        page
            HTML, for a notebook.
        lines
            The same for a terminal, without what changes all the time.
        """
        show = _notebook_display()
        if show is not None:
            self._replace(show, {"text/html": page, "text/plain": "\n".join(lines)})
            return
        for line in lines:
            if line not in self._lines:
                print(line, flush=True)
                self._lines.add(line)

    def _replace(self, show: Callable[..., Any], data: Mapping[str, str]) -> None:
        if self._handle is None:
            self._handle = show(data, raw=True, display_id=True)
        elif data != self._shown:
            self._handle.update(data, raw=True)
        self._shown = data


def progress(title: str, done: int, total: int, note: str = "") -> str:
    """Return a bar of what is done as HTML."""
    share = done / total if total else 1.0
    words = f"<b>{html.escape(title)}</b>: {done} of {total}"
    return f"<div>{words} {html.escape(note)}{_bar(share)}</div>"


def elapsed(title: str, seconds: float, expected: float | None, *, over: bool = False) -> str:
    """Return as HTML how long something has taken, beside how long it usually takes.

    Parameters
    ----------
    title
        What it is.
    seconds, expected
        So far, and about how long it takes; None where nobody knows.
    over
        Whether it has ended.
    """
    if expected is None:
        return f"<div><b>{html.escape(title)}</b>: {duration(seconds)}</div>"
    # Full only when it is over, however long that takes.
    share = 1.0 if over else min(seconds / expected, 0.97)
    return (
        f"<div><b>{html.escape(title)}</b>: {duration(seconds)}, about {duration(expected)} "
        f"expected{_bar(share)}</div>"
    )


def duration(seconds: float) -> str:
    """Return some seconds in words: ``42 s`` or ``6 min 05 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _bar(share: float) -> str:
    return (
        "<div style='background:#d0d4da;width:22em;height:.7em;border-radius:.35em'>"
        f"<div style='background:#2a7d4f;width:{share:.0%};height:100%;border-radius:.35em'>"
        "</div></div>"
    )


def _notebook_display() -> Callable[..., Any] | None:
    """Return what shows things in the notebook that this runs in; None elsewhere."""
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        return None
    shell = get_ipython()
    found: Callable[..., Any] = display
    return found if shell is not None and hasattr(shell, "kernel") else None


@dataclass(frozen=True)
class Request:
    """One API request as it was sent."""

    service: str
    operation: str
    parameters: Mapping[str, Any]

    def __str__(self) -> str:
        shown = json.dumps(_shortened(self.parameters), indent=2, default=str, ensure_ascii=False)
        return f"{self.service}.{self.operation} {shown}"


@dataclass
class Requests:
    """API requests, in the order they were sent."""

    sent: list[Request] = field(default_factory=list)

    def of(self, *operations: str) -> "Requests":
        """Return the requests of some operations only."""
        return Requests([r for r in self.sent if r.operation in operations])

    def __len__(self) -> int:
        return len(self.sent)

    def __iter__(self) -> Iterator[Request]:
        return iter(self.sent)

    def __str__(self) -> str:
        return "\n".join(map(str, self.sent)) or "no request was sent"

    def _repr_html_(self) -> str:
        items = "".join(
            f"<details><summary><code>{html.escape(r.service)}.{html.escape(r.operation)}</code>"
            f"</summary><pre>{html.escape(str(r))}</pre></details>"
            for r in self.sent
        )
        return items or "<p>no request was sent</p>"


@contextmanager
def requests() -> Iterator[Requests]:
    """Watch what every boto3 client of this process sends within a ``with`` block.

    The SageMaker SDK sends its requests through boto3 as well, so this shows what a helper
    really asked AWS for.

    Examples
    --------
    >>> with requests() as seen:  # doctest: +SKIP
    ...     trainer.train(...)
    >>> seen.of("CreateTrainingJob")  # doctest: +SKIP
    """
    seen = Requests()
    # botocore has no public hook that sees every client, those made before this one included.
    original = BaseClient._make_api_call

    def recorded(client: Any, operation_name: str, api_params: dict[str, Any]) -> Any:
        service = client.meta.service_model.service_name
        seen.sent.append(Request(service, operation_name, dict(api_params)))
        return original(client, operation_name, api_params)

    with patch.object(BaseClient, "_make_api_call", recorded):
        yield seen


def _shortened(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: "…" if key in _SECRET_MEMBERS else _shortened(item) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_shortened(item) for item in value]
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    if isinstance(value, str) and len(value) > _LONG:
        return f"{value[:_LONG]}… ({len(value)} characters)"
    return value
