"""A fleet of serving processes and its queue, in this process and without a server."""

import asyncio
import errno
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from local_sagemaker.containers.container import Containers
from local_sagemaker.hosting.fleet import Fleet
from local_sagemaker.hosting.reserve import ReservePolicy
from local_sagemaker.hosting.waiting import (
    ClientGone,
    FleetClosed,
    InvocationTimeout,
    WorkerDied,
)
from local_sagemaker.hosting.workers import Worker, WorkerFailed, WorkerPlan
from local_sagemaker.identity import Identity
from local_sagemaker.settings import ACCOUNT, REGION, Settings
from local_sagemaker.store import Database

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
        fleet = Fleet(plan, on_trouble, reserve)
        self._fleets.append(fleet)
        return fleet

    def stop(self) -> None:
        for fleet in self._fleets:
            fleet.stop(0)


@pytest.fixture
def fleets() -> Iterator[Fleets]:
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


def test_a_request_that_takes_too_long_times_out_and_its_process_lives_on(fleets: Fleets) -> None:
    fleet = fleets.make()
    fleet.start(1)

    async def scenario() -> None:
        began = time.monotonic()
        with pytest.raises(InvocationTimeout):
            await ask(fleet, "sleep 1", timeout=0.2)
        assert time.monotonic() - began < 0.9
        # This one waits until the process is free again.
        assert await ask(fleet, "next") == b"next"
        assert time.monotonic() - began > 0.9

    run(fleet, scenario())


def test_the_time_in_the_queue_counts(fleets: Fleets) -> None:
    fleet = fleets.make()
    fleet.start(1)

    async def scenario() -> None:
        first = asyncio.create_task(ask(fleet, "sleep 1"))
        await asyncio.sleep(0.05)
        with pytest.raises(InvocationTimeout):
            await ask(fleet, "exit 1", timeout=0.2)
        # What timed out in the queue was never sent.
        assert await first == b"sleep"
        assert await ask(fleet, "alive") == b"alive"

    run(fleet, scenario())


def test_a_client_that_hangs_up_leaves_the_queue(fleets: Fleets) -> None:
    fleet = fleets.make()
    fleet.start(1)

    async def scenario() -> None:
        first = asyncio.create_task(ask(fleet, "sleep 0.5"))
        await asyncio.sleep(0.05)
        gone = asyncio.Event()

        async def until_gone() -> None:
            await gone.wait()

        waiting = asyncio.create_task(fleet.invoke([], b"exit 1", timeout=30, gone=until_gone))
        await asyncio.sleep(0.05)
        gone.set()
        with pytest.raises(ClientGone):
            await waiting
        assert await first == b"sleep"
        assert await ask(fleet, "alive") == b"alive"

    run(fleet, scenario())


def test_a_cancelled_request_does_not_lose_its_process(fleets: Fleets) -> None:
    fleet = fleets.make()
    fleet.start(1)

    async def scenario() -> None:
        for _ in range(3):
            running = asyncio.create_task(ask(fleet, "sleep 0.2"))
            waiting = asyncio.create_task(ask(fleet, "exit 1"))
            await asyncio.sleep(0.05)
            running.cancel()
            waiting.cancel()
            await asyncio.gather(running, waiting, return_exceptions=True)
        assert await ask(fleet, "alive") == b"alive"

    run(fleet, scenario())


def test_draining_answers_what_is_there_and_refuses_what_comes(fleets: Fleets) -> None:
    fleet = fleets.make()
    fleet.start(1)

    async def scenario() -> None:
        running = [asyncio.create_task(ask(fleet, f"sleep {n}")) for n in (0.2, 0.1)]
        await asyncio.sleep(0.05)
        drained = asyncio.create_task(asyncio.to_thread(fleet.drain, 30))
        await asyncio.sleep(0.05)
        with pytest.raises(FleetClosed):
            await ask(fleet, "late")
        assert not drained.done()
        assert await asyncio.gather(*running) == [b"sleep", b"sleep"]
        assert await drained
        assert fleet.drain(0)

    run(fleet, scenario())


def test_stopping_fails_what_waits_and_ends_the_processes(fleets: Fleets) -> None:
    fleet = fleets.make()
    fleet.start(1)

    async def scenario() -> None:
        running = asyncio.create_task(ask(fleet, "sleep 0.5"))
        waiting = asyncio.create_task(ask(fleet, "exit 1"))
        await asyncio.sleep(0.1)
        stop = asyncio.create_task(asyncio.to_thread(fleet.stop))
        with pytest.raises(FleetClosed):
            await waiting
        # What a process has, it may finish.
        assert await running == b"sleep"
        await stop

    run(fleet, scenario())
    assert fleet.size == 0


def test_a_process_that_is_not_healthy_in_time_is_ended(fleets: Fleets) -> None:
    code = "import time\nprint('looking for weights')\ntime.sleep(600)"
    fleet = fleets.make(code, startup_timeout=0.5)
    with pytest.raises(WorkerFailed) as raised:
        fleet.start(1)
    assert "did not answer /ping with 200 within 0.5 seconds" in str(raised.value)
    assert "looking for weights" in str(raised.value)
    fleet.stop()
    assert fleet.size == 0


def test_stopping_while_processes_start_leaves_none(fleets: Fleets) -> None:
    fleet = fleets.make("import time\ntime.sleep(600)")
    failures: list[BaseException] = []

    def start() -> None:
        try:
            fleet.start(2)
        except WorkerFailed as error:
            failures.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    time.sleep(0.3)
    fleet.stop()
    thread.join()
    assert len(failures) == 1


def test_resizing_keeps_the_processes_that_stay(fleets: Fleets) -> None:
    code = "import os\ndef model_fn(d): pass\ndef transform_fn(m, d, c, a): return str(os.getpid())"
    fleet = fleets.make(code)
    fleet.start(1)

    async def scenario() -> None:
        async def pids(count: int) -> set[bytes]:
            return {await ask(fleet, "") for _ in range(count)}

        (first,) = await pids(2)
        await asyncio.to_thread(fleet.resize, 3)
        three = await pids(6)
        assert len(three) == 3
        assert first in three
        await asyncio.to_thread(fleet.resize, 1)
        assert await pids(3) == {first}

    run(fleet, scenario())


def test_a_death_without_a_request_is_mended_and_a_request_is_never_sent_twice(
    fleets: Fleets, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    fleet = fleets.make(
        f"""
        import os
        def model_fn(d): pass
        def transform_fn(m, data, c, a):
            with open({str(seen)!r}, "a") as file:
                file.write("x")
            if data == b"exit":
                os._exit(3)
            return "ok"
        """
    )
    fleet.start(1)

    async def scenario() -> None:
        with pytest.raises(WorkerDied, match="exit code 3"):
            await ask(fleet, "exit")
        assert await ask(fleet, "again") == b"ok"

    run(fleet, scenario())
    assert seen.read_text() == "xx"
    assert any("A new one is started" in line for line in fleets.log.lines)


ALWAYS = ReservePolicy(processor_time=0.0, pause=0.0)


def _until(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.01)


def test_a_process_in_reserve_takes_over_at_once(fleets: Fleets) -> None:
    fleet = fleets.make(reserve=ALWAYS)
    fleet.start(1)

    def held() -> int:
        return sum("another process is held in reserve" in line for line in fleets.log.lines)

    async def scenario() -> None:
        for round_ in range(1, 4):
            await asyncio.to_thread(_until, partial(lambda wanted: held() == wanted, round_))
            assert fleet.size == 1
            with pytest.raises(WorkerDied, match="ended with exit code 9"):
                await ask(fleet, "exit 9")
            assert await ask(fleet, "hello") == b"hello"
            assert fleet.replaced == round_

    run(fleet, scenario())


def test_a_process_is_replaced_though_it_could_not_be_started_at_first(
    fleets: Fleets, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = fleets.make()
    fleet.start(1)
    launch = fleet._launch
    failures = [OSError(errno.EAGAIN, "too many processes")]

    def fails() -> Worker:
        if failures:
            raise failures.pop()
        return launch()

    monkeypatch.setattr(fleet, "_launch", fails)

    async def scenario() -> None:
        with pytest.raises(WorkerDied, match="ended with exit code 9"):
            await ask(fleet, "exit 9")
        # The dead process counts until its end is noticed, so its size alone says nothing.
        await asyncio.to_thread(_until, lambda: not failures and fleet.size)
        assert await ask(fleet, "hello") == b"hello"

    run(fleet, scenario())
    assert not failures


def test_a_process_in_reserve_that_dies_is_replaced(fleets: Fleets) -> None:
    fleet = fleets.make(reserve=ALWAYS)
    fleet.start(1)
    held = "another process is held in reserve"
    _until(lambda: any(held in line for line in fleets.log.lines))
    (reserve,) = fleet._starting
    reserve.kill()
    _until(lambda: sum(held in line for line in fleets.log.lines) == 2)
    assert any("in reserve, its process was ended by signal 9" in x for x in fleets.log.lines)
    assert fleet.replaced == 0


def test_a_model_that_loads_quickly_has_no_process_in_reserve(fleets: Fleets) -> None:
    fleet = fleets.make(reserve=ReservePolicy(processor_time=600, duration=600, pause=0))
    fleet.start(2)
    assert not fleet._starting


def test_no_process_is_held_in_reserve_without_the_memory_for_it(fleets: Fleets) -> None:
    fleet = fleets.make(reserve=ReservePolicy(processor_time=0, pause=0, memory_share=1e-9))
    fleet.start(1)
    _until(lambda: any("too little memory" in line for line in fleets.log.lines))
    assert not fleet._starting


def test_a_crash_loop_is_slowed_down_and_told(fleets: Fleets) -> None:
    troubles: list[str | None] = []
    fleet = fleets.make(on_trouble=troubles.append)
    fleet.start(1)

    async def scenario() -> None:
        for _ in range(4):
            with pytest.raises(WorkerDied):
                await ask(fleet, "exit 3")
        await asyncio.to_thread(_until, lambda: fleet.trouble)
        with pytest.raises(WorkerDied, match="Worker died 4 times without an answer in between"):
            await ask(fleet, "hello")
        await asyncio.to_thread(_until, lambda: not fleet.trouble)
        assert await ask(fleet, "hello") == b"hello"
        # That was an answer: the next death is forgiven again.
        with pytest.raises(WorkerDied):
            await ask(fleet, "exit 3")
        assert await ask(fleet, "hello") == b"hello"

    run(fleet, scenario())
    assert len(troubles) == 2
    assert troubles[0] is not None
    assert "its process ended with exit code 3" in troubles[0]
    assert troubles[1] is None
