"""Virtual environments of their own for other people's software, made once and kept in a cache.

Peers pin libraries in ways that do not go together with ours or with each other's. An environment
may borrow the packages of the running interpreter, so that the same torch serves everywhere and is
not fetched again. This module must not know what is installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path


def cache_folder() -> Path:
    """Return where environments are kept: ``$XDG_CACHE_HOME/sagemaker-nlp-workshop``."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sagemaker-nlp-workshop"


def environment(
    name: str, packages: Sequence[str], *, alone: Sequence[str] = (), borrow: bool = False
) -> Path:
    """Return the folder of an environment with these packages, which is made if need be.

    Parameters
    ----------
    name : str
        Of the environment.
    packages : sequence of str
        What pip is asked for; another list is another environment.
    alone : sequence of str
        What is installed without what it depends on: packages that would fetch a torch.
    borrow : bool
        Whether what is not installed there comes from the running interpreter's environment.

    Raises
    ------
    subprocess.CalledProcessError
        If pip cannot install them; what it says is shown.
    """
    wanted = "\n".join([sys.version, str(borrow and sys.prefix), *packages, *alone])
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:10]
    folder = cache_folder() / f"{name}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Two processes that want the same one: the second waits, and finds it made.
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _make(folder, packages, alone, borrow)
    return folder


def _make(folder: Path, packages: Sequence[str], alone: Sequence[str], borrow: bool) -> None:
    print(f"Making {folder} ({', '.join([*packages, *alone])})", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet"]
    subprocess.run([*command, *packages], check=True, stdout=sys.stderr)
    if alone:
        subprocess.run([*command, "--no-deps", *alone], check=True, stdout=sys.stderr)
    if borrow:
        [site] = (folder / "lib").glob("python*/site-packages")
        # Written last, so that pip does not see it; and entries of a .pth come last on the path, so
        # that what is installed here has precedence.
        (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    # Last: without it, what was interrupted is made again.
    (folder / "complete").touch()
