"""Clean-up that is killed, throttled and told that things are in use."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from local_sagemaker import LocalSageMaker
from tests.workshop_utils.cleanup_support import MARK, Filler, census, new_session, settle
from workshop_utils import cleanup
from workshop_utils.session import PREFIX, Session

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("local")]

KILLS = 30
IN_USE = {
    "ConflictException": [
        "DeleteModelPackageGroup",
        "DeleteModelPackage",
        "DeletePipeline",
    ],
    # What SageMaker says in the words of a ValidationException.
    "ValidationException": [
        "DeleteEndpointConfig",
        "DeleteModel",
        "DeleteTrial",
        "DeleteExperiment",
        "DeleteTrialComponent",
        "DeleteTrainingJob",
        "DeleteProcessingJob",
    ],
}


class Victim:
    """A process that cleans up, and dies when it is told to."""

    def __init__(self) -> None:
        root = Path(__file__).resolve().parents[2]
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("cleanup_victim.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(root)},
        )

    def clean(self, session: Session, die_at: int = 0, event: str = "before-send") -> str:
        """Let it clean up an account; return what became of it."""
        key = session.boto.get_credentials()
        order: dict[str, Any] = {
            "key": {
                "aws_access_key_id": key.access_key,
                "aws_secret_access_key": key.secret_key,
                "aws_session_token": key.token,
            },
            "account": session.account,
            "die_at": die_at,
            "event": event,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        """End it."""
        self._process.communicate()


@pytest.fixture(scope="module")
def victim(local: LocalSageMaker) -> Iterator[Victim]:  # noqa: ARG001  (it needs the server)
    """Return a process that can be killed while it cleans up."""
    process = Victim()
    yield process
    process.close()


def filled() -> Session:
    session = new_session()
    Filler(session, f"{PREFIX}-mine", MARK).everything()
    Filler(session, "otherwise", MARK).jobs()
    Filler(session, f"{PREFIX}-decoy", folder="elsewhere").everything()
    settle(session)
    return session


def mine(everything: dict[str, str]) -> list[str]:
    """Return what is the workshop's; what AWS cannot delete only while it has the tag."""
    return [
        path
        for path, made in everything.items()
        if any(word in path for word in ("-mine", "otherwise", f"{PREFIX}/"))
        and (not path.startswith("AutoMLJob") or PREFIX in made)
    ]


def others(everything: dict[str, str]) -> dict[str, str]:
    return {path: made for path, made in everything.items() if "decoy" in path}


def test_killed_at_random_requests_and_run_again(victim: Victim) -> None:
    draw = random.Random(7)
    kills = 0
    while kills < KILLS:
        session = filled()
        before = census(session)
        decoys = others(before)
        # Each run is killed later than the one before; then one is let through.
        for _ in range(6):
            die_at = draw.randint(1, 100)
            event = draw.choice(["before-send", "response-received"])
            said = victim.clean(session, die_at, event)
            assert said in ("killed", "clean"), said
            kills += said == "killed"
            if said == "clean":
                break
        assert victim.clean(session) == "clean"
        after = census(session)
        assert mine(after) == []
        assert others(after) == decoys
    assert mine(before), "there was something to clean up"


def test_throttled_and_in_use_in_a_third_of_the_calls(local: LocalSageMaker) -> None:
    session = filled()
    decoys = others(census(session))
    with ExitStack() as faults:
        for seed, service in enumerate(("sagemaker", "s3", "logs", "sagemaker-a2i-runtime")):
            faults.enter_context(
                local.faults.add(
                    "*",
                    "ThrottlingException",
                    service=service,
                    probability=1 / 3,
                    account=session.account,
                    seed=seed,
                )
            )
        for code, operations in IN_USE.items():
            for seed, operation in enumerate(operations):
                faults.enter_context(
                    local.faults.add(
                        operation,
                        code,
                        message="The resource is still in use.",
                        probability=1 / 2,
                        account=session.account,
                        seed=seed,
                    )
                )
        result = cleanup.plan(session).run(lambda _: None)
        struck = sum(int(fault["struck"]) for fault in local.faults.list())
    assert result.ok, str(result)
    assert struck > 30
    after = census(session)
    assert mine(after) == []
    assert others(after) == decoys
