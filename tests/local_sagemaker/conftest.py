"""A real server in a home of its own, and clients that reach it as a user's would."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_sagemaker import LocalSageMaker


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSageMaker]:
    """Start a server for the whole session and point the environment at it."""
    with LocalSageMaker(home=tmp_path_factory.mktemp("local") / "home") as running:
        yield running


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[LocalSageMaker]:
    """Start a server of this test's own, for tests that stop or break it."""
    saved = dict(os.environ)
    with LocalSageMaker(home=tmp_path / "home") as running:
        yield running
    os.environ.clear()
    os.environ.update(saved)
