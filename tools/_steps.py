"""The steps of a set-up: commands that run for minutes, with a sign of life every now and then.

It knows what pip prints; it must not know what is being set up. Standard library only.
"""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEARTBEAT_SECONDS = 15
LOG_LINES_SHOWN = 25


class SetupError(Exception):
    """What was to be set up cannot be made; the message says why and what to do next."""


class StepRunner:
    """Runs the steps of a set-up: their output to a log, a line for each step to the screen.

    Parameters
    ----------
    folder
        What is being made: an environment, or a folder of wheels.
    lock
        The file descriptor of the lock on it.
    log
        Where the output goes.
    wheels
        Where pip takes packages from, instead of any index.
    """

    def __init__(self, folder: Path, lock: int, log: Path, wheels: Path | None = None) -> None:
        self.folder = folder
        self.log = log
        self.lock = lock
        # PYTHONPATH would make pip take other folders' packages for installed ones. The user's
        # own PIP_* settings (index, certificates, cache) stay, but for a user-level install.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self.variables = kept | {"PIP_USER": "0"}
        if wheels is not None:
            # As variables, because pip starts another pip where it builds a package. As an
            # address, because pip splits the variable at blanks.
            self.variables |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheels.as_uri()}

    def run(self, title: str, command: Sequence[str]) -> None:
        """Run one command; raise SetupError with the end of its output if it fails."""
        print(f"{title} ...", flush=True)
        with self.log.open("ab") as log:
            begin = log.tell()
            # The child holds the lock too: if this process is killed, the next set-up still
            # waits until pip has ended.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=self.variables,
                pass_fds=[self.lock],
            )
        try:
            status = self.wait(process)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        if status != 0:
            said = self.log.read_bytes()[begin:].decode(errors="replace").rstrip().split("\n")
            raise SetupError(
                f"'{title}' failed with exit status {status}. The end of what it said (all of it "
                f"is in {self.log}):\n" + "\n".join(said[-LOG_LINES_SHOWN:])
            )

    def wait(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for a process, with a sign of life every now and then; return its exit status."""
        started = time.monotonic()
        while True:
            try:
                return process.wait(timeout=HEARTBEAT_SECONDS)
            except subprocess.TimeoutExpired:
                print(f"  {time.monotonic() - started:4.0f} s: {self.progress()}", flush=True)

    def progress(self) -> str:
        """Return the newest telling line of the log, or how far pip is when it has gone quiet."""
        said = self.log.read_text(errors="replace").splitlines()
        telling = [line.strip() for line in said if line.strip()[:1].isalpha()]
        newest = next((line for line in reversed(telling) if "WARNING" not in line), "")
        if newest.startswith(("Installing", "Successfully", "Found")):
            installed = len(list(self.folder.glob("lib/python*/site-packages/*.dist-info")))
            newest = f"{installed} packages are in place" if installed else newest
        return newest[:80]
