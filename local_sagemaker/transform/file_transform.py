"""One input object from its first byte to its output, which appears whole or not at all.

Mini-batches are sent as there is room and written in the order of the input, whenever their
answers come. It knows one object; it must not know jobs.
"""

import asyncio
import gzip
import io
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

from local_sagemaker.errors import AWSError
from local_sagemaker.jobs.s3_locations import S3Location
from local_sagemaker.s3.model import Description
from local_sagemaker.s3.objects import Incoming, Objects
from local_sagemaker.transform.data_processing import DataProcessing, ProcessingError
from local_sagemaker.transform.invocations import InvocationFailed, Invocations
from local_sagemaker.transform.mini_batches import MiniBatch, RecordError, Splitting

_BUFFER = 1 << 18
_PROGRESS_SECONDS = 2.0


class FileFailed(Exception):
    """An object has no output.

    Attributes
    ----------
    blame
        How FailureReason begins.
    """

    def __init__(self, blame: str, message: str) -> None:
        super().__init__(message)
        self.blame = blame


@dataclass(frozen=True)
class Work:
    """What all objects of a job have in common.

    Attributes
    ----------
    objects, account
        Where they are read and written, and as whom.
    gzip
        Whether they are compressed.
    splitting, processing
        How they become requests, and answers become output.
    lines
        Whether the output of each mini-batch ends with a newline.
    room
        Has as many places as mini-batches may be in memory.
    invocations
        Who is asked.
    say
        Takes lines for the job's log.
    """

    objects: Objects
    account: str
    gzip: bool
    splitting: Splitting
    processing: DataProcessing
    lines: bool
    room: asyncio.Semaphore
    invocations: Invocations
    say: Callable[[str], None]


class FileTransform:
    """One object.

    Parameters
    ----------
    work
        What it has in common with the others.
    source, target
        Where it is, and where its output goes.
    """

    def __init__(self, work: Work, source: S3Location, target: S3Location) -> None:
        self._work = work
        self._source = source
        self._target = target
        self._name = f"{source.bucket}/{source.key}"
        self._under_way: asyncio.Queue[tuple[MiniBatch, asyncio.Task[bytes]] | None]
        self._under_way = asyncio.Queue()
        self._records = 0
        self._said = time.monotonic()

    async def run(self) -> int:
        """Transform it; return how many records it has.

        Raises
        ------
        FileFailed
            When it cannot be read, a record is refused, or the output cannot be written.
        """
        work, target = self._work, self._target
        try:
            with _opened(work, self._source) as stream, work.objects.receive() as incoming:
                await self._transform(stream, incoming)
                # Not in a thread: half-way through, it must not be left by who is cancelled.
                work.objects.put(work.account, target.bucket, target.key, incoming, Description())
        except AWSError as error:
            raise FileFailed("ClientError", f"{error.message} ({error.code})") from error
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise FileFailed("ClientError", f"it is not a whole gzip file: {error}") from error
        except RecordError as error:
            raise FileFailed("ClientError", f"{error}.") from error
        return self._records

    async def _transform(self, stream: BinaryIO, incoming: Incoming) -> None:
        reader = asyncio.create_task(self._send_all(stream))
        try:
            await self._write_all(incoming)
            await reader
        finally:
            # Whatever ends it: nothing goes on that nobody waits for, and its room is given back.
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            await self._drop()

    async def _send_all(self, stream: BinaryIO) -> None:
        try:
            batches = self._work.splitting(stream)
            while True:
                await self._work.room.acquire()
                try:
                    batch = self._next(batches)
                except BaseException:
                    self._work.room.release()
                    raise
                if batch is None:
                    self._work.room.release()
                    return
                task = asyncio.create_task(
                    self._work.invocations.answer(batch.payload, self._where(batch))
                )
                self._under_way.put_nowait((batch, task))
        finally:
            self._under_way.put_nowait(None)

    def _next(self, batches: Iterator[MiniBatch]) -> MiniBatch | None:
        try:
            return next(batches, None)
        except ProcessingError as error:
            raise FileFailed("ClientError", f"{error}.") from error

    async def _write_all(self, incoming: Incoming) -> None:
        output = _Buffer(incoming)
        while (item := await self._under_way.get()) is not None:
            batch, task = item
            try:
                output.write(self._assembled(batch, await task))
            except InvocationFailed as error:
                raise FileFailed(error.blame, _placed(batch, str(error))) from error
            except ProcessingError as error:
                raise FileFailed("ClientError", _placed(batch, f"{error}.")) from error
            finally:
                task.cancel()
                self._work.room.release()
            self._count(batch.count)
        output.flush()

    def _assembled(self, batch: MiniBatch, answer: bytes) -> bytes:
        written = self._work.processing.written(batch.records, answer)
        if self._work.lines and not written.endswith(b"\n"):
            return written + b"\n"
        return written

    def _count(self, records: int) -> None:
        self._records += records
        now = time.monotonic()
        if now - self._said >= _PROGRESS_SECONDS:
            self._said = now
            self._work.say(f"{self._name}: {self._records} records are done")

    async def _drop(self) -> None:
        tasks = []
        while not self._under_way.empty():
            item = self._under_way.get_nowait()
            if item is not None:
                item[1].cancel()
                tasks.append(item[1])
                self._work.room.release()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _where(self, batch: MiniBatch) -> str:
        return f"{self._name}, {batch.place}" if batch.place else self._name


class _Buffer:
    """Collects small outputs, of which each write to the disk would cost more than the bytes."""

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming
        self._pending = bytearray()

    def write(self, data: bytes) -> None:
        self._pending += data
        if len(self._pending) >= _BUFFER:
            self.flush()

    def flush(self) -> None:
        if self._pending:
            self._incoming.write(bytes(self._pending))
            self._pending.clear()


@contextmanager
def _opened(work: Work, source: S3Location) -> Iterator[BinaryIO]:
    with work.objects.open(work.account, source.bucket, source.key) as stored:
        if not work.gzip:
            yield stored
            return
        with gzip.GzipFile(fileobj=stored) as unzipped:
            yield cast(BinaryIO, io.BufferedReader(unzipped, _BUFFER))


def _placed(batch: MiniBatch, message: str) -> str:
    return f"{batch.place}: {message}" if batch.place else message
