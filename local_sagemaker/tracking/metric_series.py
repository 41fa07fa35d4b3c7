"""Metric time series: the points that runs and jobs log, and a running summary of each series.

A series belongs to a resource (its ARN) and a metric name. Its summary is kept beside its
points, so that describing or searching runs costs the same after ten points as after a million.
It must not know what an experiment is: a caller hands it ARNs.
"""

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from local_sagemaker.database import Database

# The square of a larger value overflows a double, and with it the standard deviation.
LARGEST_VALUE = 1e150

_TABLES = (
    """
    CREATE TABLE metric_series (
        id INTEGER PRIMARY KEY, arn TEXT NOT NULL, name TEXT NOT NULL,
        count INTEGER NOT NULL, minimum REAL NOT NULL, maximum REAL NOT NULL,
        mean REAL NOT NULL, squares REAL NOT NULL, last REAL NOT NULL, last_at REAL NOT NULL,
        UNIQUE (arn, name)
    );
    CREATE TABLE metric_points (
        id INTEGER PRIMARY KEY, series INTEGER NOT NULL, at REAL NOT NULL, step INTEGER,
        value REAL NOT NULL,
        FOREIGN KEY (series) REFERENCES metric_series (id) ON DELETE CASCADE
    );
    CREATE INDEX metric_points_in_time ON metric_points (series, at, id)
    """,
)


@dataclass(frozen=True)
class Point:
    """One value of a metric; ``at`` is in seconds since the epoch, ``step`` may be unknown."""

    name: str
    value: float
    at: float
    step: int | None = None


@dataclass(frozen=True)
class Summary:
    """A series in seven numbers.

    Attributes
    ----------
    squares
        Sum of squared deviations from the mean (Welford), so that the standard deviation needs
        no second look at the points.
    last, last_at
        The value with the latest time, among equals the one that arrived last.
    """

    name: str
    count: int
    minimum: float
    maximum: float
    mean: float
    squares: float
    last: float
    last_at: float

    def add(self, point: Point) -> "Summary":
        """Return the summary with one more point."""
        count = self.count + 1
        delta = point.value - self.mean
        mean = self.mean + delta / count
        newer = point.at >= self.last_at
        return Summary(
            name=self.name,
            count=count,
            minimum=min(self.minimum, point.value),
            maximum=max(self.maximum, point.value),
            mean=mean,
            squares=self.squares + delta * (point.value - mean),
            last=point.value if newer else self.last,
            last_at=point.at if newer else self.last_at,
        )

    def described(self, arn: str) -> dict[str, Any]:
        """Return the summary as a ``TrialComponentMetricSummary``.

        ``StdDev`` is the population's: a single point has 0, as in the service's answers.
        """
        return {
            "MetricName": self.name,
            "SourceArn": arn,
            "TimeStamp": self.last_at,
            "Max": self.maximum,
            "Min": self.minimum,
            "Last": self.last,
            "Count": self.count,
            "Avg": self.mean,
            "StdDev": math.sqrt(self.squares / self.count),
        }


class MetricSeries:
    """The series of all resources, durable when a call returns."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.migrate("metrics", _TABLES)

    def append(self, arn: str, points: Sequence[Point]) -> None:
        """Add points to the series of a resource, all or none.

        Raises
        ------
        ValueError
            For a value that is not a number between plus and minus `LARGEST_VALUE`: it would
            spoil the summary for good.
        """
        for point in points:
            # A comparison with NaN is false, and Python compares integers of any size.
            if not -LARGEST_VALUE <= point.value <= LARGEST_VALUE:
                raise ValueError(f"{point.value} cannot be a value of metric {point.name!r}")
        with self._database.transaction() as connection:
            for name in dict.fromkeys(point.name for point in points):
                mine = [point for point in points if point.name == name]
                series = _extend(connection, arn, name, mine)
                connection.executemany(
                    "INSERT INTO metric_points (series, at, step, value) VALUES (?, ?, ?, ?)",
                    [(series, point.at, point.step, point.value) for point in mine],
                )

    def summaries(self, arns: Sequence[str]) -> dict[str, list[Summary]]:
        """Return the summaries of many resources by ARN, each list sorted by metric name."""
        found: dict[str, list[Summary]] = {}
        # SQLite allows 32,766 variables to a statement, older builds 999.
        for start in range(0, len(arns), 900):
            some = arns[start : start + 900]
            marks = ",".join("?" * len(some))
            rows = self._database.query(
                f"SELECT * FROM metric_series WHERE arn IN ({marks}) ORDER BY arn, name",  # noqa: S608 - only question marks are put in
                some,
            )
            for row in rows:
                found.setdefault(row["arn"], []).append(_summary(row))
        return found

    def described(self, arns: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """Return the ``TrialComponentMetricSummary`` list of each resource, empty for none."""
        found = self.summaries(arns)
        return {arn: [summary.described(arn) for summary in found.get(arn, [])] for arn in arns}

    def points(
        self, arn: str, name: str, start: float | None = None, end: float | None = None
    ) -> list[Point]:
        """Return a series in order of time, points of one instant in order of arrival."""
        rows = self._database.query(
            "SELECT at, step, value FROM metric_points JOIN metric_series "
            "ON metric_points.series = metric_series.id "
            "WHERE arn = ? AND name = ? AND at >= ? AND at <= ? ORDER BY at, metric_points.id",
            (
                arn,
                name,
                -math.inf if start is None else start,
                math.inf if end is None else end,
            ),
        )
        return [Point(name, row["value"], row["at"], row["step"]) for row in rows]

    def forget(self, arn: str) -> None:
        """Remove all series of a resource."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM metric_series WHERE arn = ?", (arn,))


def _extend(connection: sqlite3.Connection, arn: str, name: str, points: Sequence[Point]) -> int:
    """Bring the summary of a series up to date and return the series' number."""
    row = connection.execute(
        "SELECT * FROM metric_series WHERE arn = ? AND name = ?", (arn, name)
    ).fetchone()
    summary = _summary(row) if row else Summary(name, 0, math.inf, -math.inf, 0, 0, 0, -math.inf)
    for point in points:
        summary = summary.add(point)
    numbers = (
        summary.count,
        summary.minimum,
        summary.maximum,
        summary.mean,
        summary.squares,
        summary.last,
        summary.last_at,
    )
    written = connection.execute(
        "INSERT INTO metric_series (arn, name, count, minimum, maximum, mean, squares, last, "
        "last_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (arn, name) DO UPDATE SET "
        "count = excluded.count, minimum = excluded.minimum, maximum = excluded.maximum, "
        "mean = excluded.mean, squares = excluded.squares, last = excluded.last, "
        "last_at = excluded.last_at RETURNING id",
        (arn, name, *numbers),
    ).fetchone()
    return int(written["id"])


def _summary(row: sqlite3.Row) -> Summary:
    return Summary(
        name=row["name"],
        count=row["count"],
        minimum=row["minimum"],
        maximum=row["maximum"],
        mean=row["mean"],
        squares=row["squares"],
        last=row["last"],
        last_at=row["last_at"],
    )
