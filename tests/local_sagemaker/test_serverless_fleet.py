"""Processes on demand, in this process and without a server: they come, share, and leave."""

import asyncio
import mmap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from local_sagemaker.hosting.demand import DemandPolicy
from local_sagemaker.hosting.waiting import FleetClosed, InvocationTimeout, NotReady, WorkerDied
from local_sagemaker.hosting.workers import WorkerFailed
from tests.local_sagemaker.fleet_support import OBEDIENT, Fleets, ask, fleets_of_a_new_home, run

_LONG = 600.0
_MEMORY = 1024


@pytest.fixture
def fleets() -> Iterator[Fleets]:
    with fleets_of_a_new_home() as made:
        yield made


class Starts:
    """Counts the starts that requests waited for."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def policy(
        self, most: int = 2, idle_seconds: float = _LONG, memory_mb: int = _MEMORY
    ) -> DemandPolicy:
        return DemandPolicy(most, idle_seconds, memory_mb, self.seconds.append)


async def _until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.02)


def test_the_proof_leaves_no_process_and_the_first_requests_share_one_start(
    fleets: Fleets,
) -> None:
    starts = Starts()
    fleet = fleets.make(demand=starts.policy(most=8))
    fleet.start(0)
    assert fleet.size == 0
    assert starts.seconds == []

    async def scenario() -> None:
        # Its end is noticed a moment later.
        await _until(lambda: not fleet._crew.every())
        assert await asyncio.gather(*(ask(fleet, f"w{n}") for n in range(20))) == [
            f"w{n}".encode() for n in range(20)
        ]
        assert fleet.size == len(starts.seconds) == 1
        assert starts.seconds[0] > 0

    run(fleet, scenario())


def test_what_cannot_serve_is_found_out_before_anybody_asks(fleets: Fleets) -> None:
    fleet = fleets.make("raise OSError('broken')", demand=Starts().policy())
    with pytest.raises(WorkerFailed, match="OSError: broken"):
        fleet.start(0)


def test_an_idle_process_leaves_and_the_next_request_starts_another(fleets: Fleets) -> None:
    starts = Starts()
    fleet = fleets.make(demand=starts.policy(idle_seconds=0.2))

    async def scenario() -> None:
        for round_ in (1, 2):
            assert await ask(fleet, "hello") == b"hello"
            assert len(starts.seconds) == round_
            await _until(lambda: not fleet._crew.every())
        assert fleet.replaced == 0
        assert sum("the process leaves" in line for line in fleets.log.lines) == 2

    run(fleet, scenario())


@pytest.mark.slow
def test_no_request_is_lost_while_idle_processes_leave(fleets: Fleets) -> None:
    starts = Starts()
    fleet = fleets.make(demand=starts.policy(idle_seconds=0.05))

    async def scenario() -> None:
        # Waits around the moment in which the process leaves: it looks every 0.05 s, so that is
        # 0.05 to 0.1 s after the answer, and later on a busy machine.
        for n in range(100):
            assert await ask(fleet, f"w{n}") == f"w{n}".encode()
            if len(starts.seconds) > 8:
                break
            await asyncio.sleep(0.04 + 0.003 * n)
        assert len(starts.seconds) > 8

    run(fleet, scenario())


@pytest.mark.slow
def test_a_busy_process_does_not_leave(fleets: Fleets) -> None:
    starts = Starts()
    fleet = fleets.make(demand=starts.policy(idle_seconds=0.1))

    async def scenario() -> None:
        assert await ask(fleet, "sleep 0.6") == b"sleep"
        assert len(starts.seconds) == 1

    run(fleet, scenario())


@pytest.mark.slow
def test_requests_that_wait_long_get_another_process_up_to_the_limit(fleets: Fleets) -> None:
    starts = Starts()
    fleet = fleets.make(demand=starts.policy(most=2))

    async def scenario() -> None:
        slow = [asyncio.create_task(ask(fleet, "sleep 2")) for _ in range(5)]
        most = 0
        while not all(task.done() for task in slow):
            most = max(most, fleet.size)
            await asyncio.sleep(0.05)
        assert [task.result() for task in slow] == [b"sleep"] * 5
        assert most == 2

    run(fleet, scenario())


def test_a_start_that_fails_is_told_to_whoever_waits_and_tried_again(
    fleets: Fleets, tmp_path: Path
) -> None:
    mark = tmp_path / "works"
    code = f"import os\nif not os.path.exists({str(mark)!r}): raise OSError('no weights')\n"
    demanded = fleets.make(
        code + "def model_fn(d): pass\ndef transform_fn(m, d, c, a): return 'ok'",
        demand=Starts().policy(),
    )

    async def scenario() -> None:
        asked = [asyncio.create_task(ask(demanded, "a")) for _ in range(3)]
        for failed in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(failed, WorkerDied)
            assert "OSError: no weights" in str(failed)
        assert demanded.trouble is None
        mark.touch()
        assert await ask(demanded, "a") == b"ok"

    run(demanded, scenario())


@pytest.mark.slow
def test_a_request_that_gives_up_during_the_start_is_told_that_it_was_not_ready(
    fleets: Fleets,
) -> None:
    fleet = fleets.make(
        OBEDIENT.replace("def model_fn(d): pass", "def model_fn(d): time.sleep(1.5)"),
        demand=Starts().policy(),
    )

    async def scenario() -> None:
        with pytest.raises(NotReady):
            await ask(fleet, "early", timeout=0.3)
        # The start goes on, and the next request has its process.
        assert await ask(fleet, "later") == b"later"
        with pytest.raises(InvocationTimeout) as error:
            await ask(fleet, "sleep 1", timeout=0.2)
        assert not isinstance(error.value, NotReady)

    run(fleet, scenario())


@pytest.mark.slow
def test_a_process_that_is_killed_is_missed_only_by_those_who_ask(fleets: Fleets) -> None:
    starts = Starts()
    fleet = fleets.make(demand=starts.policy(most=1))

    async def scenario() -> None:
        await ask(fleet, "hello")
        worker = fleet._crew.any()
        assert worker is not None
        worker.kill()
        await _until(lambda: not fleet.size)
        await asyncio.sleep(0.3)
        # Nobody asks, so there is none.
        assert not fleet._crew.every()
        first = asyncio.create_task(ask(fleet, "exit 3"))
        second = asyncio.create_task(ask(fleet, "second"))
        with pytest.raises(WorkerDied, match="exit code 3"):
            await first
        assert await second == b"second"
        assert len(starts.seconds) == 3

    run(fleet, scenario())


@pytest.mark.slow
def test_provisioned_processes_stay_and_are_replaced(fleets: Fleets) -> None:
    starts = Starts()
    fleet = fleets.make(demand=starts.policy(most=2, idle_seconds=0.1))
    fleet.start(1)

    async def scenario() -> None:
        await asyncio.sleep(0.5)
        assert fleet.size == 1
        assert await ask(fleet, "warm") == b"warm"
        assert starts.seconds == []
        worker = fleet._crew.any()
        assert worker is not None
        worker.kill()
        await _until(lambda: fleet.replaced == 1 and fleet.size == 1)
        assert await ask(fleet, "again") == b"again"
        await asyncio.to_thread(fleet.resize, 0, 2)
        await _until(lambda: not fleet._crew.every())
        await asyncio.to_thread(fleet.resize, 2, 2)
        assert fleet.size == 2

    run(fleet, scenario())


@pytest.mark.slow
def test_a_process_may_not_hold_more_memory_than_it_has(fleets: Fleets) -> None:
    code = """
        import time
        held = []
        def model_fn(d): pass
        def transform_fn(model, data, content_type, accept):
            if bytes(data) == b"grow":
                held.append(b"x" * (200 * 1024 * 1024))
                time.sleep(20)
            return "small"
    """
    fleet = fleets.make(code, demand=Starts().policy(memory_mb=150))

    async def scenario() -> None:
        assert await ask(fleet, "x") == b"small"
        with pytest.raises(WorkerDied, match="MemorySizeInMB of its variant is 150"):
            await ask(fleet, "grow")
        assert await ask(fleet, "x") == b"small"

    run(fleet, scenario())


def test_what_the_server_holds_is_not_counted(fleets: Fleets) -> None:
    # A process is watched from before it has a number, often enough to be seen like that.
    ballast = bytearray(300 * 1024 * 1024)
    ballast[:: mmap.PAGESIZE] = b"x" * len(ballast[:: mmap.PAGESIZE])
    fleet = fleets.make(demand=Starts().policy(idle_seconds=0.0005, memory_mb=256))

    async def scenario() -> None:
        for n in range(5):
            assert await ask(fleet, f"w{n}") == f"w{n}".encode()

    run(fleet, scenario())
    assert psutil.Process().memory_info().rss > len(ballast)


@pytest.mark.slow
@pytest.mark.parametrize("pause", [0.0, 0.05, 0.4])
def test_stopping_during_a_start_turns_requests_away_and_leaves_no_process(
    fleets: Fleets, pause: float
) -> None:
    # It never serves: whenever it is stopped, it is during its start.
    code = OBEDIENT.replace("def model_fn(d): pass", "def model_fn(d): time.sleep(3600)")
    fleet = fleets.make(code, demand=Starts().policy())

    async def scenario() -> None:
        asked = asyncio.create_task(ask(fleet, "hello", timeout=3600))
        await asyncio.sleep(pause)
        await asyncio.to_thread(fleet.stop, 0)
        with pytest.raises(FleetClosed):
            await asked
        await _until(lambda: not fleet._crew.every())

    run(fleet, scenario())


def test_draining_during_a_start_answers_who_waits(fleets: Fleets) -> None:
    fleet = fleets.make(demand=Starts().policy())

    async def scenario() -> None:
        asked = asyncio.create_task(ask(fleet, "hello"))
        await asyncio.sleep(0.05)
        drained = asyncio.create_task(asyncio.to_thread(fleet.drain, 30))
        assert await asked == b"hello"
        assert await drained
        with pytest.raises(FleetClosed):
            await ask(fleet, "late")

    run(fleet, scenario())
