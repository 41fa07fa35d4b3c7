"""What a notebook shows: cards, the API requests behind a helper, and pictures of results.

It knows tables, figures and HTML; it must not call AWS itself.
"""

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pandas as pd
from botocore.client import BaseClient

if TYPE_CHECKING:
    from matplotlib.figure import Figure
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


def plot_distribution(counts: pd.Series, title: str) -> "Figure":
    """Draw how many rows each label has, sorted, with the extremes named.

    Parameters
    ----------
    counts
        Rows by label.
    title
        The picture's heading.
    """
    ordered = counts.sort_values()
    figure, axes = _figure(8, 3)
    axes.bar(range(len(ordered)), ordered.to_numpy(), color="#4878d0", width=0.9)
    axes.set_xticks([0, len(ordered) - 1], [str(ordered.index[0]), str(ordered.index[-1])])
    axes.get_xticklabels()[0].set_horizontalalignment("left")
    axes.get_xticklabels()[-1].set_horizontalalignment("right")
    axes.set_ylabel("rows")
    axes.set_title(title)
    return figure


def plot_scores_by_label(report: pd.DataFrame, worst: int = 15) -> "Figure":
    """Draw the labels with the lowest F1.

    Parameters
    ----------
    report
        Indexed by label, with the column ``f1`` between 0 and 1.
    worst
        How many labels to show.
    """
    chosen = report["f1"].sort_values().head(worst)[::-1]
    figure, axes = _figure(8, 0.28 * len(chosen) + 0.9)
    axes.barh(list(map(str, chosen.index)), chosen.to_numpy(), color="#d65f5f")
    axes.set_xlim(0, 1)
    axes.set_xlabel("F1 on the test rows")
    axes.set_title(f"The {len(chosen)} hardest labels")
    return figure


def plot_runs(table: pd.DataFrame, metrics: Sequence[str]) -> "Figure":
    """Draw metrics of several runs side by side.

    Parameters
    ----------
    table
        One row per run, indexed by its name, with the metrics as columns.
    metrics
        The columns to draw, each between 0 and 1.
    """
    figure, axes = _figure(8, 0.5 * len(table) * len(metrics) ** 0.5 + 1.2)
    height = 0.8 / len(metrics)
    colours = ["#4878d0", "#ee854a", "#6acc64", "#956cb4"]
    for number, metric in enumerate(metrics):
        places = [row + number * height for row in range(len(table))]
        values = table[metric].to_numpy(dtype=float)
        bars = axes.barh(
            places, values, height=height, label=metric, color=colours[number % len(colours)]
        )
        axes.bar_label(bars, fmt="%.3f", padding=3)
    axes.set_yticks(
        [row + height * (len(metrics) - 1) / 2 for row in range(len(table))],
        list(map(str, table.index)),
    )
    axes.set_xlim(0, 1.1)
    axes.set_ylabel(str(table.index.name or ""))
    axes.invert_yaxis()
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=len(metrics), frameon=False)
    return figure


def _figure(width: float, height: float) -> tuple["Figure", Any]:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    # The notebook shows the returned figure; an open one would be shown a second time.
    plt.close(figure)
    return figure, axes
