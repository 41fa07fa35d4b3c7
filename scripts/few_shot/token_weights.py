"""Token weights: what a text has in common with most others counts less in its embedding.

A sentence encoder takes the mean of its tokens' vectors. With few examples the head cannot learn
that "how", "my" and "?" tell nothing, so every token gets the inverse document frequency that it
has in the training texts as its weight in that mean (Sparck Jones 1972). Sentence Transformers has
a module for it, `WordWeights`, so the model stays one that every reader of such models can load.
This module must not know of labels, of heads or of files.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def weigh_tokens(body: SentenceTransformer, texts: Sequence[str]) -> bool:
    """Put token weights before the pooling of an encoder, in place; older ones are replaced.

    A token that is in n of N texts weighs ``1 + log((1 + N) / (1 + n))``, scikit-learn's smoothed
    inverse document frequency; one that is in none weighs the most.

    Parameters
    ----------
    body : SentenceTransformer
        The encoder.
    texts : sequence of str
        Training texts.

    Returns
    -------
    bool
        Whether the encoder is one to which this applies: a transformer whose embedding is the
        mean of its tokens. Any other is left as it is.
    """
    from sentence_transformers.models import Pooling, Transformer, WordWeights

    modules = [module for module in body if not isinstance(module, WordWeights)]
    if len(modules) < 2 or not isinstance(modules[0], Transformer):
        return False
    if not isinstance(modules[1], Pooling) or not _is_mean(modules[1]):
        return False
    tokenizer = body.tokenizer
    documents = tokenizer(list(texts), truncation=True, max_length=body.max_seq_length)
    counts = Counter(token for ids in documents["input_ids"] for token in set(ids))
    names = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    rarest = 1 + math.log(1 + len(texts))
    weights = {
        names[token]: rarest - math.log(1 + count) for token, count in sorted(counts.items())
    }
    weighting = WordWeights(names, weights, unknown_word_weight=rarest).to(body.device)
    for name in list(body._modules):
        del body._modules[name]
    for number, module in enumerate([modules[0], weighting, *modules[1:]]):
        body.add_module(str(number), module)
    return True


def _is_mean(pooling: Any) -> bool:
    # Sentence Transformers 6 names the mode; before, each mode was a switch.
    config = pooling.get_config_dict()
    on = [key for key, value in config.items() if key.startswith("pooling_mode_") and value]
    return config.get("pooling_mode") == "mean" or on == ["pooling_mode_mean_tokens"]
