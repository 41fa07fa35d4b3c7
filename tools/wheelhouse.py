"""Write one folder from which the environment is made without internet (`make wheelhouse`).

pip says which wheels the constraints come to for this Python and platform; they are fetched in
small batches, so that an interrupted run goes on where it was. What is there already, whole, is
not fetched again. `make env WHEELHOUSE=FOLDER` installs from it and asks no index.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from _steps import ROOT, SetupError, StepRunner
from _wheel_folder import ABOUT_NAME, SUMS_NAME, WheelFolder, WheelFolderError, purpose_here
from environment import locked, pinned_torch

README = """\
Wheels for the environment of the workshop: Python {python} on {platform}.
Copy this folder and the checkout to the machine without internet, then run there:
    make env WHEELHOUSE=/path/to/this/folder
`sha256sum --check SHA256SUMS` tells whether all of it has arrived.
"""
_BATCH = 16
_LOG_NAME = "wheelhouse.log"
_TORCH_NAME = "torch.json"


@dataclass(frozen=True)
class Wheel:
    """A wheel that belongs into the folder.

    Attributes
    ----------
    requirement
        ``name==version``.
    file
        Its file's name.
    digest
        Its SHA-256, where the index has it.
    """

    requirement: str
    file: str
    digest: str | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--to", default="wheelhouse", help="the folder (wheelhouse)")
    parser.add_argument("--constraints", default="constraints.txt", help="file of exact versions")
    parser.add_argument("--extra", default="dev", help="extra of pyproject.toml (dev)")
    options = parser.parse_args(arguments)
    folder = (ROOT / options.to).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder) as lock:
            fill(WheelFolder(folder), ROOT / options.constraints, options.extra, lock)
    except (SetupError, OSError) as error:
        print(f"wheelhouse: {explained(str(error), folder)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nwheelhouse: interrupted; the same command goes on.", file=sys.stderr)
        return 130
    return 0


def explained(message: str, folder: Path) -> str:
    """Say first what a full disk hides in many lines."""
    if "No space left on device" not in message and "Disk quota exceeded" not in message:
        return message
    return (
        f"the disk is full: {folder} or the folder for temporary files ({tempfile.gettempdir()}) "
        "has no space left. The folder takes about 1 GB, with CUDA's torch 4 GB. Make space, or "
        "name another place (make wheelhouse TO=FOLDER, TMPDIR=FOLDER), and run it again: it goes "
        f"on where it was.\n{message}"
    )


def fill(folder: WheelFolder, constraints: Path, extra: str, lock: int) -> None:
    """Fetch what is missing and take away what does not belong there."""
    refuse_foreign(folder.path)
    purpose = purpose_here(constraints, extra)
    origin = torch_origin(purpose)
    try:
        folder.check(purpose)
    except WheelFolderError:
        complete = False
    else:
        complete = not torch_index() or has_torch_of(folder, origin)
    if complete:
        print(f"{folder.path} is complete: {summary(folder)}.")
        return
    folder.unseal()
    runner = StepRunner(folder.path, lock, folder.path / _LOG_NAME)
    pip = [sys.executable, "-m", "pip"]
    options = ["--no-input", "--disable-pip-version-check", "--only-binary=:all:"]
    download = [*pip, "download", *options, "--no-deps", "--dest", str(folder.path)]
    torch = fetched_torch(folder, pinned_torch(constraints), origin, download, runner)
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        resolve = [*pip, "install", *options, "--dry-run", "--ignore-installed"]
        runner.run(
            "Asking the index which wheels that comes to",
            [
                *resolve,
                *("--report", str(report), "--constraint", str(constraints)),
                *build_requirements(),
                str(torch),
                *("--editable", f".[{extra}]"),
            ],
        )
        wanted = list(wheels_of(json.loads(report.read_text(encoding="utf-8"))))
    fetch(folder, wanted, download, runner)
    for name, wheel in folder.wheels().items():
        if name != torch.name and name not in {one.file for one in wanted}:
            wheel.unlink()
    (folder.path / "README.txt").write_text(README.format(**purpose), encoding="utf-8")
    folder.seal(purpose)
    runner.log.unlink()
    print(f"{folder.path} is complete: {summary(folder)}.")


def refuse_foreign(folder: Path) -> None:
    """Refuse a folder of somebody else's: its wheels and its README.txt would go."""
    known = (ABOUT_NAME, SUMS_NAME, _LOG_NAME)
    there = sorted(path.name for path in folder.iterdir())
    if there and not any(name in there for name in known):
        raise SetupError(
            f"{folder} holds something else ({', '.join(there[:3])}{' …' if there[3:] else ''}): "
            "name a new or an empty folder (make wheelhouse TO=FOLDER)."
        )


def torch_index() -> str:
    """Return the index that torch is taken from; empty for pip's own."""
    return os.environ.get("TORCH_INDEX", "").strip()


def torch_origin(purpose: Mapping[str, str]) -> dict[str, str]:
    """Return what a wheel of torch must be fetched for, and from where.

    Without TORCH_INDEX it may be from any index: what an earlier run took from one is kept.
    """
    origin = {name: purpose[name] for name in ("python", "platform")}
    if index := torch_index():
        # Its address may have a password in it, and the folder goes from hand to hand.
        origin["index"] = hashlib.sha256(index.encode()).hexdigest()
    return origin


def has_torch_of(folder: WheelFolder, origin: Mapping[str, str]) -> bool:
    """Tell whether the torch of a folder, if there is one, is of this origin."""
    try:
        there = json.loads((folder.path / _TORCH_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # Of an earlier version of this program, or cut off.
        return False
    return isinstance(there, dict) and origin.items() <= there.items()


def fetched_torch(
    folder: WheelFolder,
    pin: str,
    origin: Mapping[str, str],
    download: Sequence[str],
    runner: StepRunner,
) -> Path:
    """Return the wheel of torch; one of another origin is fetched anew."""
    version = pin.partition("==")[2]

    def there() -> list[str]:
        # A build may have a local version behind: torch-2.13.0+cpu-…
        heads = (f"torch-{version}-", f"torch-{version}+")
        return [name for name in folder.wheels() if name.startswith(heads)]

    fits = has_torch_of(folder, origin)
    for name in there():
        if fits and folder.has(name, None):
            return folder.path / name
        (folder.path / name).unlink()
    (folder.path / _TORCH_NAME).write_text(json.dumps(origin) + "\n", encoding="utf-8")
    index = torch_index()
    runner.run(f"Fetching {pin}", [*download, *(["--index-url", index] if index else []), pin])
    return folder.path / there()[0]


def build_requirements() -> list[str]:
    """Return what pip needs to build the packages of this checkout."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [str(one) for one in project.get("build-system", {}).get("requires", [])]


def wheels_of(report: dict) -> Iterator[Wheel]:
    """Yield the wheels of pip's report, but for local ones: torch and this checkout.

    The report's form: https://pip.pypa.io/en/stable/reference/installation-report/
    """
    for item in report["install"]:
        info = item["download_info"]
        about = item["metadata"]
        if "dir_info" in info or about["name"].lower() == "torch":
            continue
        yield Wheel(
            f"{about['name']}=={about['version']}",
            unquote(urlsplit(info["url"]).path).rpartition("/")[2],
            info.get("archive_info", {}).get("hashes", {}).get("sha256"),
        )


def fetch(
    folder: WheelFolder, wanted: Sequence[Wheel], download: Sequence[str], runner: StepRunner
) -> None:
    """Fetch the wheels that are not there, a batch at a time."""
    missing = [one for one in wanted if not folder.has(one.file, one.digest)]
    for one in missing:
        # Half a wheel, from a run that was killed: pip would take it for the whole.
        (folder.path / one.file).unlink(missing_ok=True)
    if len(missing) < len(wanted):
        print(f"{len(wanted) - len(missing)} of {len(wanted)} wheels are there already.")
    for begin in range(0, len(missing), _BATCH):
        batch = missing[begin : begin + _BATCH]
        names = ", ".join(one.requirement.partition("==")[0] for one in batch)
        title = f"[{begin + 1}-{begin + len(batch)}/{len(missing)}] {names[:70]}"
        runner.run(title, [*download, *(one.requirement for one in batch)])
    broken = [one.file for one in missing if not folder.has(one.file, one.digest)]
    if broken:
        raise SetupError(
            f"{len(broken)} wheels are not what the index said ({', '.join(broken[:3])}): run it "
            "again."
        )


def summary(folder: WheelFolder) -> str:
    """Return how much is in the folder, in words."""
    wheels = folder.wheels().values()
    size = sum(wheel.stat().st_size for wheel in wheels)
    return f"{len(wheels)} wheels, {size / 1e6:,.0f} MB"


if __name__ == "__main__":
    sys.exit(main())
