"""The table of what the local SageMaker does with each operation is what the code says."""

import re
import subprocess
import sys
from pathlib import Path

import botocore
import pytest


@pytest.fixture
def page(repository: Path) -> str:
    text = (repository / "docs" / "local-sagemaker-api.md").read_text(encoding="utf-8")
    written_for = re.search(r"botocore ([\d.]+\d)", text)
    assert written_for is not None
    if written_for[1] != botocore.__version__:
        pytest.skip(f"the table is of botocore {written_for[1]}, this is {botocore.__version__}")
    return text


def test_the_table_is_current(repository: Path, page: str) -> None:
    assert page
    command = [sys.executable, str(repository / "tools" / "api_table.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_every_operation_is_in_it_once(page: str) -> None:
    every = re.findall(r"`([A-Z]\w+)`", page.split("## Executes")[1])
    assert len(every) == len(set(every))
    all_services = re.search(
        r"^\| all \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", page, re.M
    )
    assert all_services is not None
    total, *classes = map(int, all_services.groups())
    assert total == sum(classes) == len(every)
