"""A folder of wheels from which an environment is made without internet.

It knows what the folder is for and whether all of it is there, byte for byte; it must not know
pip, nor how the wheels come into it. Standard library only.
"""

import hashlib
import json
import platform
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SUMS_NAME = "SHA256SUMS"  # in the form that `sha256sum --check` reads
ABOUT_NAME = "wheelhouse.json"
_SHOWN = 3


class WheelFolderError(Exception):
    """The folder cannot be used; the message says why and what to do next."""


@dataclass(frozen=True)
class WheelFolder:
    """The folder.

    Attributes
    ----------
    path
        Where it is.
    """

    path: Path

    def wheels(self) -> dict[str, Path]:
        """Return the wheels that are there, by file name."""
        return {wheel.name: wheel for wheel in sorted(self.path.glob("*.whl"))}

    def has(self, name: str, digest: str | None) -> bool:
        """Tell whether a wheel is there and whole; without a digest its archive is looked at."""
        wheel = self.path / name
        if not wheel.is_file():
            return False
        return zipfile.is_zipfile(wheel) if digest is None else sha256(wheel) == digest

    def seal(self, purpose: Mapping[str, str]) -> None:
        """Write down what the folder is for and the sum of each wheel; this makes it complete."""
        sums = "".join(f"{sha256(wheel)}  {name}\n" for name, wheel in self.wheels().items())
        _write(self.path / SUMS_NAME, sums)
        _write(self.path / ABOUT_NAME, json.dumps(dict(purpose), indent=1) + "\n")

    def unseal(self) -> None:
        """Say that it is not complete, or not yet."""
        (self.path / ABOUT_NAME).unlink(missing_ok=True)

    def check(self, purpose: Mapping[str, str]) -> None:
        """Check that it is complete and made for this.

        Parameters
        ----------
        purpose
            From `purpose_here`.

        Raises
        ------
        WheelFolderError
            When it is not, with what to do.
        """
        try:
            about = json.loads((self.path / ABOUT_NAME).read_text(encoding="utf-8"))
            lines = (self.path / SUMS_NAME).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise WheelFolderError(
                f"{self.path} is no complete wheelhouse ({error}): run `make wheelhouse` where "
                "there is internet, to its end, and copy the whole folder."
            ) from error
        for what, wanted in purpose.items():
            if about.get(what) != wanted:
                raise WheelFolderError(_misfit(self.path, what, str(about.get(what)), wanted))
        sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
        broken = [name for name, digest in sums.items() if not self.has(name, digest)]
        if broken or not sums:
            listed = ", ".join(broken[:_SHOWN]) + (" …" if len(broken) > _SHOWN else "")
            raise WheelFolderError(
                f"{len(broken)} files of {self.path} are missing or damaged ({listed}): copy the "
                "folder again, or run `make wheelhouse` where there is internet."
            )


def purpose_here(constraints: Path, extra: str) -> dict[str, str]:
    """Return what a folder must be made for, to be of use to this Python and these versions."""
    return {
        "python": platform.python_version().rpartition(".")[0],
        "platform": f"{sys.platform} {platform.machine()}",
        "extra": extra,
        "constraints": hashlib.sha256(constraints.read_bytes()).hexdigest(),
    }


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _misfit(path: Path, what: str, found: str, wanted: str) -> str:
    if what == "constraints":
        return (
            f"{path} was made from other versions than this checkout asks for: run "
            "`make wheelhouse` again from the same commit."
        )
    hint = f": make PYTHON=/path/to/python{found} ..." if what == "python" else "."
    return f"{path} was made for {what} {found}, and this is {wanted}{hint}"


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
