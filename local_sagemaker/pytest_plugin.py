"""A pytest plugin: fixtures that give a test a real SageMaker on 127.0.0.1.

pytest loads it by itself where the package is installed; elsewhere the top `conftest.py` names it:
``pytest_plugins = ["local_sagemaker.pytest_plugin"]``. It knows how a server is started and nothing
of its services. It must do nothing when no test asks: loading it imports no client library, starts
no process and leaves the environment alone.
"""

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.client_caches import forget_clients
from local_sagemaker.identity import EXECUTION_ROLE

_DURATION = 43_200  # seconds; the longest session that AWS grants too


@dataclass(frozen=True)
class LocalAccount:
    """An AWS account of the local SageMaker that one test has for itself.

    Attributes
    ----------
    id
        The account id, twelve digits.
    role_arn
        The role that the test acts as; pass it as the ``RoleArn`` of jobs and models.
    environment
        The variables that carry the account's credentials, for processes with an environment of
        their own.
    """

    id: str
    role_arn: str
    environment: dict[str, str]

    def __repr__(self) -> str:
        return f"LocalAccount(id={self.id!r}, role_arn={self.role_arn!r})"


@pytest.fixture(scope="session")
def local_sagemaker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSageMaker]:
    """Start a local SageMaker in a temporary folder, once for the whole session.

    From its first use to the session's end the environment of this process points at it, so that
    ``boto3.client("sagemaker")`` and the SageMaker SDK find it without arguments. All tests share
    what it keeps: use names that are new each time, or `local_sagemaker_account`.
    """
    with LocalSageMaker(home=tmp_path_factory.mktemp("local_sagemaker") / "home") as running:
        yield running


@pytest.fixture
def fresh_local_sagemaker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSageMaker]:
    """Start a local SageMaker of this test's own, for a test that stops, breaks or fills it.

    It costs the start of a server, one to two seconds. Where a test only wants to be alone,
    `local_sagemaker_account` costs nothing.
    """
    with LocalSageMaker(home=tmp_path_factory.mktemp("fresh") / "home") as running:
        yield running


@pytest.fixture
def local_sagemaker_account(
    local_sagemaker: LocalSageMaker,
) -> Iterator[LocalAccount]:
    """Give the test a new, empty account on the session's server, and act as a role of it.

    Until the test ends, clients and SDK sessions that it makes belong to this account: they see
    no job, endpoint, experiment or log of another test. Bucket names alone are shared by all
    accounts, as they are at AWS.
    """
    import boto3

    account = f"{uuid.uuid4().int % 10**12:012d}"
    role_arn = f"arn:aws:iam::{account}:role/{EXECUTION_ROLE}"
    with pytest.MonkeyPatch.context() as patch:
        # The test may use a fresh server too, which the environment then names.
        _act(patch, local_sagemaker.environment)
        issued = boto3.client("sts").assume_role(
            RoleArn=role_arn, RoleSessionName=f"test-{os.getpid()}", DurationSeconds=_DURATION
        )["Credentials"]
        environment = local_sagemaker.environment | {
            "AWS_ACCESS_KEY_ID": issued["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": issued["SecretAccessKey"],
            "AWS_SESSION_TOKEN": issued["SessionToken"],
        }
        _act(patch, environment)
        yield LocalAccount(account, role_arn, environment)
    forget_clients()


def _act(patch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        patch.setenv(name, value)
    forget_clients()
