"""The files of a batch: a table's rows as parts on the way out, answers on the way back.

Everything is streamed through files, so the table is never in memory twice. It knows tables, files
and S3; it must not know of jobs.
"""

import hashlib
import json
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from botocore.exceptions import ClientError

from workshop_utils.session import Session
from workshop_utils.transform_jobs import BatchFailed

_LINE_EVERY = 2.0
_AT_ONCE = 1000
"""DeleteObjects takes so many keys."""
_NOTE = "result.json"


class BatchError(ValueError):
    """A table cannot be sent; the message says what to change."""


class Questions(Protocol):
    """What is asked of each row, and how an answer becomes columns."""

    @property
    def name(self) -> str:
        """What is asked, in a word of at most eight letters, so that a job's name has room."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of what `values` returns."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of the table that are needed."""

    def record(self, row: Mapping[str, Any]) -> Any:
        """Return what is sent for a row; raise ValueError with the reason when it cannot be."""

    def values(self, row: Mapping[str, Any], answer: Any) -> tuple[Any, ...]:
        """Return the columns for an answer; raise ValueError with the reason when it is none."""


@dataclass(frozen=True)
class Part:
    """One file of rows.

    Attributes
    ----------
    name
        Of the file, and of its object in S3.
    rows
        The number of the table's row that each of its lines comes from.
    """

    name: str
    rows: "array[int]"

    @property
    def answered(self) -> str:
        """The name of the object that a transform job makes of it."""
        return f"{self.name}.out"


@dataclass(frozen=True)
class Parts:
    """A table's rows as files.

    Attributes
    ----------
    files
        In the order of the rows.
    failures
        Why a row is in none of them, by its number.
    digest
        Of all lines: the same for the same table and questions.
    """

    files: list[Part]
    failures: dict[int, str]
    digest: str

    @property
    def rows(self) -> int:
        """How many rows the files have together."""
        return sum(len(part.rows) for part in self.files)


def write(
    frame: pd.DataFrame, questions: Questions, folder: Path, largest: int, part_rows: int
) -> Parts:
    """Write every row that can be asked about as a line of JSON.

    Parameters
    ----------
    frame, questions
        What to ask of which rows.
    folder
        Where to.
    largest
        Bytes that a line may have.
    part_rows
        Lines of a file.
    """
    row_at = _rows_of(frame, questions)
    files: list[Part] = []
    failures: dict[int, str] = {}
    total = hashlib.sha256()
    told = time.monotonic()
    out = None
    try:
        for number in range(len(frame)):
            if time.monotonic() - told > _LINE_EVERY:
                told = time.monotonic()
                print(f"  {number:,} of {len(frame):,} rows written")
            try:
                line = json.dumps(questions.record(row_at(number)), allow_nan=False).encode()
                if len(line) > largest:
                    raise ValueError(
                        f"The row has {len(line):,} bytes as JSON; a request takes {largest:,}."
                    )
            except (ValueError, TypeError) as error:
                failures[number] = str(error)
                continue
            if out is None or len(files[-1].rows) == part_rows:
                if out is not None:
                    out.close()
                files.append(Part(f"part-{len(files):05}.jsonl", array("q")))
                out = (folder / files[-1].name).open("wb")
            out.write(line + b"\n")
            total.update(line + b"\n")
            files[-1].rows.append(number)
    finally:
        if out is not None:
            out.close()
    # Which rows were left out belongs to what is asked: answers are kept by this digest.
    total.update(json.dumps(sorted(failures)).encode())
    return Parts(files, failures, total.hexdigest())


class Place:
    """The S3 prefix of one batch.

    Parameters
    ----------
    session
        Whose bucket.
    name
        Of the batch.
    kms_key
        Encrypts what is written; None: S3's own key.
    """

    def __init__(self, session: Session, name: str, kms_key: str | None = None) -> None:
        self.session = session
        self.location = session.uri("batch", name) + "/"
        self._head = self.location.removeprefix(f"s3://{session.bucket}/")
        self._client = session.client("s3")
        self._extra = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}

    def send(self, path: Path, folder: str) -> None:
        """Store a file."""
        key = f"{self._head}{folder}/{path.name}"
        self._client.upload_file(str(path), self.session.bucket, key, ExtraArgs=self._extra or None)

    def send_line(self, line: bytes, folder: str, name: str) -> None:
        """Store one line."""
        self._put(f"{folder}/{name}", line)

    def names(self, folder: str) -> dict[str, str]:
        """Return the keys of a folder's objects by the last part of their names."""
        return {key.rpartition("/")[2]: key for key in self._keys(f"{folder}/")}

    def fetch(self, key: str, path: Path) -> Path:
        """Store an object as a file here."""
        self._client.download_file(self.session.bucket, key, str(path))
        return path

    def note(self) -> Any:
        """Return what `write_note` wrote, or None."""
        try:
            found = self._client.get_object(Bucket=self.session.bucket, Key=f"{self._head}{_NOTE}")
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        return json.loads(found["Body"].read())

    def write_note(self, content: Any) -> None:
        """Keep a few facts beside the files, which say that the batch is through."""
        self._put(_NOTE, json.dumps(content).encode())

    def delete(self) -> None:
        """Delete every object of the batch."""
        keys = [{"Key": key} for key in self._keys("")]
        for start in range(0, len(keys), _AT_ONCE):
            self._client.delete_objects(
                Bucket=self.session.bucket, Delete={"Objects": keys[start : start + _AT_ONCE]}
            )

    def _put(self, name: str, content: bytes) -> None:
        self._client.put_object(
            Bucket=self.session.bucket, Key=self._head + name, Body=content, **self._extra
        )

    def _keys(self, below: str) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self.session.bucket, Prefix=self._head + below):
            for item in page.get("Contents", []):
                yield str(item["Key"])


@dataclass
class Answers:
    """The answers' columns, filled row by row.

    Attributes
    ----------
    frame, questions
        What was asked of which rows.
    failures
        Why a row has no answer, by its number.
    """

    frame: pd.DataFrame
    questions: Questions
    failures: dict[int, str]
    _columns: dict[str, list[Any]] = field(init=False)

    def __post_init__(self) -> None:
        names = self.questions.columns
        self._columns = {name: [None] * len(self.frame) for name in names}

    def read(self, path: Path, rows: Sequence[int]) -> None:
        """Take the answers of a file, a line for each of some rows.

        Raises
        ------
        BatchFailed
            When it has another number of lines.
        """
        row_at = _rows_of(self.frame, self.questions)
        seen = 0
        with path.open("rb") as file:
            # AssembleWith puts a line break after answers that may end with one.
            for line in filter(bytes.strip, file):
                if seen < len(rows):
                    self._take(rows[seen], row_at(rows[seen]), line)
                seen += 1
        if seen != len(rows):
            raise BatchFailed(
                f"{path.name} has {seen:,} answers to {len(rows):,} rows, so it is not known which "
                "answer is whose. Does the model answer on one line?"
            )

    def joined(self) -> pd.DataFrame:
        """Return the table with the answers' columns, its own ones shared with the original."""
        joined = self.frame.copy(deep=False)
        for name, values in self._columns.items():
            joined[name] = pd.Series(values).array
        return joined

    def failed(self) -> pd.DataFrame:
        """Return ``row`` and ``reason`` of every row without an answer."""
        return pd.DataFrame(sorted(self.failures.items()), columns=["row", "reason"])

    def _take(self, number: int, row: Mapping[str, Any], line: bytes) -> None:
        try:
            values = self.questions.values(row, json.loads(line))
        except (ValueError, RecursionError) as error:
            self.failures[number] = str(error)
            return
        for column, value in zip(self._columns.values(), values, strict=True):
            column[number] = value


def _rows_of(frame: pd.DataFrame, questions: Questions) -> Callable[[int], dict[str, Any]]:
    # Element by element: a whole column as Python objects would be a copy of it.
    columns = {name: frame[name].array for name in questions.reads}
    return lambda number: {name: column[number] for name, column in columns.items()}
