#!/usr/bin/env python3
"""Find a Python that fits and let it make the virtual environment (see environment.py).

Its first duty is to tell an unsupported system or an old Python what is wrong, so it parses on
Python 3.6, uses the standard library only, and knows nothing of packages.
"""

import functools
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Optional, Tuple

OLDEST_PYTHON = (3, 11)
NEWEST_PYTHON = (3, 13)  # the newest that constraints.txt is resolved for; others are taken last
# In order of preference.
PYTHON_NAMES = ("python3.12", "python3.11", "python3.13", "python3.14", "python3", "python")
OLDEST_GLIBC = (2, 28)  # what torch's Linux wheels are built for: manylinux_2_28
OLDEST_MACOS = (14, 0)  # what torch's macOS wheels are built for: macosx_14_0_arm64


def main() -> None:
    """Hand over to environment.py on a fitting Python, or say in one line why there is none."""
    refusal = platform_refusal(
        sys.platform, platform.machine(), platform.mac_ver()[0], platform.libc_ver()
    )
    python = None
    if refusal is None:
        python, refusal = choose_python()
    if python is None:
        sys.exit(f"set-up: {refusal}")
    program = Path(__file__).resolve().with_name("environment.py")
    os.execv(python, [python, str(program), *sys.argv[1:]])


def platform_refusal(system: str, machine: str, macos: str, libc: Tuple[str, str]) -> Optional[str]:
    """Say why a platform is not supported; None if it is.

    `system` is `sys.platform`; the other three are what the `platform` module answers.
    """
    if system in ("win32", "cygwin", "msys"):
        return "Windows is not supported: use WSL 2 (with Ubuntu, say) or Amazon SageMaker Studio."
    if system == "darwin":
        return macos_refusal(machine, macos)
    if not system.startswith("linux"):
        return f"{system} is not supported: use Linux, macOS on Apple silicon or SageMaker Studio."
    if machine not in ("x86_64", "aarch64"):
        return f"Linux on {machine} is not supported: PyTorch is built for x86_64 and aarch64."
    if libc[0] != "glibc":
        return "This Linux has no glibc (Alpine?), which PyTorch needs: use Debian or Ubuntu."
    if version_numbers(libc[1]) < OLDEST_GLIBC:
        return f"This Linux has glibc {libc[1]}; PyTorch's builds need 2.28 or newer."
    return None


def macos_refusal(machine: str, macos: str) -> Optional[str]:
    """Say why a Mac is not supported; None if it is."""
    if machine != "arm64":
        return (
            "Intel Macs are not supported (PyTorch is no longer built for them): use Amazon "
            "SageMaker Studio. On Apple silicon, start this with an arm64 Python."
        )
    if version_numbers(macos) < OLDEST_MACOS:
        return f"macOS {macos} is too old: PyTorch's builds need macOS 14 or newer."
    return None


def version_numbers(text: str) -> Tuple[int, ...]:
    """Return the leading numbers of a version: (2, 36) for "2.36"."""
    numbers = []
    for part in text.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def choose_python() -> Tuple[Optional[str], str]:
    """Return the path of a fitting interpreter, or None and the reason.

    The one this runs on is taken if it fits, else the first on PATH that does. One that is newer
    than what constraints.txt is resolved for is taken only where there is no other.
    """
    names = [sys.executable]
    names.extend(filter(None, (shutil.which(name) for name in PYTHON_NAMES)))
    refusals = []
    newer = []
    for name in names:
        refusal = python_refusal(name)
        if refusal is not None:
            refusals.append(refusal)
        elif python_answer(name)[:2] <= NEWEST_PYTHON:
            return name, ""
        else:
            newer.append(name)
    if newer:
        return newer[0], ""
    # One that merely lacks a module is nearer to working than one that is too old.
    return None, max(refusals, key=lambda text: "lacks" in text)


@functools.lru_cache(maxsize=None)
def python_answer(executable: str) -> Tuple[int, ...]:
    """Return an interpreter's version, two numbers, and whether it has venv; () if it fails."""
    question = (
        "import sys, importlib.util as u; print(sys.version_info[0], sys.version_info[1],"
        " int(all(u.find_spec(m) for m in ('venv', 'ensurepip'))))"
    )
    try:
        answer = subprocess.check_output([executable, "-c", question], stderr=subprocess.DEVNULL)
        major, minor, has_venv = (int(word) for word in answer.split())
    except (OSError, ValueError, subprocess.CalledProcessError):
        return ()
    return major, minor, has_venv


def python_refusal(executable: str) -> Optional[str]:
    """Say in one line why an interpreter will not do; None if it will."""
    answer = python_answer(executable)
    if not answer:
        return f"{executable} does not run: install Python 3.11, 3.12 or 3.13."
    major, minor, has_venv = answer
    if (major, minor) < OLDEST_PYTHON:
        return (
            f"{executable} is Python {major}.{minor}, and no newer one was found: install Python "
            "3.11, 3.12 or 3.13, or name one: make PYTHON=/path/to/python3.12 ..."
        )
    if not has_venv:
        return (
            f"{executable} lacks the venv or ensurepip module: on Debian and Ubuntu "
            f"`sudo apt install python{major}.{minor}-venv` brings them."
        )
    return None


if __name__ == "__main__":
    main()
