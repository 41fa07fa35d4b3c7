"""What holds for every test: no AWS account, no internet, none of the developer's own settings.

A test that needs SageMaker gets a real local one, in a home of its own.
"""

import ipaddress
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.run_folder import sweep
from local_sagemaker.settings import default_run_dir

if TYPE_CHECKING:
    from tests.portal_support import Join

pytest_plugins = ["local_sagemaker.pytest_plugin", "pytester"]

# Before any test module imports boto3 or transformers, which read these once.
for name in list(os.environ):
    if name.startswith(("AWS_", "SAGEMAKER_", "WORKSHOP_")):
        del os.environ[name]
os.environ |= {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_DEFAULT_REGION": "us-east-1",  # importing sagemaker.serve needs one
    "HF_HUB_OFFLINE": "1",
    "MPLBACKEND": "Agg",
    "TOKENIZERS_PARALLELISM": "false",
    "WORKSHOP_MODE": "local",
}

# A shell that starts the tests in the background has them ignore Ctrl-C, and all that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def local(local_sagemaker: LocalSageMaker) -> LocalSageMaker:
    """Return the session's server; the environment points at it."""
    return local_sagemaker


@pytest.fixture
def fresh(fresh_local_sagemaker: LocalSageMaker) -> LocalSageMaker:
    """Return a server of this test's own, for tests that stop or break it."""
    return fresh_local_sagemaker


@pytest.fixture
def join() -> "Iterator[Join]":
    """Return what signs a worker in at a server's portal."""
    from tests.portal_support import Reviewer

    with ExitStack() as joined:

        def sign_in(local: LocalSageMaker | None, name: str = "", base: str = "") -> Reviewer:
            reviewer = Reviewer(local, name, base)
            joined.callback(reviewer.close)
            return reviewer

        yield sign_in


@pytest.fixture(scope="session", autouse=True)
def _no_run_folder_stays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Remove what the servers that tests killed left in the system's temporary folder."""
    homes = tmp_path_factory.getbasetemp()
    yield
    sweep(default_run_dir(homes).parent, lambda home: home.is_relative_to(homes))


@pytest.fixture(scope="session", autouse=True)
def _loopback_only() -> Iterator[None]:
    """Make a connection to any other machine an error, in this process."""

    def guarded(connect: Any) -> Any:
        def guard(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and not is_loopback(address[0]):
                raise RuntimeError(
                    f"A test tried to connect to {address}: tests stay on 127.0.0.1."
                )
            return connect(self, address)

        return guard

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))
        yield


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
