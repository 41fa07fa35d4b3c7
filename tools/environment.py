"""Make the virtual environment that every `make` target runs in, bring it up to date, or repair it.

It is started by bootstrap.py, on a Python that fits. It knows requirements, constraints and pip,
not the workshop, and uses the standard library only. A stamp inside the environment says what was
installed from what, so that the second run has nothing to do.
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from _steps import SetupError, StepRunner
from _wheel_folder import WheelFolder, WheelFolderError, purpose_here

ROOT = Path(__file__).resolve().parent.parent
SCHEME = 1  # raise it when environments made by an older version of this file must be updated
STAMP_NAME = "workshop-setup.json"
LOG_NAME = "workshop-setup.log"


class Action(Enum):
    """What an environment needs."""

    NOTHING = "nothing"
    UPDATE = "update"
    REBUILD = "rebuild"


@dataclass(frozen=True)
class Verdict:
    """What an environment needs, and why."""

    action: Action
    reason: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="bootstrap.py", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--venv", default=".venv", help="where the environment lies (.venv)")
    parser.add_argument("--constraints", default="constraints.txt", help="file of exact versions")
    parser.add_argument("--extra", default="dev", help="extra of pyproject.toml to install (dev)")
    options = parser.parse_args(arguments)
    try:
        ensure(Environment(ROOT / options.venv, ROOT / options.constraints, options.extra))
    except SetupError as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up: interrupted; the same command starts it again.", file=sys.stderr)
        return 130
    return 0


@dataclass(frozen=True)
class Environment:
    """A virtual environment and what decides its content."""

    folder: Path
    constraints: Path
    extra: str

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.folder / "bin" / "python"

    def python_version(self) -> str | None:
        """Return "3.11" or the like; None if its interpreter does not run or is not its own."""
        question = "import sys; print('%d.%d' % sys.version_info[:2]); print(sys.prefix)"
        answer = self.output_of("-I", "-c", question)
        if answer is None:
            return None
        version, prefix = answer.split("\n", 1)
        return version if Path(prefix).resolve() == self.folder.resolve() else None

    def output_of(self, *arguments: str) -> str | None:
        """Return what the environment's interpreter prints; None if it fails."""
        try:
            answer = subprocess.check_output([self.python, *arguments], stderr=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError):
            return None
        return answer.decode().strip()

    def entries(self, version: str) -> list[str]:
        """Return the names in site-packages, packages and their metadata alike."""
        folder = self.folder / "lib" / f"python{version}" / "site-packages"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def fingerprint(self) -> str:
        """Return a hash of all that decides what gets installed; linter settings do not."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        inputs = {
            "scheme": SCHEME,
            "extra": self.extra,
            "project": [project.get("build-system"), project.get("project")],
            "setuptools": project.get("tool", {}).get("setuptools"),
            "requirements": (ROOT / "requirements.txt").read_text(encoding="utf-8"),
            "constraints": self.constraints.read_text(encoding="utf-8"),
        }
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()

    def read_stamp(self) -> dict[str, Any]:
        """Return what the last set-up wrote down; an unreadable stamp is an interrupted set-up."""
        try:
            stamp = json.loads((self.folder / STAMP_NAME).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            return {"state": "installing"}
        return stamp if isinstance(stamp, dict) else {"state": "installing"}

    def write_stamp(self, **content: Any) -> None:
        """Replace the stamp in one step."""
        draft = self.folder / f"{STAMP_NAME}.new"
        draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
        draft.replace(self.folder / STAMP_NAME)


def examine(environment: Environment) -> Verdict:
    """Decide whether an environment is ready, out of date, or has to be made anew."""
    if not environment.folder.is_dir() or not any(environment.folder.iterdir()):
        return Verdict(Action.REBUILD)
    stamp = environment.read_stamp()
    if stamp.get("state") == "installing":
        return Verdict(Action.REBUILD, "its set-up was interrupted")
    version = environment.python_version()
    if version is None:
        return Verdict(Action.REBUILD, "its Python is missing, moved or broken")
    if not stamp:
        return examine_foreign(environment, version)
    if stamp["folder"] != str(environment.folder):
        return Verdict(Action.REBUILD, f"it was made as {stamp['folder']}")
    if stamp["python"] != version:
        return Verdict(Action.REBUILD, f"its Python was {stamp['python']} and is now {version}")
    gone = sorted(set(stamp["entries"]) - set(environment.entries(version)))
    if gone:
        return Verdict(Action.REBUILD, f"packages are missing from it: {', '.join(gone[:3])}")
    if stamp["fingerprint"] != environment.fingerprint():
        return Verdict(Action.UPDATE, "what it must hold has changed")
    return Verdict(Action.NOTHING)


def examine_foreign(environment: Environment, version: str) -> Verdict:
    """Judge an environment without a stamp, made by hand: use it if it can be used."""
    if tuple(map(int, version.split("."))) < (3, 11):
        return Verdict(Action.REBUILD, f"its Python is {version}")
    if environment.output_of("-I", "-m", "pip", "--version") is None:
        return Verdict(Action.REBUILD, "it has no working pip")
    return Verdict(Action.UPDATE, "it was not made by this set-up")


def ensure(environment: Environment) -> None:
    """Leave the environment ready; do nothing if it is."""
    if examine(environment).action is Action.NOTHING:
        return
    name = environment.folder.name
    with locked(environment.folder) as lock:
        verdict = examine(environment)
        if verdict.action is Action.NOTHING:
            return
        started = time.monotonic()
        wheels = wheel_folder(environment)
        runner = StepRunner(environment.folder, lock, environment.folder / LOG_NAME, wheels)
        if verdict.action is Action.REBUILD:
            if verdict.reason:
                print(f"{name}: {verdict.reason}; making it anew.", flush=True)
            rebuild(environment, runner)
        else:
            print(f"{name}: {verdict.reason}; bringing it up to date.", flush=True)
            environment.write_stamp(state="installing")
        install(environment, runner, wheels)
        version = environment.python_version()
        if version is None:
            raise SetupError(f"{environment.python} does not run after its set-up.")
        environment.write_stamp(
            state="complete",
            folder=str(environment.folder),
            python=version,
            fingerprint=environment.fingerprint(),
            entries=environment.entries(version),
        )
        print(f"{name} is ready after {time.monotonic() - started:.0f} s.", flush=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[int]:
    """Let one set-up at a time work on an environment; yield the lock's file descriptor."""
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Another set-up is at work on {folder.name}; waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def rebuild(environment: Environment, runner: StepRunner) -> None:
    """Empty the folder (which may be a link to a larger disk) and make a bare environment in it."""
    folder = environment.folder
    if folder.exists() and not folder.is_dir():
        raise SetupError(f"{folder} is in the way and is not a folder: move it away.")
    folder.mkdir(parents=True, exist_ok=True)
    known = [STAMP_NAME, "pyvenv.cfg"]
    is_environment = any((folder / name).exists() for name in known)
    if any(folder.iterdir()) and not is_environment and not folder.name.startswith(".venv"):
        raise SetupError(f"{folder} holds something else: choose another folder.")
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    environment.write_stamp(state="installing")
    # Not sys.executable: that is this very environment's if the user has activated it.
    base = getattr(sys, "_base_executable", "") or sys.executable
    title = f"Making {folder.name} with Python {platform.python_version()}"
    runner.run(title, [base, "-m", "venv", str(folder)])


def wheel_folder(environment: Environment) -> Path | None:
    """Return the folder of wheels that WHEELHOUSE names, checked; None if it names none."""
    name = os.environ.get("WHEELHOUSE", "").strip()
    if not name:
        return None
    folder = Path(name).expanduser().resolve()
    print(f"Checking the wheels in {folder} ...", flush=True)
    try:
        WheelFolder(folder).check(purpose_here(environment.constraints, environment.extra))
    except WheelFolderError as error:
        raise SetupError(str(error)) from error
    return folder


def pinned_torch(constraints: Path) -> str:
    """Return the line of a constraints file that pins torch."""
    pins = constraints.read_text(encoding="utf-8").splitlines()
    torch = next((line.strip() for line in pins if line.startswith("torch==")), None)
    if torch is None:
        raise SetupError(f"{constraints.name} has no line torch==VERSION: add one.")
    return torch


def install(environment: Environment, runner: StepRunner, wheels: Path | None) -> None:
    """Install torch, then everything else, with the two packages here in editable form."""
    pins = environment.constraints.read_text(encoding="utf-8").splitlines()
    torch = pinned_torch(environment.constraints)
    index = os.environ.get("TORCH_INDEX", "").strip() if wheels is None else ""
    version = environment.python_version()
    if not index and wheels is None and version and "torch" not in environment.entries(version):
        advise_on_cuda()
    pip = [str(environment.python), "-m", "pip"]
    pip_install = [*pip, "install", "--no-input", "--disable-pip-version-check"]
    # First and alone: a CPU build, once in place, satisfies everybody who asks for torch.
    origin = ["--index-url", index] if index else []
    runner.run(f"Installing {torch}", [*pip_install, "--no-deps", *origin, torch])
    constrained = ["--constraint", str(environment.constraints)]
    runner.run(
        f"Installing the other packages, up to {len(pins)}; a few minutes the first time",
        [*pip_install, *constrained, "--editable", f".[{environment.extra}]"],
    )
    runner.run("Checking that they fit together", [*pip, "check"])


def advise_on_cuda() -> None:
    """Tell of TORCH_INDEX where PyPI's torch brings CUDA libraries that nothing here can use."""
    has_gpu = Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi") is not None
    if sys.platform == "linux" and not has_gpu:
        print(
            "No NVIDIA GPU was found. If pip now downloads gigabytes of CUDA libraries, stop it "
            "and name an index of\nCPU wheels, for instance: "
            "make TORCH_INDEX=https://download.pytorch.org/whl/cpu ...",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
