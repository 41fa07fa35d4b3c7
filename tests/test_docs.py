"""The Python examples of README.md and docs/ run, each in a process of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _examples() -> list[tuple[str, str]]:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [
        (f"{page.relative_to(ROOT)}-{number}", block)
        for page in pages
        for number, block in enumerate(_BLOCK.findall(page.read_text()), start=1)
    ]


def test_there_are_examples() -> None:
    assert len(_examples()) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("code", [pytest.param(code, id=name) for name, code in _examples()])
def test_an_example_runs(code: str, tmp_path: Path) -> None:
    environment = dict(os.environ) | {
        "LOCAL_SAGEMAKER_HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(ROOT),
    }
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", sorted(p.name for p in (ROOT / "docs").glob("*.md")))
def test_links_between_pages_lead_somewhere(page: str) -> None:
    text = (ROOT / "docs" / page).read_text() + (ROOT / "README.md").read_text()
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", text):
        assert (ROOT / target).exists() or (ROOT / "docs" / target).exists(), target
