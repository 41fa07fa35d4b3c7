"""Kills the server again and again and checks that nothing it acknowledged is lost.

Clients write all kinds of things all the time and keep a ledger of what was acknowledged, jobs
run whose descendants try to get away, and an endpoint changes its model. SIGKILL strikes in turn
during a multipart upload, the upload of a job's model, the swap of an endpoint, commits of the
database, and idling. After each restart everything is read back and the machine is searched for
processes and files that nothing needs::

    python benchmarks/killed_server.py --kills 50

It ends with 1 if anything was lost, half visible, or left over.
"""

from __future__ import annotations

import argparse
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
from killing import remains
from killing.ledger import Ledger
from killing.runaways import RUNAWAYS
from killing.work import MODEL, Endpoints, Jobs
from killing.writers import BUCKET, GROUP, MB, Clients, Reader, Writers, abandon

from benchmarks.peers.machine import machine_and_python
from local_sagemaker import LocalSageMaker
from local_sagemaker.home import Home

BIG = 48 * MB
_PATIENCE = 30.0


class Round:
    """What the moments to strike at have in hand."""

    def __init__(self, harness: Harness, clients: Clients, writers: Writers) -> None:
        self.harness = harness
        self.clients = clients
        self.writers = writers

    def multipart(self) -> None:
        """Come to a moment in which a part is on its way."""
        self.writers.start()
        time.sleep(self.harness.chance.uniform(0.1, 0.6))
        self.writers.in_part.wait(_PATIENCE)
        time.sleep(self.harness.chance.uniform(0, 0.05))

    def model(self) -> None:
        """Come to a moment in which a job's model is being archived or stored."""
        self.writers.start()
        jobs = self.harness.jobs
        name = jobs.submit(self.clients, MODEL, BIG)
        jobs.wait(self.clients, name, "Uploading")
        time.sleep(self.harness.chance.uniform(0, 2.5))
        jobs.read(self.clients, name)

    def swap(self) -> None:
        """Come to a moment in which an endpoint changes its generation."""
        self.writers.start()
        endpoints = self.harness.endpoints
        endpoints.update(self.clients, "stays")
        if "comes" in endpoints.names:
            endpoints.delete(self.clients, "comes")
        else:
            endpoints.create(self.clients, "comes")
        time.sleep(self.harness.chance.uniform(0, 1.5))

    def commit(self) -> None:
        """Come to a moment in which everybody writes."""
        self.writers.start()
        time.sleep(self.harness.chance.uniform(0.2, 1.0))

    def idle(self) -> None:
        """Come to a moment in which nothing is asked."""
        self.writers.start()
        time.sleep(0.3)
        self.harness.note(self.writers.stop())
        time.sleep(self.harness.chance.uniform(0, 0.5))


STRIKES: dict[str, Callable[[Round], None]] = {
    "multipart upload": Round.multipart,
    "model upload": Round.model,
    "endpoint swap": Round.swap,
    "commit": Round.commit,
    "idle": Round.idle,
}


class Harness:
    """A server, its ledger, and all that was found out."""

    def __init__(self, local: LocalSageMaker, seed: int) -> None:
        self.local = local
        self.chance = random.Random(seed)
        self.ledger = Ledger()
        self.jobs = Jobs()
        clients = Clients()
        clients.s3.create_bucket(Bucket=BUCKET)
        clients.logs.create_log_group(logGroupName=GROUP)
        self.endpoints = Endpoints(clients)
        self.problems: list[str] = self.endpoints.verify(clients)
        self.kills: Counter[str] = Counter()
        self.ends: list[float] = []
        self.starts: list[float] = []
        self.sizes: list[int] = []
        self.submitted = 0

    def note(self, errors: list[BaseException]) -> None:
        """Count errors of writers as problems."""
        self.problems += [f"a writer was refused: {error!r}" for error in errors]

    def strike(self, what: str) -> None:
        """Let clients work, kill the server at the moment asked for, start it and check."""
        clients = Clients()
        writers = Writers(self.ledger, clients, self.chance.randrange(10**9))
        runaway = self.jobs.submit(clients, RUNAWAYS)
        quick = self.jobs.submit(clients, MODEL, 64_000)
        pids = self.jobs.runaways(clients, runaway)
        STRIKES[what](Round(self, clients, writers))
        self.jobs.read(clients, quick)
        self.jobs.read(clients, runaway)
        server = self._server()
        family = remains.descendants(server.pid) | {psutil.Process(pid) for pid in pids}
        server.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        server.wait()
        self.kills[what] += 1
        left = remains.wait_until_gone(family)
        self.ends.append(time.monotonic() - killed)
        if left:
            self.problems.append(f"{what}: these still run: {left}")
        self.note(writers.stop())
        started = time.monotonic()
        self.local.start()
        self.starts.append(time.monotonic() - started)
        self._check(what, clients)

    def _check(self, what: str, clients: Clients) -> None:
        found = self.ledger.verify(Reader(clients))
        found += self.jobs.verify(clients)
        found += self.endpoints.verify(clients)
        abandon(clients, self.ledger)
        home = self.local.home
        if missing := remains.missing_blobs(home):
            found.append(f"{len(missing)} blobs of objects are missing")
        if not _soon(lambda: not remains.needless_blobs(home)):
            found.append(f"blobs that nothing needs: {remains.needless_blobs(home)[:5]}")
        live = len(self.endpoints.names)
        if not _soon(lambda: remains.containers(home) == live):
            found.append(f"{remains.containers(home)} containers for {live} endpoints")
        family = remains.descendants(self._server().pid)
        strays = [process for process in remains.marked(home) if process not in family]
        if remains.alive(strays):
            found.append(f"strays carry the marker: {strays}")
        self.problems += [f"{what}: {problem}" for problem in found]
        self.sizes.append(remains.size(home))

    def _server(self) -> psutil.Process:
        info = Home(self.local.home).server()
        if info is None:
            raise RuntimeError("there is no server to kill")
        return psutil.Process(info.pid)

    def report(self) -> str:
        """Return the ledger's summary as Markdown."""
        lines = ["| acknowledged | times |", "| --- | --- |"]
        lines += [
            f"| {kind} | {count:,} |" for kind, count in sorted(self.ledger.acknowledged.items())
        ]
        kills = ", ".join(f"{count} during {what}" for what, count in self.kills.items())
        lines += [
            "",
            f"{sum(self.kills.values())} kills ({kills}).",
            f"{self.ledger.in_doubt} writes were under way and may have been done or not.",
            f"Descendants gone after {_range(self.ends)}.",
            f"Server ready again after {_range(self.starts)}.",
            f"Home: {', '.join(f'{size / MB:.0f}' for size in self.sizes[::5])} MB (every 5th).",
            f"Problems: {len(self.problems)}",
            *(f"- {problem}" for problem in self.problems),
        ]
        return "\n".join(lines)


def _range(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} s in the median, {max(seconds):.2f} s at most"


def _soon(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _PATIENCE
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50, help="how often to kill (default 50)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is left to chance")
    parser.add_argument("--only", choices=STRIKES, help="strike only then")
    parser.add_argument("--home", type=Path, help="keep the home here instead of a temporary one")
    options = parser.parse_args()
    moments = [options.only] if options.only else list(STRIKES)
    print(f"{machine_and_python()}")
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalSageMaker(home=options.home or Path(folder) / "home") as local,
    ):
        harness = Harness(local, options.seed)
        for number in range(options.kills):
            what = moments[number % len(moments)]
            before = len(harness.problems)
            harness.strike(what)
            found = harness.problems[before:]
            print(f"{number + 1:3} {what}: {found or 'ok'}", flush=True)
        print(harness.report())
    return 1 if harness.problems else 0


if __name__ == "__main__":
    sys.exit(main())
