"""Rows of labelled reviews: reading them from CSV files, and telling when two texts are the same.

Every complaint names the file, the row and what to do. This module must not know of people's
answers, of models or of SageMaker.
"""

from __future__ import annotations

import csv
import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

COLUMNS = ("text", "label", "weight", "source")
BASE = "base"
REVIEW = "review"
# A single text may be long: the parser's own limit is 131,072 characters.
MAX_FIELD_CHARACTERS = 10_000_000
NAMES_SHOWN = 5


class DataError(ValueError):
    """The data cannot be used; the message says what is wrong, where, and what to do."""


@dataclass(frozen=True)
class Row:
    """A labelled text.

    Attributes
    ----------
    text, label : str
        Neither is ever empty; white space around them is removed.
    weight : float
        How much the row counts in training, above 0.
    source : str
        ``base`` or ``review``.
    """

    text: str
    label: str
    weight: float = 1.0
    source: str = BASE


def normalised(text: str) -> str:
    """Return the form in which two spellings of one text are equal.

    Unicode compatibility (NFKC), case, typographic quotes and dashes, and white space make no
    difference; words and punctuation do.

    Examples
    --------
    >>> normalised("It’s  ﬁne — really")
    "it's fine - really"
    """
    folded = unicodedata.normalize("NFKC", text).casefold().translate(_TYPOGRAPHY)
    # Folding may leave what NFKC would compose; without this, once is not the same as twice.
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def read_folder(folder: Path, split: str | None = None) -> list[Row]:
    """Read every CSV file below a folder, in the order of their names; a file is read as well.

    Parameters
    ----------
    folder : Path
        A folder, or one CSV file.
    split : str or None
        Where a file has a column ``split``, only its rows with this value are read.

    Raises
    ------
    DataError
        If there is no CSV file, or one of them cannot be used.
    """
    paths = [folder] if folder.is_file() else sorted(folder.rglob("*.csv"))
    if not paths:
        raise DataError(
            f"{folder} holds no CSV file. Put one with the columns text,label there "
            "(a UTF-8 file whose name ends in .csv)."
        )
    rows = [row for path in paths for row in read_csv(path, split)]
    if not rows:
        wanted = f" with split {split!r}" if split else ""
        raise DataError(f"{folder} has no rows{wanted}. Put labelled texts there.")
    return rows


def read_csv(path: Path, split: str | None = None) -> list[Row]:
    """Read a UTF-8 CSV file with the columns ``text`` and ``label``.

    ``weight`` and ``source`` are read if they are there, other columns are passed over. A byte
    order mark and Windows line ends are accepted.

    Parameters
    ----------
    path : Path
        The file.
    split : str or None
        Where the file has a column ``split``, only the rows with this value are read.

    Raises
    ------
    DataError
        If the file is not UTF-8 or not valid CSV, lacks a column, or has an unusable row.
    """
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, strict=True)
            names = [name.strip() for name in table.fieldnames or ()]
            if missing := {"text", "label"} - set(names):
                raise DataError(
                    f"{path} has no column {' and no column '.join(sorted(missing))}; its first "
                    f"line names {names}. The file needs the columns text,label."
                )
            table.fieldnames = names
            found = [_row(fields, f"{path}, line {table.line_num}") for fields in table]
            if split is None or "split" not in names:
                return [row for row, _ in found]
            return [row for row, belongs_to in found if belongs_to == split]
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 (byte {error.start}: {error.reason}). Save it as UTF-8 CSV."
        ) from error
    except csv.Error as error:
        raise DataError(
            f"{path} is not valid CSV: {error}. Texts that hold a comma, a quote or a line break "
            'must be in double quotes, and a quote inside them doubled ("").'
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}.") from error


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    """Write rows with the columns ``text,label,weight,source``; make the folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        # All in quotes: a writer leaves them out around a carriage return, which ends a row.
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(COLUMNS)
        writer.writerows((row.text, row.label, f"{row.weight:g}", row.source) for row in rows)


def label_names(rows: Sequence[Row]) -> list[str]:
    """Return the two labels, sorted: ``LABEL_0`` is the first, ``LABEL_1`` the second.

    Raises
    ------
    DataError
        If there are not exactly two.
    """
    names = sorted({row.label for row in rows})
    if len(names) != 2:
        shown = ", ".join(map(repr, names[:NAMES_SHOWN]))
        raise DataError(
            f"Sentiment has two labels, but the rows have {len(names)}: {shown}. Correct the "
            "column label."
        )
    return names


def _row(fields: dict[str | None, str | None], where: str) -> tuple[Row, str | None]:
    if None in fields or None in fields.values():
        raise DataError(
            f"{where}: the row has more or fewer fields than the header. Put texts with a comma "
            "in double quotes."
        )
    values = {name: (value or "").strip() for name, value in fields.items()}
    text, label = values["text"], values["label"]
    if not text or not label:
        raise DataError(f"{where}: the {'label' if text else 'text'} is empty. Fill or remove it.")
    weight = _weight(values.get("weight") or "1", where)
    return Row(text, label, weight, values.get("source") or BASE), values.get("split")


def _weight(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise DataError(f"{where}: the weight {text!r} is not a number above 0.")
    return value


def _pairs() -> Iterator[tuple[str, str]]:
    yield from ((quote, "'") for quote in "‘’‚‛′`´")
    yield from ((quote, '"') for quote in "“”„‟″«»")
    yield from ((dash, "-") for dash in "‐‑‒–—―−")


_TYPOGRAPHY = str.maketrans(dict(_pairs()))
