"""A causal language model that completes prompts and stops exactly where it is told to.

Any model of `transformers`' AutoModelForCausalLM, from a folder. It must not know of requests'
form or of what the prompts ask.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from generation_request import Completion, Parameters

THREADS_VARIABLE = "OMP_NUM_THREADS"


class PromptTooLongError(ValueError):
    """The prompt and what is to be generated do not fit into what the model can read."""

    def __str__(self) -> str:
        # Only the message reaches the caller; the name in it is what a client can tell it by.
        return f"{type(self).__name__}: {super().__str__()}"


class CausalModel:
    """A tokenizer and a model.

    Parameters
    ----------
    folder : Path
        Holds ``config.json``, the weights as safetensors, and the tokenizer.
    """

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        if value := os.environ.get(THREADS_VARIABLE):
            torch.set_num_threads(int(value))
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        model = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, use_safetensors=True
        )
        self._model: Any = model.to(device).eval()
        self._device = device
        # The seed is a state of the whole process.
        self._lock = threading.Lock()

    @property
    def max_tokens(self) -> int:
        """How many tokens the model can read, the generated ones included."""
        config = self._model.config
        for name in ("max_position_embeddings", "n_positions"):
            if limit := getattr(config, name, None):
                return int(limit)
        return int(self._tokenizer.model_max_length)

    def complete(self, prompt: str, parameters: Parameters) -> Completion:
        """Generate what follows a prompt.

        Raises
        ------
        PromptTooLongError
            If the prompt and ``max_new_tokens`` together are more than `max_tokens`.
        """
        import torch

        encoded = self._tokenizer(prompt, return_tensors="pt").to(self._device)
        prompt_tokens = int(encoded["input_ids"].shape[1])
        self._check_length(prompt_tokens, parameters.max_new_tokens)
        sampling: dict[str, Any] = {"do_sample": False}
        if parameters.temperature > 0:
            # The library would draw from the 50 most probable tokens only.
            sampling = {
                "do_sample": True,
                "temperature": float(parameters.temperature),
                "top_p": float(parameters.top_p),
                "top_k": 0,
            }
        with self._lock, torch.inference_mode(), torch.random.fork_rng():
            if parameters.seed is not None:
                torch.manual_seed(parameters.seed)
            generated = self._model.generate(
                input_ids=encoded["input_ids"],
                attention_mask=encoded["attention_mask"],
                max_new_tokens=parameters.max_new_tokens,
                pad_token_id=self._tokenizer.eos_token_id,
                stopping_criteria=self._stopping(parameters.end_sequence, prompt_tokens),
                **sampling,
            )[0, prompt_tokens:]
        text = self._decode(generated)
        ended = text
        if parameters.end_sequence is not None:
            ended = text.partition(parameters.end_sequence)[0]
        if len(ended) < len(text):
            reason = "stop_sequence"
        elif int(generated[-1]) == self._tokenizer.eos_token_id:
            reason = "eos_token"
        else:
            reason = "length"
        return Completion(prompt, ended, reason, prompt_tokens, len(generated))

    def _check_length(self, prompt_tokens: int, new_tokens: int) -> None:
        if prompt_tokens == 0:
            raise ValueError("The prompt has no token; send some text.")
        room = self.max_tokens - prompt_tokens
        if new_tokens <= room:
            return
        remedy = f"ask for at most {room} new tokens, or " if room > 0 else ""
        raise PromptTooLongError(
            f"the prompt has {prompt_tokens} tokens and max_new_tokens is {new_tokens}, but the "
            f"model reads {self.max_tokens} in all; {remedy}send a shorter prompt."
        )

    def _decode(self, tokens: Any) -> str:
        text: str = self._tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

    def _stopping(self, end_sequence: str | None, prompt_tokens: int) -> Any:
        import torch
        from transformers import StoppingCriteria, StoppingCriteriaList

        if end_sequence is None:
            return StoppingCriteriaList()
        decode = self._decode

        class EndSequence(StoppingCriteria):
            """True once the generated text has the sequence; the prompt does not count."""

            def __call__(self, input_ids: Any, _scores: Any, **_: Any) -> Any:
                found = end_sequence in decode(input_ids[0, prompt_tokens:])
                return torch.tensor([found], device=input_ids.device)

        return StoppingCriteriaList([EndSequence()])
