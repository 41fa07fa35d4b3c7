"""The set-up programs, loaded from their files: they belong to no package and install nothing."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.tools.checkout_support import Checkout


def load(path: Path) -> ModuleType:
    """Import one file of tools/ under its own name, as its program finds those beside it."""
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    specification = importlib.util.spec_from_file_location(f"tools_{path.stem}", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def bootstrap(repository: Path) -> ModuleType:
    """tools/bootstrap.py."""
    return load(repository / "tools" / "bootstrap.py")


@pytest.fixture(scope="session")
def environment(repository: Path) -> ModuleType:
    """tools/environment.py."""
    return load(repository / "tools" / "environment.py")


@pytest.fixture(scope="session")
def wheelhouse(repository: Path) -> ModuleType:
    """tools/wheelhouse.py."""
    return load(repository / "tools" / "wheelhouse.py")


@pytest.fixture(scope="session")
def notebook_run(repository: Path) -> ModuleType:
    """tools/_notebook_run.py."""
    return load(repository / "tools" / "_notebook_run.py")


@pytest.fixture
def checkout(tmp_path: Path, repository: Path) -> Checkout:
    """A tiny project without an environment."""
    return Checkout(tmp_path / "a check out", repository / "tools")


@pytest.fixture(scope="session")
def ready(repository: Path) -> ModuleType:
    """tools/ready.py."""
    return load(repository / "tools" / "ready.py")
