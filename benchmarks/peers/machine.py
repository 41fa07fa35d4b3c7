"""The machine on which figures are measured, in words."""

from __future__ import annotations

import os
import platform
from pathlib import Path

_PROCESSORS = Path("/proc/cpuinfo")


def machine() -> str:
    """Return the processor, how many cores of it are there, and whether it multiplies bfloat16."""
    name, bfloat16 = platform.processor() or platform.machine(), ""
    if _PROCESSORS.is_file():
        told = _PROCESSORS.read_text(encoding="utf-8")
        lines = (line.partition(":") for line in told.splitlines())
        name = next((value.strip() for key, _, value in lines if key.strip() == "model name"), name)
        bfloat16 = f", {'with' if 'avx512_bf16' in told else 'without'} AVX512-BF16"
    return f"{name}, {os.cpu_count()} cores{bfloat16}"


def machine_and_python() -> str:
    """Return the machine, its system and the version of Python."""
    return f"{machine()}, {platform.system()}, Python {platform.python_version()}"
