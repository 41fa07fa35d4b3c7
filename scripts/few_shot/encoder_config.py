"""What a saved sentence encoder computes, read from its configuration files.

Four families of transformers differ only in the names of their weights and in how they count
positions, and with mean or first-token pooling they are nearly all sentence encoders of the size
that few-shot learning uses. This module describes them; it must not know of ONNX or of training.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class UnsupportedEncoderError(ValueError):
    """The encoder is of a kind that is not described here; the message says which."""


@dataclass(frozen=True)
class Names:
    """The names of a family's weights; ``{}`` stands for the layer's number."""

    query: str
    key: str
    value: str
    output: str
    attention_norm: str
    up: str
    down: str
    norm: str
    token_types: str | None = None
    position_bias: str | None = None


_BERT = Names(
    query="encoder.layer.{}.attention.self.query",
    key="encoder.layer.{}.attention.self.key",
    value="encoder.layer.{}.attention.self.value",
    output="encoder.layer.{}.attention.output.dense",
    attention_norm="encoder.layer.{}.attention.output.LayerNorm",
    up="encoder.layer.{}.intermediate.dense",
    down="encoder.layer.{}.output.dense",
    norm="encoder.layer.{}.output.LayerNorm",
    token_types="embeddings.token_type_embeddings.weight",
)
_MPNET = Names(
    query="encoder.layer.{}.attention.attn.q",
    key="encoder.layer.{}.attention.attn.k",
    value="encoder.layer.{}.attention.attn.v",
    output="encoder.layer.{}.attention.attn.o",
    attention_norm="encoder.layer.{}.attention.LayerNorm",
    up="encoder.layer.{}.intermediate.dense",
    down="encoder.layer.{}.output.dense",
    norm="encoder.layer.{}.output.LayerNorm",
    position_bias="encoder.relative_attention_bias.weight",
)
_DISTILBERT = Names(
    query="transformer.layer.{}.attention.q_lin",
    key="transformer.layer.{}.attention.k_lin",
    value="transformer.layer.{}.attention.v_lin",
    output="transformer.layer.{}.attention.out_lin",
    attention_norm="transformer.layer.{}.sa_layer_norm",
    up="transformer.layer.{}.ffn.lin1",
    down="transformer.layer.{}.ffn.lin2",
    norm="transformer.layer.{}.output_layer_norm",
)
_FAMILIES = {
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "mpnet": _MPNET,
    "distilbert": _DISTILBERT,
}
# These number a text's tokens from one after the number of the padding token.
_POSITIONS_AFTER_PADDING = frozenset({"roberta", "xlm-roberta", "mpnet"})
_ACTIVATIONS = frozenset({"gelu", "relu"})
# Each may be followed by the normalisation to unit length.
_MADE_OF = [["Transformer", "Pooling"], ["Transformer", "WordWeights", "Pooling"]]
_POOLING = {"mean": "mean", "cls": "cls"}
_OLD_POOLING = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}


@dataclass(frozen=True)
class EncoderConfig:
    """A sentence encoder's shape.

    Attributes
    ----------
    names : Names
        Where its weights are found.
    layers, heads, width : int
        Number of layers, attention heads per layer, and features per token.
    first_position : int
        Row of the position embeddings that the first token gets.
    max_tokens : int
        The longest text, in tokens, that it has positions for.
    activation : str
        ``gelu`` or ``relu``.
    epsilon : float
        Of the layer normalisations.
    pooling : str
        ``mean`` of all tokens, or ``cls``: the first one.
    token_weights : str or None
        Folder, beside the encoder's own files, with the weight that every token has in the mean.
    """

    names: Names = field(repr=False)
    layers: int
    heads: int
    width: int
    first_position: int
    max_tokens: int
    activation: str
    epsilon: float
    pooling: str
    token_weights: str | None = None

    @classmethod
    def read(cls, folder: Path) -> EncoderConfig:
        """Read a folder that ``SentenceTransformer.save`` (or SetFit) wrote.

        Raises
        ------
        UnsupportedEncoderError
            If this is not a text encoder of one of the families above, followed by pooling and,
            perhaps, normalisation.
        """
        config = _json(folder / "config.json")
        kind = config.get("model_type", "without a model_type")
        if kind not in _FAMILIES:
            known = ", ".join(_FAMILIES)
            raise UnsupportedEncoderError(f"the encoder is {kind}; known are {known}")
        distil = kind == "distilbert"
        activation = config.get("activation" if distil else "hidden_act", "gelu")
        if activation not in _ACTIVATIONS:
            raise UnsupportedEncoderError(f"the activation {activation} is not known")
        if config.get("position_embedding_type", "absolute") != "absolute":
            raise UnsupportedEncoderError("its positions are not absolute")
        pooling, token_weights = _pooling(folder)
        first = config["pad_token_id"] + 1 if kind in _POSITIONS_AFTER_PADDING else 0
        return cls(
            names=_FAMILIES[kind],
            layers=config["n_layers" if distil else "num_hidden_layers"],
            heads=config["n_heads" if distil else "num_attention_heads"],
            width=config["dim" if distil else "hidden_size"],
            first_position=first,
            max_tokens=config["max_position_embeddings"] - first,
            activation=activation,
            epsilon=float(config.get("layer_norm_eps", 1e-12)),
            pooling=pooling,
            token_weights=token_weights,
        )


def _pooling(folder: Path) -> tuple[str, str | None]:
    """Return how tokens become one vector, and where their weights are."""
    listed = _json(folder / "modules.json")
    modules = {module["type"].rsplit(".", 1)[-1]: module["path"] for module in listed}
    kinds = list(modules)
    if kinds not in _MADE_OF and kinds not in [[*known, "Normalize"] for known in _MADE_OF]:
        raise UnsupportedEncoderError(f"it is made of {', '.join(kinds)}")
    config = _json(folder / modules["Pooling"] / "config.json")
    # Sentence Transformers 6 names the mode; before, each mode was a switch.
    modes = [config["pooling_mode"]] if "pooling_mode" in config else []
    modes = modes or [key for key, on in config.items() if key.startswith("pooling_mode_") and on]
    chosen = [(_POOLING | _OLD_POOLING).get(str(mode)) for mode in modes]
    if len(chosen) != 1 or chosen[0] is None:
        raise UnsupportedEncoderError(f"its pooling is {', '.join(map(str, modes))}")
    return chosen[0], modules.get("WordWeights")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UnsupportedEncoderError(f"{path.name} is missing in {path.parent}") from error
