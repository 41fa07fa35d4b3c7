"""The sentence encoder (the body of a SetFit model): loading it, its layers, its embeddings.

Everything that depends on the machine is here as well: seeds, and the precision of training. This
module must not know of labels, of recipes or of SageMaker.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

EMBED_CHUNK = 256
EMBED_BATCH = 32

Embeddings = NDArray[np.float32]


def load_body(model: str, local: bool) -> SentenceTransformer:
    """Load the sentence encoder, onto a GPU where there is one.

    Parameters
    ----------
    model : str
        A folder, or a name on the Hugging Face hub.
    local : bool
        Whether `model` is a folder; then nothing is asked of the network.
    """
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(model, local_files_only=local)


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch, and ask a GPU for algorithms that repeat themselves."""
    # Must be set before the first use of the GPU: without it its matrix products may differ.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    if torch.cuda.is_available():
        torch.use_deterministic_algorithms(True)
        # The other two kernels of attention add up gradients in whatever order they arrive.
        torch.backends.cuda.enable_flash_sdp(False)
        torch.backends.cuda.enable_mem_efficient_sdp(False)


def embed(
    body: SentenceTransformer, texts: Sequence[str], on_progress: Callable[[int], None]
) -> Embeddings:
    """Return unit-length embeddings, shape (n_texts, n_features).

    Always in float32, which is what an endpoint computes with.

    Parameters
    ----------
    body : SentenceTransformer
        The encoder.
    texts : sequence of str
        At least one text.
    on_progress : callable
        Called with the number of texts done so far.
    """
    # Long texts cost by the longest of their batch, so batches are made of neighbours in length.
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    parts: list[Embeddings] = []
    for start in range(0, len(order), EMBED_CHUNK):
        chunk = [texts[i] for i in order[start : start + EMBED_CHUNK]]
        parts.append(
            body.encode(
                chunk, batch_size=EMBED_BATCH, normalize_embeddings=True, show_progress_bar=False
            )
        )
        on_progress(min(start + EMBED_CHUNK, len(order)))
    embeddings: Embeddings = np.concatenate(parts)[np.argsort(order)]
    return embeddings


def train_upper_layers(body: SentenceTransformer, share: float) -> list[torch.nn.Module]:
    """Freeze the embeddings and the lower layers in place; return the layers that learn.

    Parameters
    ----------
    body : SentenceTransformer
        Set to training mode, except for the frozen parts, which keep their dropout switched off.
    share : float
        Share of the layers that learn, above 0 and at most 1, rounded to at least one layer.

    Raises
    ------
    ValueError
        If the encoder is not a transformer whose layers can be told apart.
    """
    import torch

    transformer = getattr(body[0], "auto_model", None)
    count = getattr(getattr(transformer, "config", None), "num_hidden_layers", None)
    stacks = [
        module
        for module in (transformer.modules() if transformer is not None else ())
        if isinstance(module, torch.nn.ModuleList) and len(module) == count
    ]
    if transformer is None or not stacks:
        raise ValueError(
            f"The base model ({type(transformer or body[0]).__name__}) is no transformer with "
            "layers that can be told apart; use --recipe frozen or --recipe setfit with it."
        )
    layers = stacks[0]
    learning = list(layers)[len(layers) - max(1, round(share * len(layers))) :]
    body.requires_grad_(False)
    body.eval()
    for layer in learning:
        layer.requires_grad_(True)
        layer.train()
    return learning


@dataclass(frozen=True)
class Precision:
    """How numbers are kept while an encoder learns.

    Attributes
    ----------
    name : str
        ``float32``, ``bfloat16`` or ``float16``; the weights themselves are always float32.
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


def forward(body: SentenceTransformer, batch: dict[str, Any]) -> torch.Tensor:
    """Return unit-length embeddings that gradients can flow through, in float32."""
    import torch

    on_device = {name: tensor.to(body.device) for name, tensor in batch.items()}
    embeddings: torch.Tensor = body(on_device)["sentence_embedding"]
    return torch.nn.functional.normalize(embeddings.float(), dim=1)
