"""Checks that what a requirements.txt asks for is installed, instead of installing it.

The jobs of the local SageMaker share one Python environment, which they must not change. A
package that is not there fails the job by name; one of another version is a warning. A copy of
this file runs alone in jobs, as ``python requirements_check.py requirements.txt``: it must not
import this package.
"""

import os
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

_COMMENT = re.compile(r"(^|\s+)#.*$")
# Per-requirement options of pip, such as --hash and --config-settings.
_OPTION = re.compile(r"\s+--\w.*$")
_EGG = re.compile(r"[#&]egg=(?P<name>[A-Za-z0-9._-]+)")


@dataclass
class Report:
    """What was found.

    Attributes
    ----------
    missing
        Requirements whose package is not installed, as they were written.
    warnings
        Sentences about everything else that is not as asked for.
    """

    missing: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def failure(self) -> str:
        """The sentence that a job fails with, empty when nothing is missing."""
        if not self.missing:
            return ""
        names = ", ".join(_name(requirement) for requirement in self.missing)
        command = "pip install " + " ".join(map(shlex.quote, self.missing))
        verb = "is" if len(self.missing) == 1 else "are"
        return (
            f"{names} {verb} not installed in the environment of the local SageMaker "
            f"({sys.executable}): {command}"
        )


def check(path: Path) -> Report:
    """Compare a requirements file with what is installed.

    Parameters
    ----------
    path
        The file, in pip's format; files it names with ``-r`` are checked too.
    """
    report = Report()
    for line, source in _lines(path, set()):
        _check_line(line, source, report)
    return report


def _lines(path: Path, seen: set[Path]) -> Iterator[tuple[str, Path]]:
    if path.resolve() in seen:
        return
    seen.add(path.resolve())
    # A backslash at the end of a line joins it with the next.
    text = path.read_text(encoding="utf-8-sig").replace("\\\n", "")
    for raw in text.splitlines():
        line = _COMMENT.sub("", raw).strip()
        nested = re.match(r"(?:-r|--requirement)[ =]?\s*(?P<file>.+)", line)
        if nested:
            yield from _lines(path.parent / nested["file"], seen)
        elif line:
            yield line, path


def _check_line(line: str, source: Path, report: Report) -> None:
    if line.startswith("-") and not line.startswith(("-e", "--editable")):
        # Options such as --index-url say where to find packages, and -c which versions to
        # prefer; neither asks for anything.
        return
    try:
        requirement = Requirement(_OPTION.sub("", line))
    except InvalidRequirement:
        egg = _EGG.search(line)
        if egg is None:
            report.warnings.append(f"{source.name}: {line!r} is not checked")
            return
        requirement = Requirement(egg["name"])
    _check(requirement, line if requirement.url else str(requirement), source, report)


def _check(requirement: Requirement, written: str, source: Path, report: Report) -> None:
    if requirement.marker is not None and not requirement.marker.evaluate():
        return
    found = _installed(requirement.name)
    if found is None:
        report.missing.append(written.partition(";")[0].strip())
        return
    if not requirement.specifier.contains(found.version, prereleases=True):
        report.warnings.append(
            f"{source.name} asks for {requirement.name}{requirement.specifier}; "
            f"{found.version} is installed and is used"
        )
    for extra in sorted(requirement.extras):
        for needed in map(Requirement, found.requires or []):
            if needed.marker is not None and _only_with(needed, extra):
                needed.marker = None
                _check(needed, str(needed), source, report)


def _only_with(requirement: Requirement, extra: str) -> bool:
    marker = requirement.marker
    return (
        marker is not None
        and marker.evaluate({"extra": extra})
        and not marker.evaluate({"extra": ""})
    )


def _installed(name: str) -> Distribution | None:
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    # A folder of metadata that lost its content has no version.
    return found if found.metadata["Version"] else None


def _name(requirement: str) -> str:
    try:
        return Requirement(requirement).name
    except InvalidRequirement:
        return requirement


def main(arguments: list[str]) -> int:
    """Check one file; tell the platform's failure file why when it fails.

    Parameters
    ----------
    arguments
        The file's name.

    Returns
    -------
    int
        0, or 1 when a package is missing.
    """
    path = Path(arguments[0] if arguments else "requirements.txt")
    try:
        report = check(path)
        failure = report.failure
    except OSError as error:
        report, failure = Report(), f"cannot read {path}: {error.strerror}"
    for warning in report.warnings:
        print(f"WARNING: {warning}")
    if not failure:
        print(f"{path} was checked: the local SageMaker installs nothing into its environment")
        return 0
    print(failure)
    folder = os.environ.get("SM_OUTPUT_DIR")
    if folder:
        Path(folder, "failure").write_text(failure, encoding="utf-8")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
