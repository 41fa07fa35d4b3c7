"""How numbers are kept while a model learns, by what the processor is good at.

This module must not know what is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Precision:
    """How numbers are kept in the forward pass; the weights themselves are always float32.

    Attributes
    ----------
    name : str
        ``float32``, ``bfloat16`` or ``float16``.
    device : str
        ``cpu`` or ``cuda``.
    """

    name: str
    device: str

    @classmethod
    def of(cls, device: str) -> Precision:
        """Choose the fastest that loses no accuracy on this device.

        bfloat16 where the processor multiplies it in hardware (AVX512-BF16 or AMX; NVIDIA from
        Ampere on), float16 on older GPUs (T4, V100), and float32 otherwise.
        """
        import torch

        if device == "cuda":
            # On older GPUs torch emulates bfloat16, which is slower than float32.
            native = torch.cuda.is_bf16_supported(including_emulation=False)
            return cls("bfloat16" if native else "float16", device)
        # Underscored names of torch: absent ones mean float32, which is slower but right.
        tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        native = any(getattr(torch.cpu, test, bool)() for test in tests)
        return cls("bfloat16" if device == "cpu" and native else "float32", device)

    def autocast(self) -> torch.autocast:
        """Return the context in which the forward pass runs."""
        import torch

        dtype = getattr(torch, self.name)
        return torch.autocast(self.device, dtype=dtype, enabled=self.name != "float32")

    def scaler(self) -> torch.amp.GradScaler:
        """Return what keeps float16 gradients from vanishing; it does nothing for the others."""
        import torch

        return torch.amp.GradScaler(self.device, enabled=self.name == "float16")
