"""What each lab needs of an account and of a machine.

Figures of memory and disk are those that benchmarks/lab_memory.py measured; instance types are the
helpers' own defaults. It must not know how anything is checked.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workshop_utils import instances
from workshop_utils.notebooks import NOTEBOOKS
from workshop_utils.recorded import RESULTS

LABS = tuple(NOTEBOOKS)
MEASURED = RESULTS / "lab_memory.json"
# What no lab may exceed.
_ALLOWED = {"peak": {"megabytes": 3000}, "kernel_megabytes": 1000, "disk_megabytes": 2000}


@dataclass(frozen=True)
class Machines:
    """Instances that labs start at once for one purpose.

    Attributes
    ----------
    labs
        Which labs.
    use
        As Service Quotas names it: ``training job``, ``endpoint``, …
    instance_type
        The one that the helpers take unless they are told another.
    optional
        What there is without it; empty when the lab cannot do without.
    """

    labs: tuple[int, ...]
    use: str
    instance_type: str
    optional: str = ""


MACHINES = (
    Machines((1, 2, 3), "endpoint", instances.CPU),
    Machines((1, 3), "training job", instances.CPU),
    Machines((2, 3), "transform job", instances.CPU),
    Machines((3,), "processing job", instances.CPU),
    Machines(
        (1, 3), "training job", instances.GPU, f"the labs train on {instances.CPU}, which they do"
    ),
    Machines(
        (1, 2),
        "endpoint",
        "ml.g5.2xlarge",
        "the sections that ask a large language model show how, and ask none",
    ),
)


@dataclass(frozen=True)
class Footprint:
    """What labs took on the machine where they were measured.

    Attributes
    ----------
    memory
        Bytes of all processes together at the worst moment, in local mode.
    kernel
        Bytes of the notebook's kernel alone, which is all that runs here in an AWS account.
    disk
        Bytes that are left on disk in local mode, the labs after each other.
    source
        The command that measured it.
    """

    memory: int
    kernel: int
    disk: int
    source: str


def footprint(labs: Iterable[int], path: Path = MEASURED) -> Footprint:
    """Return what labs need of this machine; where nothing was measured, what they may need."""
    content: dict[str, Any] = {"labs": []}
    if path.is_file():
        content = json.loads(path.read_text(encoding="utf-8"))
    wanted = {NOTEBOOKS[lab] for lab in labs}
    rows = [row for row in content["labs"] if row["notebook"] in wanted]
    if len(rows) < len(wanted):
        rows.append(_ALLOWED)
    return Footprint(
        memory=int(max(row["peak"]["megabytes"] for row in rows) * 1e6),
        kernel=int(max(row["kernel_megabytes"] for row in rows) * 1e6),
        disk=int(sum(row["disk_megabytes"] for row in rows) * 1e6),
        source=str(content.get("command", "not measured")),
    )
