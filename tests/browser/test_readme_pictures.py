"""The pictures at README's head can be made again, by the command that made them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image


@pytest.mark.usefixtures("chromium")
def test_they_are_made_by_a_command(repository: Path, tmp_path: Path) -> None:
    tool = repository / "tools" / "readme_pictures.py"
    environment = {**os.environ, "LOCAL_SAGEMAKER_HOME": str(tmp_path / "home")}
    made = subprocess.run(
        [sys.executable, str(tool), "--into", str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    for name in ("lab1_curve.png", "cost_card.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.width > 400
            assert len(picture.convert("L").getcolors() or ()) > 2, "it is empty"
