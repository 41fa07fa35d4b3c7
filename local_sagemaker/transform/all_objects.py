"""All input objects of a transform job, several at a time; each fails or succeeds for itself.

It knows objects and what became of them; it must not know jobs or processes.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence

from local_sagemaker.jobs.s3_locations import S3Location
from local_sagemaker.jobs.s3_source import Item
from local_sagemaker.transform.file_transform import FileFailed, FileTransform, Work


class Failures:
    """The objects that failed: how many, and the first of them in the order of the input.

    Parameters
    ----------
    objects
        How many objects there are.
    """

    def __init__(self, objects: int) -> None:
        self._objects = objects
        self._count = 0
        self._first: tuple[int, str] | None = None

    def add(self, number: int, item: Item, error: FileFailed) -> None:
        """Note that an object failed.

        Parameters
        ----------
        number
            Its place in the input.
        item, error
            Which object, and why.
        """
        self._count += 1
        if self._first is None or number < self._first[0]:
            self._first = number, f"{error.blame}: {item.location}: {error}"

    @property
    def reason(self) -> str | None:
        """The job's FailureReason; None when no object failed."""
        if self._first is None:
            return None
        told = self._first[1]
        if self._objects > 1:
            told += f" {self._count} of {self._objects} input files failed."
        return f"{told} See the job's logs."


async def transform_all(
    work: Work, items: Sequence[Item], output: S3Location, at_once: int
) -> Failures:
    """Transform objects; when this is cancelled, nothing of what is under way is kept.

    Parameters
    ----------
    work
        What they have in common.
    items
        The objects.
    output
        Below which address the outputs go.
    at_once
        How many at a time.
    """
    failures = Failures(len(items))
    waiting = iter(enumerate(items))
    hands = [
        asyncio.create_task(_transform_each(work, output, waiting, failures))
        for _ in range(min(at_once, len(items)))
    ]
    try:
        await asyncio.gather(*hands)
    finally:
        for hand in hands:
            hand.cancel()
        await asyncio.gather(*hands, return_exceptions=True)
    return failures


async def _transform_each(
    work: Work, output: S3Location, waiting: Iterator[tuple[int, Item]], failures: Failures
) -> None:
    for number, item in waiting:
        name = f"{item.location.bucket}/{item.location.key}"
        target = S3Location(output.bucket, _below(output.key, f"{item.name}.out"))
        started = time.monotonic()
        try:
            records = await FileTransform(work, item.location, target).run()
        except FileFailed as error:
            failures.add(number, item, error)
            work.say(f"{name}: {error.blame}")
            work.say(f"{name}: Message: {error}")
        else:
            seconds = time.monotonic() - started
            work.say(f"{name}: {records} records in {seconds:.1f} s, written to {target}")


def _below(prefix: str, name: str) -> str:
    folder = prefix.rstrip("/")
    return f"{folder}/{name}" if folder else name
