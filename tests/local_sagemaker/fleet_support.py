"""What the tests of fleets share: a script that does as each request tells, and asking it."""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

from local_sagemaker.containers.container import Containers
from local_sagemaker.database import Database
from local_sagemaker.hosting.demand import DemandPolicy
from local_sagemaker.hosting.fleet import Fleet
from local_sagemaker.hosting.reserve import ReservePolicy
from local_sagemaker.hosting.workers import WorkerPlan
from local_sagemaker.identity import Identity
from local_sagemaker.settings import ACCOUNT, REGION, Settings

OBEDIENT = """
    import os, time
    def model_fn(d): pass
    def transform_fn(model, data, content_type, accept):
        word, _, argument = bytes(data).decode().partition(" ")
        if word == "sleep":
            time.sleep(float(argument))
        if word == "exit":
            os._exit(int(argument))
        return word
"""


class Lines:
    """Keeps what a process writes."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        self.lines.append(line)


class Fleets:
    """Makes fleets of inference scripts and stops them."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers
        self._fleets: list[Fleet] = []
        self.log = Lines()

    def make(
        self,
        code: str = OBEDIENT,
        *,
        startup_timeout: float = 60,
        on_trouble: Callable[[str | None], None] = lambda _: None,
        reserve: ReservePolicy | None = None,
        demand: DemandPolicy | None = None,
    ) -> Fleet:
        container = self._containers.create()
        script = container.root / "model" / "code" / "inference.py"
        script.parent.mkdir(parents=True)
        script.write_text(dedent(code))
        role = f"arn:aws:iam::{ACCOUNT}:role/some"
        plan = WorkerPlan(
            container=container,
            environment=self._containers.environment(
                container, role_arn=role, account=ACCOUNT, region=REGION, lifetime=None, own={}
            ),
            startup_timeout=startup_timeout,
            request_timeout=60,
            open_log=lambda _: self.log,
        )
        fleet = Fleet(plan, on_trouble, reserve, demand)
        self._fleets.append(fleet)
        return fleet

    def stop(self) -> None:
        for fleet in self._fleets:
            fleet.stop(0)


@contextmanager
def fleets_of_a_new_home() -> Iterator[Fleets]:
    """Make what makes fleets; at the end all of them are stopped."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        home = Path(folder)
        database = Database(home / "state.db")
        settings = Settings(home=home, port=1, run_dir=home)
        fleets = Fleets(Containers(settings, Identity(database, ACCOUNT)))
        yield fleets
        fleets.stop()
        database.close()


def run(fleet: Fleet, scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario and stop the fleet, whose connections belong to this event loop."""

    async def whole() -> None:
        try:
            await scenario
        finally:
            await asyncio.to_thread(fleet.stop, 0)
            # Enough for the loop to see that the other sides are gone.
            await asyncio.sleep(0.05)

    asyncio.run(whole())


async def never() -> None:
    await asyncio.Event().wait()


def ask(fleet: Fleet, word: str, timeout: float = 30) -> Coroutine[Any, Any, bytes]:
    async def answer() -> bytes:
        found = await fleet.invoke([], word.encode(), timeout=timeout, gone=never)
        return found.body

    return answer()
