"""The model card for people (``README.md``) of a bi-encoder's model folder.

See Mitchell et al. 2019 (https://arxiv.org/abs/1810.03993). Everything in it comes from the card of
the cosines. This module must not know how any figure came about.
"""

from __future__ import annotations

from pathlib import Path

from card import Card

FILE_NAME = "README.md"


def write_readme(folder: Path, card: Card) -> Path:
    """Write the README in place of the encoder's own; return its path."""
    path = folder / FILE_NAME
    templates = ", ".join(f"`{template}`" for template in card.templates)
    measured = "\n".join(f"- {key}: {value}" for key, value in card.measured.items())
    path.write_text(
        f"""# Zero-shot text classification by {card.model} (bi-encoder)

Not a model of natural language inference: a sentence encoder compares a text with a sentence about
each label, and the nearest label wins. It was trained on no labels. `code/inference.py` serves it
without torch; `code/payload.py` says what may be asked.

| | |
| --- | --- |
| Kind | bi-encoder |
| Weights | SHA-256 `{card.weights_sha256}` |
| Served in | {card.encoder["variant"]}: {card.encoder["reason"]} |
| Longest text | {card.encoder["max_tokens"]} tokens; what comes after is not read, and said |
| Hypothesis templates | {templates} |
| One label of many | softmax of cosine / {card.temperature:g} |
| Each label alone | logistic curve around cosine {card.midpoint:g}, width {card.width:g} |

## Measured

{measured}

## Limits

Every text gets one of the labels, however foreign, and negation is hardly seen: "not about money"
lies near "money". The probabilities were measured on the texts named above; on other texts, other
numbers of labels or other templates they are a guide. What the encoder read before is not known in
full, and its biases are in this model too.
""",
        encoding="utf-8",
    )
    return path
