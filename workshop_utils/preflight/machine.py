"""Whether this machine has what the labs need: Python, packages, memory, and room on its disk.

It must not know the account.
"""

import platform
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import psutil

from workshop_utils.preflight.finding import Finding, blocker, ok, warning
from workshop_utils.preflight.needs import Footprint, footprint
from workshop_utils.recorded import RESULTS
from workshop_utils.session import Session

REQUIREMENTS = RESULTS.parent.parent / "requirements.txt"
PYTHONS = ((3, 11), (3, 13))
"""The oldest and the newest Python that the labs are meant for."""
_GROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
# Jupyter itself, the system, and what was not measured.
_BESIDE = 700_000_000
_ROOM = 1.5


def python(_: Session, __: Sequence[int]) -> list[Finding]:
    """Compare Python and the packages with what the labs are tested with."""
    found = sys.version_info[:2]
    oldest, newest = PYTHONS
    text = platform.python_version()
    if oldest <= found <= newest:
        return [ok("Python", f"Python {text}.")]
    wanted = f"{_dotted(oldest)} to {_dotted(newest)}"
    if found < oldest:
        return [
            blocker(
                "Python",
                f"Python {text} is too old: {wanted} are supported.",
                "The code does not run on it.",
                "Take a space with SageMaker Distribution 4.2 or newer, or set PYTHON for `make`.",
            )
        ]
    return [
        warning(
            "Python",
            f"Python {text} is newer than what was tested: {wanted}.",
            "Packages may have no builds for it.",
            f"Use Python {_dotted(newest)} if anything fails.",
        )
    ]


def packages(_: Session, __: Sequence[int]) -> list[Finding]:
    """Compare the installed packages with the ranges of requirements.txt."""
    from packaging.requirements import Requirement

    wanted = [Requirement(text) for text in _requirements()]
    findings = []
    for requirement in wanted:
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            version = ""
        if not version or not requirement.specifier.contains(version, prereleases=True):
            there = f"is {version}" if version else "is not installed"
            findings.append(
                blocker(
                    "packages",
                    f"{requirement.name} {there}; the labs need {requirement.specifier}.",
                    "Other versions were not tested, and code may be missing in them.",
                    f"Run `{Path(sys.executable).name} -m pip install "
                    f"'{requirement.name}{requirement.specifier}'` in this environment, and "
                    "restart the kernel.",
                )
            )
    return findings or [ok("packages", f"All {len(wanted)} packages are in their ranges.")]


def _requirements() -> Iterable[str]:
    if not REQUIREMENTS.is_file():
        return list(metadata.requires("sagemaker-nlp-workshop") or ())
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return [text for line in lines if (text := line.partition("#")[0].strip())]


def memory(_: Session, labs: Sequence[int]) -> list[Finding]:
    """Compare this machine's memory with what the labs were measured to take."""
    need = footprint(labs)
    total = total_memory()
    if total >= need.memory + _BESIDE:
        return [
            ok("memory", f"{_gb(total)}; in local mode the labs take up to {_gb(need.memory)}.")
        ]
    what = f"This machine has {_gb(total)}; in local mode the labs take up to {_gb(need.memory)}"
    what += f", the kernel alone {_gb(need.kernel)} ({need.source})."
    do = "Stop the space and start it on an instance with 4 GiB or more, for instance ml.t3.medium."
    if total < need.kernel + _BESIDE:
        return [blocker("memory", what, "The kernel would be killed.", do)]
    return [warning("memory", what, "In local mode, jobs may be killed for want of memory.", do)]


def disk(_: Session, labs: Sequence[int]) -> list[Finding]:
    """Compare the room on this disk with what the labs were measured to leave there."""
    need = int(_ROOM * footprint(labs).disk)
    places = {Path.cwd(), Path(tempfile.gettempdir())}
    found = []
    for place in sorted(places):
        free = shutil.disk_usage(place).free
        if free < need:
            found.append(
                warning(
                    "disk",
                    f"{place} has {_gb(free)} left; in local mode the labs need {_gb(need)}.",
                    "Jobs fail when the disk is full; what is stored already stays.",
                    "Delete what you no longer need, or give the space a larger volume.",
                )
            )
    least = min(shutil.disk_usage(place).free for place in places)
    return found or [ok("disk", f"{_gb(least)} left; the labs need {_gb(need)} in local mode.")]


def fits(labs: Sequence[int]) -> bool:
    """Tell whether the labs can run here in local mode."""
    need: Footprint = footprint(labs)
    room = shutil.disk_usage(Path.cwd()).free >= _ROOM * need.disk
    return room and total_memory() >= need.memory + _BESIDE


def total_memory() -> int:
    """Return the memory that this process may use: of the machine, or of its container."""
    limits = [int(psutil.virtual_memory().total)]
    for name in _GROUPS:
        # "max" is no number, and means no limit.
        with suppress(OSError, ValueError):
            limits.append(int(Path(name).read_text(encoding="ascii")))
    return min(limits)


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
