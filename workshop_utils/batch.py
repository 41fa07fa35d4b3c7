"""Batch transform: a table in, the same table with the model's answers out.

Rows travel as JSON Lines in parts of some thousands, so the table is never in memory twice, and
every part comes back by itself. It knows tables, S3 and jobs; it must not know what is asked, which
its caller says with `Questions`.
"""

import hashlib
import json
import tempfile
import time
from array import array
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from workshop_utils import batch_files, display, instances, transform_jobs
from workshop_utils.batch_files import Answers, BatchError, Part, Parts, Place, Questions
from workshop_utils.session import Session
from workshop_utils.transform_jobs import PAYLOAD_MB, BatchFailed, Job, Records

__all__ = ["Batch", "BatchError", "BatchFailed", "Questions", "Result", "start"]

PART_ROWS = 2000
"""Rows of a file. A job shows its progress by files, and what a refused request costs is a file."""
_SENDERS = 8


@dataclass(frozen=True)
class Result:
    """A table with its answers.

    Attributes
    ----------
    frame
        The table as it came in, every row in its place and with its index, and the answers'
        columns after its own. A row without an answer has missing values there.
    failures
        One line for each row without an answer: ``row`` (counted from 0, as ``frame.iloc`` does)
        and ``reason``.
    jobs
        The names of the transform jobs.
    seconds
        How long `start` and `Batch.wait` took the caller.
    place
        Where in S3 everything lies that was sent and came back.
    """

    frame: pd.DataFrame = field(repr=False)
    failures: pd.DataFrame
    jobs: tuple[str, ...]
    seconds: float
    place: Place = field(repr=False)

    def delete(self) -> None:
        """Delete what was sent and what came back from S3; the table in hand stays."""
        self.place.delete()

    def _repr_html_(self) -> str:
        rows = {
            "Rows": f"{len(self.frame):,}",
            "Without an answer": f"{len(self.failures):,}",
            "Transform jobs": ", ".join(self.jobs) or "none was needed",
            "Waited": f"{self.seconds:.1f} s",
            "Files": self.place.location,
        }
        listed = display.rows(self.failures.head(10)).to_html() if len(self.failures) else ""
        return display.card("Batch transform", rows) + listed


@dataclass
class Batch:
    """A batch that has been sent, and is answered without anybody waiting.

    Attributes
    ----------
    place
        Where in S3 everything lies that was sent and comes back.
    job
        The name of its transform job; None if none was needed.
    """

    place: Place
    job: str | None
    _settings: Job = field(repr=False)
    _parts: Parts = field(repr=False)
    _answers: Answers = field(repr=False)
    _note: dict[str, Any] | None = field(repr=False)
    _seconds: float = field(repr=False)

    def wait(self, expected: float | None = None) -> Result:
        """Wait until the job has ended; return the table with the answers.

        Interrupting this does not stop the job, and a second call goes on waiting.

        Parameters
        ----------
        expected
            About how many seconds the job takes, to be shown beside those that have passed.

        Raises
        ------
        BatchFailed
            When it ended without its output, with the reason.
        """
        began = time.monotonic()
        # Of this call: an interrupted one leaves no half of the answers behind.
        answers = replace(self._answers, failures=dict(self._parts.failures))
        jobs: tuple[str, ...] = ()
        with tempfile.TemporaryDirectory() as scratch:
            if self._parts.files:
                note = self._note or self._transformed(Path(scratch), expected)
                jobs = tuple(note["jobs"])
                answers.failures |= {int(row): reason for row, reason in note["refused"].items()}
                self._collect(answers, Path(scratch))
        failed = answers.failed()
        if len(failed):
            first = failed.iloc[0]
            print(
                f"{len(failed):,} of {len(answers.frame):,} rows have no answer, the first one row "
                f"{first['row']}: {first['reason']}"
            )
        waited = self._seconds + time.monotonic() - began
        return Result(answers.joined(), failed, jobs, waited, self.place)

    def _repr_html_(self) -> str:
        return display.card(
            "Batch transform",
            {
                "Rows": f"{self._parts.rows:,}",
                "Transform job": self.job or "none is needed",
                "Files": self.place.location,
            },
        )

    def _transformed(self, scratch: Path, expected: float | None) -> dict[str, Any]:
        """Get an answer to every row that the model does not refuse; keep the jobs and refusals."""
        session, parts = self.place.session, self._parts

        def progress() -> str:
            present = self.place.names("out")
            done = sum(len(part.rows) for part in parts.files if part.answered in present)
            return f"{done:,} of {parts.rows:,} rows"

        assert self.job is not None
        first = transform_jobs.follow(session, self.job, progress, expected)
        present = self.place.names("out")
        missing = [part for part in parts.files if part.answered not in present]
        note: dict[str, Any] = {"jobs": [first.name], "refused": {}}
        if missing:
            if not first.refused or len(missing) == len(parts.files) > 1:
                raise BatchFailed(f"{first.name} is {first.status}: {first.reason}")
            print(f"  A request was refused: {first.reason}")
            second, refused = self._one_by_one(missing, scratch)
            note = {"jobs": [first.name, second], "refused": refused}
        self.place.write_note(note)
        self._note = note
        return note

    def _one_by_one(self, missing: list[Part], scratch: Path) -> tuple[str, dict[int, str]]:
        """Send rows again, each in a file of its own, because a refusal costs a file."""
        place, session = self.place, self.place.session
        rows = [row for part in missing for row in part.rows]
        print(f"  Sending {len(rows):,} rows once more, each in a file of its own")
        sent = place.names("in")
        with ThreadPoolExecutor(_SENDERS) as pool:
            for part in missing:
                lines = place.fetch(sent[part.name], scratch / part.name).read_bytes().splitlines()
                names = [_row_file(row) for row in part.rows]
                list(pool.map(place.send_line, lines, ["rows-in"] * len(names), names))
        alone = replace(
            self._settings,
            key=self._settings.key.replace("-parts", "-rows"),
            source=f"{place.location}rows-in/",
            target=f"{place.location}rows-out/",
        )
        second = transform_jobs.follow(
            session,
            transform_jobs.start(session, alone),
            lambda: f"{len(place.names('rows-out')):,} of {len(rows):,} rows",
        )
        present = place.names("rows-out")
        refused = [row for row in rows if f"{_row_file(row)}.out" not in present]
        # A refusal of all of them is none of any row's: a role, say, that may not read the model.
        if refused and (not second.refused or len(refused) == len(rows) > 1):
            raise BatchFailed(f"{second.name} is {second.status}: {second.reason}")
        said = transform_jobs.messages(session, second.name) if refused else {}
        return second.name, {row: said.get(_row_file(row), second.reason) for row in refused}

    def _collect(self, answers: Answers, scratch: Path) -> None:
        whole, single = self.place.names("out"), self.place.names("rows-out")
        for part in self._parts.files:
            if part.answered in whole:
                key = whole[part.answered]
                answers.read(self.place.fetch(key, scratch / part.answered), part.rows)
                continue
            for row in part.rows:
                name = f"{_row_file(row)}.out"
                if name in single:
                    answers.read(self.place.fetch(single[name], scratch / name), array("q", [row]))
                elif row not in answers.failures:
                    raise BatchFailed(
                        f"{self.place.location} has lost the answer to row {row}: delete the "
                        "prefix and run this again."
                    )


def start(
    session: Session,
    model: str,
    frame: pd.DataFrame,
    questions: Questions,
    *,
    records: Records = "one",
    instance_type: str = instances.CPU,
    instance_count: int = 1,
    concurrency: int | None = None,
    kms_key: str | None = None,
    name: str | None = None,
) -> Batch:
    """Ask a model about every row of a table with a transform job; return at once.

    The same call again takes the answers that are there: no second job is started. A call that was
    interrupted finds its job.

    A transform job gives up a whole file when its model refuses one request. Rows are therefore
    checked here before anything is sent; a container that answers ``{"error": ...}`` for a row
    (as the workshop's own do) keeps the others; and what a refused part leaves open is sent once
    more by `Batch.wait`, with a file for each row, so that a bad row costs itself and no other.

    Parameters
    ----------
    session
        Where and as whom.
    model
        The name of a SageMaker model, for instance of `jumpstart.build`.
    frame
        The table; it is not changed. Its index may be anything.
    questions
        What to ask, for instance `zero_shot_rows.Rows`.
    records
        ``one`` row in a request, which every container understands, or ``many``.
    instance_type, instance_count
        What the job runs on, billed while it runs.
    concurrency
        How many requests an instance gets at once.
    kms_key
        Encrypts what is sent, what comes back, and the instances' disks.
    name
        Part of the names of the jobs and of the prefix in S3; the questions' own name if None.

    Raises
    ------
    BatchError
        Before anything is sent, when a column is missing, or there already.
    QuotaTooLow, BatchFailed
        When the job cannot be started.
    """
    began = time.monotonic()
    _check(frame, questions)
    name = name or questions.name
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        largest = PAYLOAD_MB[records] * 1024 * 1024
        parts = batch_files.write(frame, questions, folder, largest, PART_ROWS)
        told = json.dumps([model, records, kms_key, PART_ROWS])
        digest = hashlib.sha256(f"{told} {parts.digest}".encode()).hexdigest()[:12]
        place = Place(session, f"{name}-{digest}", kms_key)
        settings = Job(
            name=name,
            key=f"{digest}-parts",
            model=model,
            source=f"{place.location}in/",
            target=f"{place.location}out/",
            records=records,
            instance_type=instance_type,
            instance_count=instance_count,
            concurrency=concurrency,
            kms_key=kms_key,
        )
        note = place.note() if parts.files else None
        job = None
        if note is not None:
            print(f"The answers are there already, in {place.location}")
        elif parts.files:
            job = _answered(place, settings, parts)
            if job is None:
                for part in parts.files:
                    place.send(folder / part.name, "in")
                job = transform_jobs.start(session, settings)
    answers = Answers(frame, questions, parts.failures)
    return Batch(place, job, settings, parts, answers, note, time.monotonic() - began)


def _answered(place: Place, settings: Job, parts: Parts) -> str | None:
    """Return the job that has answered every part while nobody waited, or None."""
    present = place.names("out")
    if any(part.answered not in present for part in parts.files):
        return None
    job = transform_jobs.latest(place.session, settings.key, "Completed")
    if job is not None:
        print(f"Transform job {job} has answered already")
    return job


def _check(frame: pd.DataFrame, questions: Questions) -> None:
    names = list(frame.columns)
    for name in questions.reads:
        if names.count(name) != 1:
            there = "is not there" if name not in names else "is there more than once"
            raise BatchError(f"The column {name!r} {there}; the table has {names}.")
    taken = [name for name in questions.columns if name in names]
    if taken:
        raise BatchError(
            f"The table has {taken} already, which are the answers' columns: rename them, for "
            f"instance with frame.rename(columns={{{taken[0]!r}: 'old'}})."
        )


def _row_file(row: int) -> str:
    return f"row-{row:09}.jsonl"
