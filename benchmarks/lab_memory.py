"""How much memory each lab needs: all of its processes together, sampled while its cells run.

A lab's notebook is run as a person runs it, every cell once, on a local SageMaker of its own. The
memory is that of the kernel, the server and every process that either of them starts: what they
allocated (Pss_Anon), and of each file that they map the largest part that one of them has in
memory, once. PSS alone would be too little where other programs on the machine map the same files.
The peer is the smallest machine that the labs promise to run on: an ml.t3.medium, the default of a
Studio space, with 4 GiB, of which 3 GB may be the lab's; Jupyter and the system have the rest.
Linux only::

    python benchmarks/lab_memory.py

The result is written to data/results/lab_memory.json and .md, which preflight reads.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import psutil
from nbclient import NotebookClient

from benchmarks.peers.machine import machine_and_python
from local_sagemaker import daemon
from local_sagemaker.home import Home

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "data" / "results"
LABS = (
    "lab1_few_shot_learning.ipynb",
    "lab2_zero_shot_jumpstart.ipynb",
    "lab3_human_in_the_loop.ipynb",
)
BAR_MEGABYTES = 3000
PEER = {"instance": "ml.t3.medium", "memory_megabytes": 4 * 1024 * 1.048576}
_EVERY_SECONDS = 0.5
_CELL_SECONDS = 1800
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)


@dataclass
class Peak:
    """The largest sum that was seen, and what it was made of."""

    megabytes: float = 0.0
    cell: str = ""
    mapped_megabytes: float = 0.0
    processes: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Measured:
    """One lab's figures.

    Attributes
    ----------
    notebook
        Its file.
    peak
        The most memory at any moment.
    by_cell
        The most while each cell ran, in megabytes, the ten largest.
    kernel_megabytes
        The most that the kernel alone had, with all files that any process maps.
    disk_megabytes
        What the local SageMaker's home took at the end, with all that the lab left there.
    seconds
        From the first cell to the last.
    samples
        How often memory was looked at.
    """

    notebook: str
    peak: Peak = field(default_factory=Peak)
    by_cell: dict[str, float] = field(default_factory=dict)
    kernel_megabytes: float = 0.0
    disk_megabytes: float = 0.0
    seconds: float = 0.0
    samples: int = 0


class Sampler:
    """Sums up the memory of all processes below this one, in a thread.

    Parameters
    ----------
    measured
        Takes the figures.
    """

    def __init__(self, measured: Measured) -> None:
        self.cell = ""
        self._measured = measured
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler")

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_EVERY_SECONDS):
            self._sample()

    def _sample(self) -> None:
        alive = psutil.Process().children(recursive=True)
        measured = self._measured
        measured.samples += 1
        # Reading every mapping takes long; what cannot be a new maximum is not looked at closely.
        roughly = sum(resident_megabytes(process) for process in alive)
        known = measured.by_cell.get(self.cell, 0.0)
        if roughly <= known:
            return
        files: dict[str, float] = {}
        found = []
        for process in alive:
            with contextlib.suppress(psutil.Error, OSError):
                own, mapped = mappings_megabytes(process.pid)
                found.append({"what": named(process), "own_megabytes": round(own, 1)})
                for name, size in mapped.items():
                    files[name] = max(size, files.get(name, 0.0))
        total = sum(one["own_megabytes"] for one in found) + sum(files.values())
        measured.by_cell[self.cell] = max(total, known)
        kernel = [one["own_megabytes"] for one in found if one["what"] == "notebook kernel"]
        measured.kernel_megabytes = max(
            [measured.kernel_megabytes, *(size + sum(files.values()) for size in kernel)]
        )
        if total > measured.peak.megabytes:
            found.sort(key=lambda one: -float(one["own_megabytes"]))
            measured.peak = Peak(total, self.cell, round(sum(files.values()), 1), found[:12])


def resident_megabytes(process: psutil.Process) -> float:
    """Return a process's resident set, in which what it shares counts in full; 0 if it is gone."""
    with contextlib.suppress(psutil.Error):
        return float(process.memory_info().rss) / 1e6
    return 0.0


def mappings_megabytes(pid: int) -> tuple[float, dict[str, float]]:
    """Return what a process has of its own, and the resident part of each file that it maps."""
    own = 0
    with Path(f"/proc/{pid}/smaps_rollup").open(encoding="ascii") as lines:
        for line in lines:
            if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                own += int(line.split()[1])
    files: dict[str, float] = {}
    name = ""
    resident = 0
    with Path(f"/proc/{pid}/smaps").open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("Rss:"):
                resident = int(line.split()[1])
            elif line.startswith("Anonymous:"):
                clean = resident - int(line.split()[1])
                if name.startswith("/") and not name.startswith("/dev/"):
                    files[name] = files.get(name, 0.0) + clean * 1024 / 1e6
            elif not line.partition(" ")[0].endswith(":"):
                words = line.split(maxsplit=5)
                name = words[5].strip() if len(words) > 5 else ""
    return own * 1024 / 1e6, files


def named(process: psutil.Process) -> str:
    """Return what a process is, without paths of this machine."""
    words = process.cmdline()
    if "ipykernel_launcher" in words:
        return "notebook kernel"
    if "-m" in words:
        return words[words.index("-m") + 1]
    scripts = [Path(word).name for word in words[1:] if word.endswith(".py")]
    return scripts[0] if scripts else process.name()


def adopt_orphans() -> None:
    """Become the parent of processes whose own parent ends, as the server's does at once."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "this system has no subreapers: Linux is needed")


@contextlib.contextmanager
def own_home(keep: Path | None, lab: str) -> Iterator[Home]:
    """Give a home for one lab; it is removed at the end unless it is to be kept."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Home((keep / Path(lab).stem if keep else Path(scratch)) / "home")
        try:
            yield home
        finally:
            daemon.stop(home)


def measure(lab: str, keep: Path | None) -> Measured:
    """Run one lab and return its figures."""
    measured = Measured(lab)
    notebook = nbformat.read(ROOT / lab, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=_CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(ROOT)}},
    )
    with own_home(keep, lab) as home:
        variables = {name: value for name, value in os.environ.items() if name[:4] != "AWS_"}
        variables |= {
            "LOCAL_SAGEMAKER_HOME": str(home.path),
            "WORKSHOP_MODE": "local",
            "WORKSHOP_APPROVAL": "Approved",
            "HF_HUB_OFFLINE": "1",
        }
        began = time.monotonic()
        with client.setup_kernel(env=variables), Sampler(measured) as sampler:
            for number, cell in enumerate(notebook.cells):
                if cell.cell_type == "code":
                    sampler.cell = cell["id"]
                    client.execute_cell(cell, number)
        measured.seconds = round(time.monotonic() - began, 1)
        measured.disk_megabytes = round(disk_megabytes(home.path), 1)
    largest = sorted(measured.by_cell.items(), key=lambda pair: -pair[1])[:10]
    measured.by_cell = {cell: round(size, 1) for cell, size in largest}
    measured.peak.megabytes = round(measured.peak.megabytes, 1)
    return measured


def disk_megabytes(folder: Path) -> float:
    """Return what the files below a folder take on disk; hard links count once."""
    seen = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            facts = path.lstat()
            seen[(facts.st_dev, facts.st_ino)] = facts.st_blocks * 512
    return sum(seen.values()) / 1e6


def table(rows: list[dict[str, Any]]) -> str:
    """Return the figures as a table of Markdown."""
    lines = [
        "| lab | peak, MB | in cell | kernel alone, MB | disk, MB | run, s |",
        "| --- | ---: | --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row['notebook']} | {row['peak']['megabytes']:.0f} | `{row['peak']['cell']}` | "
        f"{row['kernel_megabytes']:.0f} | {row['disk_megabytes']:.0f} | {row['seconds']:.0f} |"
        for row in rows
    ]
    return "\n".join(lines)


def recorded(path: Path, measured: list[Measured]) -> dict[str, Any]:
    """Return the record with new figures; those of labs that were not measured stay."""
    before: list[dict[str, Any]] = []
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))["labs"]
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    rows = {row["notebook"]: row for row in before}
    rows |= {one.notebook: {**asdict(one), "date": today} for one in measured}
    memory = psutil.virtual_memory().total / 1e9
    return {
        "command": "python benchmarks/lab_memory.py",
        "machine": f"{machine_and_python()}, {memory:.0f} GB",
        "measured": "what the kernel, the server and all their processes allocated, and each "
        f"file that they map once, every {_EVERY_SECONDS} s",
        "bar_megabytes": BAR_MEGABYTES,
        "peer": PEER,
        "labs": [rows[lab] for lab in LABS if lab in rows],
    }


def main() -> int:
    """Measure, record and print; 1 if a lab needs more than it may."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lab", type=int, choices=(1, 2, 3), action="append", help="only this one")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="leave the servers' homes there"
    )
    options = parser.parse_args()
    adopt_orphans()
    measured = []
    for number in options.lab or (1, 2, 3):
        print(f"{LABS[number - 1]} …", file=sys.stderr, flush=True)
        measured.append(measure(LABS[number - 1], options.keep))
        print(f"  {measured[-1].peak.megabytes:.0f} MB", file=sys.stderr, flush=True)
    record = recorded(RESULTS / "lab_memory.json", measured)
    text = json.dumps(record, indent=2) + "\n"
    (RESULTS / "lab_memory.json").write_text(text, encoding="utf-8")
    shown = (
        f"{table(record['labs'])}\n\nPeak: {record['measured']}. Jupyter itself is not in it. "
        f"An {PEER['instance']} has {PEER['memory_megabytes']:.0f} MB; the bar is "
        f"{BAR_MEGABYTES} MB.\n\n{record['command']}, {record['machine']}.\n"
    )
    (RESULTS / "lab_memory.md").write_text(shown, encoding="utf-8")
    print(shown)
    reached = all(one.peak.megabytes < BAR_MEGABYTES for one in measured)
    print(f"Bar: {'reached' if reached else 'missed'}.")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
