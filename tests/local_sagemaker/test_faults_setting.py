"""Setting faults: what cannot be set, from where, and how long they last."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.control import ask
from local_sagemaker.faults.client import FaultError
from local_sagemaker.home import Home, HomeError, ServerInfo
from tests.local_sagemaker.core_support import send
from tests.local_sagemaker.faults_support import once


@pytest.fixture
def faulty(local: LocalSageMaker) -> Iterator[LocalSageMaker]:
    """The session's server, on which this test may set faults; none is left."""
    yield local
    local.faults.clear()


class TestWhatCannotBeSet:
    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (("CreateTraningJob", "InternalFailure"), "Near it: CreateTrainingJob,"),
            (("createtrainingjob", "InternalFailure"), "Near it: CreateTrainingJob,"),
            (("CreateTrainingJob", "Trottling"), "Near it: ThrottlingException."),
            (("CreateTrainingJob", "NoSuchKey"), "It has: AccessDenied, .*ResourceInUse"),
            (("ListModels", "CapacityError"), "can strike CreateEndpoint, CreateProcessingJob, "),
            (("TagResource", "InternalFailure"), "is an operation of .*: name one service"),
            (("*", "InternalFailure"), "'\\*' needs a service"),
            (("ListModels",), "needs an error, a latency, or both"),
        ],
    )
    def test_names(self, faulty: LocalSageMaker, arguments: tuple[str, ...], says: str) -> None:
        with pytest.raises(FaultError, match=says):
            faulty.faults.add(*arguments)
        assert faulty.faults.list() == []

    @pytest.mark.parametrize(
        ("more", "says"),
        [
            ({"service": "ec2"}, "there is no service 'ec2' here"),
            ({"service": "s3"}, "no operation 'ListModels' of s3"),
            ({"times": 0}, "times must be at least 1, not 0"),
            ({"times": True}, "times cannot be True"),
            ({"message": "half of a pair: \udcff"}, "is not JSON: 'utf-8' codec can't encode"),
            ({"probability": 0}, "probability must be above 0"),
            ({"probability": 1.5}, "probability must be above 0"),
            ({"probability": float("nan")}, "probability must be above 0"),
            ({"latency": -1}, "latency must be from 0 to 600"),
            ({"account": "12"}, "an account has 12 digits"),
        ],
    )
    def test_values(self, faulty: LocalSageMaker, more: dict[str, Any], says: str) -> None:
        with pytest.raises(FaultError, match=says):
            faulty.faults.add("ListModels", "InternalFailure", **more)

    def test_one_that_is_not_there_cannot_be_removed(self, faulty: LocalSageMaker) -> None:
        with pytest.raises(FaultError, match="there is no fault f0"):
            faulty.faults.remove("f0")

    def test_without_the_token(self, faulty: LocalSageMaker) -> None:
        body = b'{"operation": "ListModels", "error": "InternalFailure"}'
        host = faulty.url.removeprefix("http://")
        for method, path in (
            ("POST", "/_local/faults"),
            ("GET", "/_local/faults"),
            ("DELETE", "/_local/faults"),
        ):
            for headers in ({}, {"Authorization": "Bearer guess"}):
                answer = send(faulty, method, path, {"Host": host, **headers}, body)
                assert answer.status == 403
        assert faulty.faults.list() == []

    @pytest.mark.parametrize("content", [[], "text", {"operation": 1}, {"nonsense": 1}, {}])
    def test_garbage(self, faulty: LocalSageMaker, content: Any) -> None:
        info = Home(faulty.home).server()
        assert info is not None
        with pytest.raises(Exception, match=r"fault|cannot be 1|must be a JSON object"):
            ask(info, "POST", "/_local/faults", content)

    def test_an_old_token(self, faulty: LocalSageMaker) -> None:
        with pytest.raises(HomeError, match="answered 403"):
            ask(ServerInfo(1, faulty.url, "old"), "GET", "/_local/faults")


def test_a_notebook_s_card_names_them(faulty: LocalSageMaker) -> None:
    assert "Faults" not in faulty._repr_html_()
    with faulty.faults.add("ListModels", "InternalFailure", times=2):
        assert "sagemaker ListModels, InternalFailure, 2 times" in faulty._repr_html_()


def test_a_block_may_clear_what_it_set(faulty: LocalSageMaker) -> None:
    with faulty.faults.add("ListModels", "InternalFailure") as fault:
        assert faulty.faults.clear() == 1
    with pytest.raises(FaultError, match="there is no fault"):
        assert fault.struck


@pytest.mark.slow
def test_a_restart_forgets_them(fresh: LocalSageMaker) -> None:
    fresh.faults.add("ListModels", "InternalFailure")
    home = fresh.home
    fresh.close()
    with LocalSageMaker(home) as again:
        assert again.faults.list() == []
        assert "Models" in once("sagemaker").list_models()


def test_on_the_command_line(faulty: LocalSageMaker) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "local_sagemaker", "fault", *arguments]
        return subprocess.run(
            [*command, "--home", str(faulty.home)], capture_output=True, text=True, check=False
        )

    assert run("list").stdout == "No fault is set.\n"
    # The home may be named on either side of the action.
    before = [sys.executable, "-m", "local_sagemaker", "fault", "--home", str(faulty.home), "list"]
    assert subprocess.run(before, capture_output=True, text=True, check=True).stdout == (
        "No fault is set.\n"
    )
    done = run("add", "CreateTrainingJob", "ThrottlingException", "--times", "2")
    assert done.returncode == 0, done.stderr
    identifier = done.stdout.partition(":")[0]
    assert done.stdout.splitlines() == [
        f"{identifier}: sagemaker CreateTrainingJob, ThrottlingException, 2 times",
        f"Remove it with `python -m local_sagemaker fault remove {identifier}`.",
    ]
    assert (
        run("list").stdout.split()
        == (
            f"{identifier} sagemaker CreateTrainingJob, ThrottlingException, 2 times; struck 0"
        ).split()
    )
    assert f'"id": "{identifier}"' in run("list", "--json").stdout
    done = run("add", "CreateTraningJob", "ThrottlingException")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Near it: CreateTrainingJob" in done.stderr
    assert done.stderr.count("\n") == 1
    assert run("remove", "f0").returncode == 1
    assert run("remove", identifier).stdout == f"{identifier} is removed.\n"
    faulty.faults.add("ListModels", latency=1)
    assert run("remove", "--all").stdout == "1 fault removed.\n"
    assert run("remove").returncode == 2


def test_without_a_server(tmp_path: Any) -> None:
    command = [sys.executable, "-m", "local_sagemaker", "fault", "list", "--home"]
    done = subprocess.run(
        [*command, str(tmp_path / "none")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "no local SageMaker runs in" in done.stderr
    assert "python -m local_sagemaker start" in done.stderr
