"""Fixtures of the local SageMaker's tests."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.handlers
import botocore.session
import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.endpoint_support import Deployer
from tests.local_sagemaker.serving_process import ECHO, Serve, Served, start_serving


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that serves an inference script and waits until it is healthy."""
    started: list[Served] = []
    # A socket's path must be short, which a test's own folder is not.
    with tempfile.TemporaryDirectory(dir="/tmp") as home:

        def start(
            code: str | None = ECHO,
            *,
            healthy: bool = True,
            files: dict[str, str] | None = None,
            folder: Path | None = None,
            **environment: str,
        ) -> Served:
            root = Path(home) / str(len(started))
            if folder is not None:
                shutil.copytree(folder, root / "model")
            served = start_serving(root, code, files or {}, environment)
            started.append(served)
            if healthy:
                served.wait_healthy()
            return served

        yield start
        for served in started:
            served.process.kill()
            served.process.communicate()


@pytest.fixture(scope="session")
def s3(local: LocalSageMaker) -> Any:  # noqa: ARG001  (a client needs the server)
    """Return an S3 client of the local user."""
    return boto3.client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    """Return the name of a new bucket."""
    name = f"test-{uuid.uuid4()}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="module")
def deployer(local: LocalSageMaker) -> Iterator[Deployer]:
    """Return what deploys endpoints; they are deleted at the end."""
    deployer = Deployer(local)
    yield deployer
    deployer.clear()


@pytest.fixture
def without_plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make botocore look like one without plugins, which are a private part of it."""
    monkeypatch.delattr(botocore.session.Session, "_register_client_plugins")
    original = botocore.session.Session.create_client

    def create_client(session: Any, *arguments: Any, **named: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                botocore.session.Session,
                "_register_client_plugins",
                lambda *_: None,
                raising=False,
            )
            return original(session, *arguments, **named)

    monkeypatch.setattr(botocore.session.Session, "create_client", create_client)
    handlers = list(botocore.handlers.BUILTIN_HANDLERS)
    yield
    botocore.handlers.BUILTIN_HANDLERS[:] = handlers
