"""What this machine gives to jobs: processor cores, GPUs, the loopback interface.

It asks the operating system; it must not know what the answers are for.
"""

import math
import os
import sys
from functools import cache
from pathlib import Path

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_NVIDIA_GPUS = Path("/proc/driver/nvidia/gpus")


@cache
def usable_cores() -> int:
    """Return how many cores a process may use: affinity and cgroup quota are respected."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    try:
        # "max 100000" or "150000 100000": microseconds of processor time per period.
        quota, period = _CGROUP_QUOTA.read_text().split()
    except (OSError, ValueError):
        return cores
    if quota == "max":
        return cores
    return max(1, min(cores, math.ceil(int(quota) / int(period))))


@cache
def gpu_count() -> int:
    """Return how many NVIDIA GPUs the driver shows."""
    try:
        return sum(1 for _ in _NVIDIA_GPUS.iterdir())
    except OSError:
        return 0


def loopback_interface() -> str:
    """Return the name of the network interface on which a single host talks to itself."""
    return "lo" if sys.platform == "linux" else "lo0"
