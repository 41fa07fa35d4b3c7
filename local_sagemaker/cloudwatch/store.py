"""The metrics of all accounts: values summed up by minute, in the server's database.

It knows series and points; it must not know who measured them or how they are asked for.
"""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local_sagemaker.database import Database
from local_sagemaker.errors import AWSError

MINUTE = 60
# As long as CloudWatch keeps points of a minute.
KEPT_SECONDS = 15 * 86_400
# A program that puts a new name each time must not fill the disk.
MOST_SERIES = 10_000
_PRUNE_SECONDS = 3600

_TABLES = (
    """
    CREATE TABLE cloudwatch_series (
        number INTEGER PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL,
        namespace TEXT NOT NULL, name TEXT NOT NULL, dimensions TEXT NOT NULL,
        UNIQUE (account, region, namespace, name, dimensions)
    );
    CREATE TABLE cloudwatch_points (
        series INTEGER NOT NULL REFERENCES cloudwatch_series (number) ON DELETE CASCADE,
        minute INTEGER NOT NULL, unit TEXT NOT NULL, count REAL NOT NULL, total REAL NOT NULL,
        least REAL NOT NULL, most REAL NOT NULL, PRIMARY KEY (series, minute, unit)
    ) WITHOUT ROWID;
    CREATE INDEX cloudwatch_points_by_minute ON cloudwatch_points (minute)
    """,
)


@dataclass(frozen=True)
class Series:
    """One metric: whose, where, its namespace and name, and its dimensions, sorted by name."""

    account: str
    region: str
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


def dimensions(given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return dimensions as a series has them."""
    return tuple(sorted(given.items()))


@dataclass(frozen=True)
class Point:
    """Values of one series within one time, and one unit.

    Attributes
    ----------
    start
        Where the time begins, in seconds since the epoch.
    unit
        CloudWatch's name of it.
    count, total, least, most
        How many values, their sum, the smallest and the largest.
    """

    start: float
    unit: str
    count: float
    total: float
    least: float
    most: float

    def merged(self, other: "Point") -> "Point":
        """Return both as one, at the time of this one."""
        return Point(
            self.start,
            self.unit,
            self.count + other.count,
            self.total + other.total,
            min(self.least, other.least),
            max(self.most, other.most),
        )


class MetricStore:
    """All series.

    Parameters
    ----------
    database
        Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        database.migrate("cloudwatch", _TABLES)
        self._database = database
        self._pruned = 0.0

    def add(self, values: Iterable[tuple[Series, Point]]) -> None:
        """Keep points, each in its minute, in one transaction.

        Raises
        ------
        AWSError
            ``LimitExceeded`` when an account would have too many series; then nothing is kept.
        """
        with self._database.transaction() as connection:
            self._prune()
            for series, point in values:
                connection.execute(
                    "INSERT INTO cloudwatch_points VALUES (?, ?, ?, ?, ?, ?, ?) "
                    "ON CONFLICT (series, minute, unit) DO UPDATE SET "
                    "count = count + excluded.count, total = total + excluded.total, "
                    "least = min(least, excluded.least), most = max(most, excluded.most)",
                    (
                        self._number(series),
                        int(point.start // MINUTE),
                        point.unit,
                        point.count,
                        point.total,
                        point.least,
                        point.most,
                    ),
                )

    def series(
        self, account: str, region: str, namespace: str | None, name: str | None, since: float
    ) -> list[Series]:
        """Return the series of an account that have a point behind a time, in order.

        Parameters
        ----------
        account, region
            Whose and where.
        namespace, name
            Of which; None for all.
        since
            Seconds since the epoch.
        """
        rows = self._database.query(
            "SELECT * FROM cloudwatch_series WHERE account = ? AND region = ? "
            "AND (? IS NULL OR namespace = ?) AND (? IS NULL OR name = ?) AND EXISTS ("
            "SELECT 1 FROM cloudwatch_points WHERE series = number AND minute >= ?) "
            "ORDER BY namespace, name, dimensions",
            (account, region, namespace, namespace, name, name, int(since // MINUTE)),
        )
        return [_series(row) for row in rows]

    def points(self, series: Series, start: float, end: float) -> list[Point]:
        """Return what a series has from a time on and before another, oldest first."""
        rows = self._database.query(
            "SELECT cloudwatch_points.* FROM cloudwatch_series "
            "JOIN cloudwatch_points ON series = number "
            "WHERE account = ? AND region = ? AND namespace = ? AND name = ? AND dimensions = ? "
            "AND minute >= ? AND minute < ? ORDER BY minute, unit",
            (*_columns(series), -(-start // MINUTE), -(-end // MINUTE)),
        )
        return [
            Point(
                row["minute"] * MINUTE,
                row["unit"],
                row["count"],
                row["total"],
                row["least"],
                row["most"],
            )
            for row in rows
        ]

    def _number(self, series: Series) -> int:
        columns = _columns(series)
        rows = self._database.query(
            "SELECT number FROM cloudwatch_series WHERE account = ? AND region = ? "
            "AND namespace = ? AND name = ? AND dimensions = ?",
            columns,
        )
        if rows:
            return int(rows[0]["number"])
        (row,) = self._database.query(
            "SELECT count(*) AS number FROM cloudwatch_series WHERE account = ?", (series.account,)
        )
        if row["number"] >= MOST_SERIES:
            raise AWSError(
                "LimitExceeded",
                f"The account has {MOST_SERIES} metrics already, which is what the local "
                "SageMaker keeps of one. Put values under fewer names and dimensions.",
            )
        with self._database.transaction() as connection:
            made = connection.execute(
                "INSERT INTO cloudwatch_series (account, region, namespace, name, dimensions) "
                "VALUES (?, ?, ?, ?, ?)",
                columns,
            )
            return int(made.lastrowid or 0)

    def _prune(self) -> None:
        """Drop what is too old, now and then."""
        now = time.time()
        if now - self._pruned < _PRUNE_SECONDS:
            return
        self._pruned = now
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM cloudwatch_points WHERE minute < ?",
                (int((now - KEPT_SECONDS) // MINUTE),),
            )
            connection.execute(
                "DELETE FROM cloudwatch_series WHERE number NOT IN "
                "(SELECT DISTINCT series FROM cloudwatch_points)"
            )


def _columns(series: Series) -> tuple[str, str, str, str, str]:
    return (
        series.account,
        series.region,
        series.namespace,
        series.name,
        json.dumps(series.dimensions),
    )


def _series(row: Any) -> Series:
    pairs = tuple((name, value) for name, value in json.loads(row["dimensions"]))
    return Series(row["account"], row["region"], row["namespace"], row["name"], pairs)
