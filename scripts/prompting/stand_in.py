"""A GPT-Neo of a million parameters, made from nothing but one small table of examples.

It has GPT-Neo's architecture, so its decoding parameters work as the real one's do, and it has
read only one kind of text: it knows the form of a prompt and next to nothing else. This module
must not know where the table comes from.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

END_OF_TEXT = "<|endoftext|>"


@dataclass(frozen=True)
class Size:
    """The dimensions of the model, and how long it trains.

    Attributes
    ----------
    vocabulary, hidden, layers, heads
        Tokens, width, depth and attention heads: 1.1 million parameters as they are.
    context
        How many tokens it can read.
    steps, batch, learning_rate
        Of the training; a step reads ``batch`` sequences of `context` / 8 tokens.
    """

    vocabulary: int = 1500
    hidden: int = 128
    layers: int = 4
    heads: int = 4
    context: int = 1024
    steps: int = 300
    batch: int = 8
    learning_rate: float = 2e-3

    @property
    def sequence(self) -> int:
        """Tokens of one training sequence."""
        return self.context // 8


def documents(examples: Sequence[tuple[str, str]], separator: str = "###") -> list[str]:
    """Return each (text, label) as the labs' prompts write an example."""
    return [
        f"Message: {' '.join(text.split())}\nIntent: {label}\n{separator}\n"
        for text, label in examples
    ]


def make_tokenizer(texts: Iterable[str], size: Size) -> Any:
    """Train a byte-level BPE tokenizer of GPT-Neo's kind; no text is out of its vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size.vocabulary,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        model_max_length=size.context,
    )


def train(
    texts: list[str], size: Size, seed: int, on_step: Callable[[int, float], None]
) -> tuple[Any, Any]:
    """Train tokenizer and model.

    Parameters
    ----------
    texts : list of str
        The documents; each epoch reads them in another order.
    size : Size
        Of the model.
    seed : int
        The same seed gives the same model on the same machine.
    on_step : callable
        Called with (step, loss in nats per token) after each step.

    Returns
    -------
    tuple
        The tokenizer and the model, in evaluation mode.
    """
    import torch
    from transformers import GPTNeoConfig, GPTNeoForCausalLM

    torch.manual_seed(seed)
    draw = random.Random(seed)
    tokenizer = make_tokenizer(texts, size)
    end = tokenizer.eos_token_id
    config = GPTNeoConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.hidden,
        num_layers=size.layers,
        num_heads=size.heads,
        attention_types=[[["global", "local"], size.layers // 2]],
        max_position_embeddings=size.context,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )
    model = GPTNeoForCausalLM(config)
    # Sequences are shorter than prompts: a learned position would be one that was never trained.
    positions = model.transformer.wpe.weight
    torch.nn.init.zeros_(positions)
    positions.requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=size.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, size.steps))
    encoded = tokenizer(texts, add_special_tokens=False)["input_ids"]
    stream = _stream(encoded, draw)
    model.train()
    for step in range(1, size.steps + 1):
        rows = [[next(stream) for _ in range(size.sequence)] for _ in range(size.batch)]
        batch = torch.tensor(rows)
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        on_step(step, float(loss.detach()))
    return tokenizer, model.eval()


def save(tokenizer: Any, model: Any, folder: Path) -> None:
    """Write what `transformers` loads: safetensors, configuration and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for path in folder.glob("*.safetensors"):
        path.chmod(0o644)


def _rate(step: int, steps: int) -> float:
    """Return the share of the learning rate: a tenth of the steps up, then a cosine down."""
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _stream(encoded: list[list[int]], draw: random.Random) -> Any:
    """Yield tokens of the documents for ever, in a new order each time round."""
    order = list(range(len(encoded)))
    while True:
        draw.shuffle(order)
        for number in order:
            yield from encoded[number]
