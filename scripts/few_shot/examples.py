"""Labelled texts, as read from a CSV file.

A channel of a training job is a folder, so this module also finds the one file that belongs to
it. It reads with the standard library's CSV parser because a label named ``NA`` or ``001`` must
stay the text that was written. Every complaint names the file, the row and what to do. It must
not know of models, of training or of SageMaker's variables.
"""

from __future__ import annotations

import csv
import hashlib
import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

TEXT_COLUMN = "text"
LABEL_COLUMN = "label"
# A single text may be long: the parser's own limit is 131,072 characters.
MAX_FIELD_CHARACTERS = 10_000_000
PROBLEMS_SHOWN = 5


class DataError(ValueError):
    """The data cannot be used; the message says what is wrong, where, and what to do."""


@dataclass(frozen=True)
class Examples:
    """Texts and their labels, in the order of the file.

    Attributes
    ----------
    path : Path
        The file they were read from.
    sha256 : str
        Hex digest of that file.
    texts, labels : list of str
        One entry per row; neither is ever empty, surrounding white space is removed.
    """

    path: Path
    sha256: str
    texts: list[str]
    labels: list[str]

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def label_set(self) -> list[str]:
        """The distinct labels, sorted."""
        return sorted(set(self.labels))

    def subset(self, rows: list[int]) -> Examples:
        """Return some of the rows, as if the file held no others."""
        texts, labels = self.texts, self.labels
        return Examples(self.path, self.sha256, [texts[i] for i in rows], [labels[i] for i in rows])

    def split(self, share: float, seed: int) -> tuple[Examples, Examples]:
        """Hold out a share of every label's rows; every label keeps at least one.

        Returns
        -------
        tuple of Examples
            What is left, and what was held out.

        Raises
        ------
        DataError
            If nothing can be held out because every label has one row.
        """
        rng = random.Random(seed)
        rows_of: dict[str, list[int]] = {}
        for row, label in enumerate(self.labels):
            rows_of.setdefault(label, []).append(row)
        held: set[int] = set()
        for label in sorted(rows_of):
            rows = rows_of[label]
            held.update(rng.sample(rows, min(math.ceil(share * len(rows)), len(rows) - 1)))
        if not held:
            raise DataError(
                f"No row of {self.path} can be held out: every label has a single one. Leave "
                "--dev-share out."
            )
        left = [row for row in range(len(self)) if row not in held]
        return self.subset(left), self.subset(sorted(held))

    def labels_with_one_example(self) -> list[str]:
        """Return the labels that occur once, sorted."""
        counts = Counter(self.labels)
        return sorted(label for label, count in counts.items() if count == 1)

    def contradictions(self) -> dict[str, list[str]]:
        """Return the texts that occur under more than one label, with these labels."""
        labels_of: dict[str, set[str]] = {}
        for text, label in zip(self.texts, self.labels, strict=True):
            labels_of.setdefault(text, set()).add(label)
        return {text: sorted(labels) for text, labels in labels_of.items() if len(labels) > 1}


def read_channel(source: Path, file_name: str) -> Examples:
    """Read the labelled texts of a channel.

    Parameters
    ----------
    source : Path
        A CSV file, or a folder (a channel) that holds exactly one file named `file_name`.
    file_name : str
        For example ``train.csv``.

    Raises
    ------
    DataError
        If the file cannot be found, read or used.
    """
    if source.is_file():
        return read_csv(source)
    if not source.is_dir():
        raise DataError(f"{source} does not exist. Pass a CSV file or a folder with {file_name}.")
    found = sorted(path for path in source.rglob(file_name) if path.is_file())
    if len(found) == 1:
        return read_csv(found[0])
    if found:
        listing = ", ".join(str(path.relative_to(source)) for path in found)
        raise DataError(
            f"The folder {source} holds {len(found)} files named {file_name} ({listing}). "
            "Leave exactly one."
        )
    present = sorted(str(p.relative_to(source)) for p in source.rglob("*") if p.is_file())
    listing = ", ".join(present[:PROBLEMS_SHOWN]) or "nothing"
    if len(present) > PROBLEMS_SHOWN:
        listing += f" and {len(present) - PROBLEMS_SHOWN} more"
    raise DataError(
        f"The folder {source} has no {file_name}; it holds: {listing}. Put one CSV file named "
        f"{file_name} with the columns {TEXT_COLUMN},{LABEL_COLUMN} there."
    )


def compare(train: Examples, test: Examples) -> list[str]:
    """Return warnings about what distorts a score on `test`.

    Raises
    ------
    DataError
        If the two have no label in common, so that there is nothing to score.
    """
    known = set(train.labels)
    unknown = sorted(set(test.labels) - known)
    rows = sum(label not in known for label in test.labels)
    if rows == len(test):
        raise DataError(
            f"No label of {test.path} is in {train.path} (such as {unknown[0]!r} and "
            f"{train.label_set[0]!r}). Use the same label names in both files."
        )
    warnings = []
    if unknown:
        warnings.append(
            f"{rows} of {len(test)} test rows have a label that no training row has "
            f"({', '.join(unknown[:PROBLEMS_SHOWN])}); every one of them counts as an error."
        )
    seen = set(train.texts)
    if leaked := sum(text in seen for text in test.texts):
        warnings.append(
            f"{leaked} of {len(test)} test texts are training texts too: the accuracy flatters."
        )
    return warnings


def read_csv(path: Path) -> Examples:
    """Read a UTF-8 CSV file with the columns ``text`` and ``label``; others are ignored.

    A byte order mark and Windows line ends are accepted.

    Raises
    ------
    DataError
        If the file is not UTF-8 or not valid CSV, lacks a column, has no rows, or has a row whose
        text or label is empty.
    """
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    texts: list[str] = []
    labels: list[str] = []
    problems: list[str] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for where, row in _rows(file, path):
                if isinstance(row, str):
                    problems.append(f"{where}: {row}")
                    continue
                texts.append(row[0])
                labels.append(row[1])
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 (byte {error.start}: {error.reason}). Save it as UTF-8 CSV."
        ) from error
    except csv.Error as error:
        raise DataError(
            f"{path} is not valid CSV: {error}. Texts that hold a comma, a quote or a line break "
            'must be in double quotes, and a quote inside them doubled ("").'
        ) from error
    if problems:
        shown = "; ".join(problems[:PROBLEMS_SHOWN])
        more = f"; and {len(problems) - PROBLEMS_SHOWN} more" * (len(problems) > PROBLEMS_SHOWN)
        raise DataError(f"{path} has unusable rows: {shown}{more}. Correct or remove them.")
    if not texts:
        raise DataError(f"{path} has a header but no rows.")
    with path.open("rb") as binary:
        digest = hashlib.file_digest(binary, "sha256").hexdigest()
    return Examples(path, digest, texts, labels)


def _rows(file: TextIO, path: Path) -> Iterator[tuple[str, tuple[str, str] | str]]:
    """Yield, for every data row, where it is and either its text and label or its problem."""
    reader = csv.reader(file, strict=True)
    header = [name.strip() for name in next(reader, [])]
    text_at, label_at = (_column(header, name, path) for name in (TEXT_COLUMN, LABEL_COLUMN))
    number = 0
    for fields in reader:
        if not fields:
            continue
        number += 1
        where = f"row {number} (line {reader.line_num})"
        if len(fields) != len(header):
            counts = f"{len(fields)} fields where the header has {len(header)}"
            yield where, f"{counts}; a text with a comma must be in double quotes"
            continue
        text, label = fields[text_at].strip(), fields[label_at].strip()
        if not text or not label:
            yield where, f"the {LABEL_COLUMN if text else TEXT_COLUMN} is empty"
            continue
        yield where, (text, label)


def _column(header: list[str], name: str, path: Path) -> int:
    count = header.count(name)
    if count == 1:
        return header.index(name)
    if count:
        raise DataError(f"{path} has {count} columns named {name!r}. Leave one.")
    raise DataError(
        f"{path} has no column {name!r}; its first line is {header!r}. The file needs a first "
        f"line with the columns {TEXT_COLUMN},{LABEL_COLUMN}."
    )
