"""A project so small that its environment needs no network: two tiny packages, and itself.

`torch` is one of the two in name only.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "tiny"
version = "1.0"
"""
# A build backend (PEP 660) that, if told to, waits for a file, so that pip can be caught at work.
BACKEND = """\
import os, time, zipfile

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    gate = os.environ.get("TINY_GATE")
    if gate:
        open(gate + ".reached", "w").close()
    while gate and not os.path.exists(gate):
        time.sleep(0.02)
    name = "tiny-1.0-py3-none-any.whl"
    metadata = ["Metadata-Version: 2.1", "Name: tiny", "Version: 1.0", "Requires-Dist: helper"]
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        wheel.writestr("tiny.pth", os.getcwd())
        info = "tiny-1.0.dist-info/"
        wheel.writestr(info + "METADATA", "\\n".join([*metadata, "Provides-Extra: dev"]))
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return name
"""


def write_wheel(folder: Path, name: str, version: str) -> None:
    """Write a wheel that holds one package of one line."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": f'__version__ = "{version}"\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, content in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest())
            record += f"{path},sha256={digest.rstrip(b'=').decode()},{len(content)}\n"
            wheel.writestr(path, content)
        wheel.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")


class Checkout:
    """A tiny project with the real tools/ in it, at a path with spaces."""

    def __init__(self, folder: Path, tools: Path) -> None:
        self.folder = folder
        self.wheels = folder.parent / "wheels"
        self.wheels.mkdir(parents=True)
        folder.mkdir()
        shutil.copytree(tools, folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
        (folder / "backend.py").write_text(BACKEND, encoding="utf-8")
        (folder / "requirements.txt").write_text("helper\n", encoding="utf-8")
        self.constrain("1.0")
        write_wheel(self.wheels, "torch", "9.0")
        for version in ("1.0", "2.0"):
            write_wheel(self.wheels, "helper", version)

    @property
    def venv(self) -> Path:
        return self.folder / ".venv"

    def constrain(self, version: str) -> None:
        text = f"torch==9.0\nhelper=={version}\n"
        (self.folder / "constraints.txt").write_text(text, encoding="utf-8")

    def start(self, program: str = "bootstrap.py", **variables: str) -> subprocess.Popen[str]:
        own = {
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": self.wheels.as_uri(),
            "PIP_CONFIG_FILE": os.devnull,
        }
        kept = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("PIP_", "TORCH_", "PYTHON", "WHEELHOUSE"))
        }
        return subprocess.Popen(
            [sys.executable, str(self.folder / "tools" / program)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=kept | own | variables,
        )

    def set_up(self, **variables: str) -> str:
        """Run the set-up, which must succeed; return what it prints."""
        process = self.start(**variables)
        said, _ = process.communicate()
        assert process.returncode == 0, said
        return said

    def installed(self) -> str:
        """Return the version of `helper` as the environment's own Python sees it."""
        question = "import helper, torch, tiny_module; print(helper.__version__)"
        (self.folder / "tiny_module.py").touch()
        answer = subprocess.run(
            [self.venv / "bin" / "python", "-I", "-c", question],
            capture_output=True,
            text=True,
            check=True,
        )
        return answer.stdout.strip()
