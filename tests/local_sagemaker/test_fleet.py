"""A fleet of serving processes and its queue, in this process and without a server."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_sagemaker.hosting.waiting import (
    ClientGone,
    FleetClosed,
    InvocationTimeout,
    WorkerDied,
)
from local_sagemaker.hosting.workers import WorkerFailed
from tests.local_sagemaker.fleet_support import Fleets, ask, fleets_of_a_new_home, run


@pytest.fixture
def fleets() -> Iterator[Fleets]:
    with fleets_of_a_new_home() as made:
        yield made


def test_a_request_that_takes_too_long_times_out_and_its_process_lives_on(fleets: Fleets) -> None:
    fleet = fleets.make()
    fleet.start(1)

    async def scenario() -> None:
        began = time.monotonic()
        with pytest.raises(InvocationTimeout):
            await ask(fleet, "sleep 2", timeout=0.2)
        assert time.monotonic() - began < 1.9
        # This one waits until the process is free again.
        assert await ask(fleet, "next") == b"next"
        assert time.monotonic() - began > 1.9

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
    said, patience = "", 0.5
    # On a busy machine it takes its time to come to its first line.
    while "looking for weights" not in said:
        fleet = fleets.make(code, startup_timeout=patience)
        with pytest.raises(WorkerFailed) as raised:
            fleet.start(1)
        said = str(raised.value)
        assert f"did not answer /ping with 200 within {patience:g} seconds" in said
        fleet.stop()
        assert fleet.size == 0
        patience *= 2


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
