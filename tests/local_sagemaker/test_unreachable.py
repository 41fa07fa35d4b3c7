"""What a client reads when the local SageMaker does not run."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

from local_sagemaker import LocalSageMaker
from local_sagemaker.home import Home

pytestmark = pytest.mark.slow

PINNED = "https://sts.us-east-1.amazonaws.com"
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "sagemaker": ("list_models", {}),
    "sagemaker-runtime": ("invoke_endpoint", {"EndpointName": "e", "Body": b"x"}),
    "s3": ("list_buckets", {}),
    "sts": ("get_caller_identity", {}),
    "iam": ("list_roles", {}),
    "logs": ("describe_log_groups", {}),
}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Return the URL and the home of a server that was stopped; its clients are still there."""
    home = tmp_path_factory.mktemp("stopped") / "my home"
    with LocalSageMaker(home) as local:
        return local.url, home


@pytest.fixture
def environment(stopped: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    url, home = stopped
    for name, value in Home(home).environment(url).items():
        monkeypatch.setenv(name, value)
    return home


def explained(call: Any, home: Path, url: str, **params: Any) -> None:
    with pytest.raises(EndpointConnectionError) as caught:
        call(**params)
    assert str(caught.value) == (
        f"The local SageMaker at {url} is not running. Start it with `python -m local_sagemaker "
        f"start --home '{home}'`; what it kept is still there."
    )
    assert type(caught.value) is EndpointConnectionError


@pytest.mark.parametrize("service", CALLS)
def test_every_service(environment: Path, stopped: tuple[str, Path], service: str) -> None:
    method, params = CALLS[service]
    explained(getattr(boto3.Session().client(service), method), environment, stopped[0], **params)


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
@pytest.mark.parametrize("attempts", [1, 10])
def test_however_often_a_client_tries(
    environment: Path, stopped: tuple[str, Path], mode: str, attempts: int
) -> None:
    config = Config(retries={"mode": mode, "total_max_attempts": attempts})
    client = boto3.Session().client("sagemaker", config=config)
    tries = []
    client.meta.events.register("before-send", lambda **_: tries.append(1))
    explained(client.list_models, environment, stopped[0])
    # Nothing is won by trying for long where nothing listens.
    assert len(tries) == min(attempts, 3)


def test_a_client_that_names_another_sts(environment: Path, stopped: tuple[str, Path]) -> None:
    client = boto3.Session().client("sts", endpoint_url=PINNED)
    explained(client.get_caller_identity, environment, stopped[0])


def test_a_client_that_is_left_over_from_a_block(tmp_path: Path) -> None:
    with LocalSageMaker(tmp_path / "my home") as local:
        client, url = boto3.client("sagemaker"), local.url
        client.list_models()
    assert "AWS_ENDPOINT_URL" not in os.environ or os.environ["AWS_ENDPOINT_URL"] != url
    explained(client.list_models, tmp_path / "my home", url)


def test_another_server_that_does_not_run_is_not_ours(environment: Path) -> None:
    assert environment
    client = boto3.Session().client("sagemaker", endpoint_url="http://127.0.0.1:9")
    with pytest.raises(EndpointConnectionError, match="Could not connect to the endpoint URL"):
        client.list_models()


def test_in_a_process_of_its_own_as_a_job_is(environment: Path, stopped: tuple[str, Path]) -> None:
    code = "import boto3; boto3.client('s3').list_buckets()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(
        "botocore.exceptions.EndpointConnectionError: The local SageMaker at "
        f"{stopped[0]} is not running. Start it with"
    )
    assert str(environment) in last


def test_without_a_home_that_is_known(environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment
    # No server of ours ever had this port.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:7")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    with pytest.raises(EndpointConnectionError, match=r"`python -m local_sagemaker start`;"):
        boto3.Session().client("sagemaker").list_models()


class TestWithoutPlugins:
    @pytest.mark.usefixtures("without_plugins")
    @pytest.mark.parametrize("attempts", [1, 10])
    def test_it_says_the_same(self, tmp_path: Path, attempts: int) -> None:
        config = Config(retries={"total_max_attempts": attempts})
        with LocalSageMaker(tmp_path / "my home") as local:
            client, url = boto3.Session().client("sagemaker", config=config), local.url
        explained(client.list_models, tmp_path / "my home", url)
