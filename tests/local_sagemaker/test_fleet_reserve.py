"""Serving processes that die: one held in reserve, replacements, and a crash loop slowed down."""

import asyncio
import errno
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from local_sagemaker.hosting.reserve import ReservePolicy
from local_sagemaker.hosting.waiting import (
    WorkerDied,
)
from local_sagemaker.hosting.workers import Worker
from tests.local_sagemaker.fleet_support import Fleets, ask, fleets_of_a_new_home, run

pytestmark = pytest.mark.slow

ALWAYS = ReservePolicy(processor_time=0.0, pause=0.0)


@pytest.fixture
def fleets() -> Iterator[Fleets]:
    with fleets_of_a_new_home() as made:
        yield made


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
    launch = fleet._crew.launch
    failures = [OSError(errno.EAGAIN, "too many processes")]

    def fails() -> Worker:
        if failures:
            raise failures.pop()
        return launch()

    monkeypatch.setattr(fleet._crew, "launch", fails)

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
    (reserve,) = fleet._crew._others
    reserve.kill()
    _until(lambda: sum(held in line for line in fleets.log.lines) == 2)
    assert any("in reserve, its process was ended by signal 9" in x for x in fleets.log.lines)
    assert fleet.replaced == 0


def test_a_model_that_loads_quickly_has_no_process_in_reserve(fleets: Fleets) -> None:
    fleet = fleets.make(reserve=ReservePolicy(processor_time=600, duration=600, pause=0))
    fleet.start(2)
    assert not fleet._crew._others


def test_no_process_is_held_in_reserve_without_the_memory_for_it(fleets: Fleets) -> None:
    fleet = fleets.make(reserve=ReservePolicy(processor_time=0, pause=0, memory_share=1e-9))
    fleet.start(1)
    _until(lambda: any("too little memory" in line for line in fleets.log.lines))
    assert not fleet._crew._others


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
