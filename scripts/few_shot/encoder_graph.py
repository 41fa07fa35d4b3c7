"""A sentence encoder as an ONNX graph, written node by node.

One text goes in as token numbers, one embedding of unit length comes out. Since a run has one
text there is no padding, no attention mask, and no answer that depends on who else asked. Written
this way the graph has a quarter of the nodes that a general exporter leaves, runs faster, needs
neither torch nor onnxscript, and is the same whatever versions trained the model.

The 32-bit graph refers to the weights in ``model.safetensors`` beside it. The 8-bit graph has its
own: per output channel, in 7 of the 8 bits, because on processors without VNNI instructions pairs
of products are summed in 16 bits and 8-bit weights would overflow there. Activations are quantised
at run time, every token by its own largest value. This module must not know of tokens' texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from encoder_config import EncoderConfig
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from weights import FILE_NAME, Weights

if TYPE_CHECKING:
    from collections.abc import Sequence

INPUT, OUTPUT = "input_ids", "embedding"
# The oldest versions that have Gelu and whose files onnxruntime 1.18 reads.
_OPSET, _IR_VERSION = 20, 10
_MICROSOFT = "com.microsoft"
_LARGEST_WEIGHT = 63
_LARGEST_EMBEDDING = 127
_TINY = 1e-12
# As `WordWeights` of Sentence Transformers names them; shape (tokens, 1).
_TOKEN_WEIGHTS = "emb_layer.weight"


class EncoderGraph:
    """Builds the graph with 32-bit weights that stay in the safetensors file.

    Parameters
    ----------
    config : EncoderConfig
        The encoder's shape.
    weights : Weights
        The encoder's weights.
    max_tokens : int
        Longest text, in tokens, that will be asked.
    """

    def __init__(self, config: EncoderConfig, weights: Weights, max_tokens: int) -> None:
        self._config, self._weights, self._max_tokens = config, weights, max_tokens
        self._nodes: list[onnx.NodeProto] = []
        self._tensors: dict[str, onnx.TensorProto] = {}

    def model(self) -> onnx.ModelProto:
        """Return the graph.

        Its input is ``input_ids`` (int64, shape (n_tokens,)), its output ``embedding`` (float32,
        shape (width,)), of unit length.
        """
        hidden = self._embedded()
        bias = self._position_bias()
        for layer in range(self._config.layers):
            hidden = self._layer(hidden, layer, bias)
        pooled = self._pooled(hidden)
        norm = self._node("ReduceL2", pooled, keepdims=1)
        self._node("Div", pooled, self._node("Max", norm, self._scalar(_TINY)), output=OUTPUT)
        width = self._config.width
        graph = helper.make_graph(
            self._nodes,
            "sentence encoder",
            [helper.make_tensor_value_info(INPUT, TensorProto.INT64, ["tokens"])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [width])],
            list(self._tensors.values()),
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)

    def _embedded(self) -> str:
        names, first = self._config.names, self._config.first_position
        words = self._words("embeddings.word_embeddings.weight")
        count = self._node("Shape", INPUT)
        last = self._node("Add", count, self._integers(first))
        positions = self._node(
            "Slice",
            self._weight("embeddings.position_embeddings.weight"),
            self._integers(first),
            last,
            self._integers(0),
        )
        hidden = self._node("Add", words, positions)
        if names.token_types:
            types = self._weight(names.token_types)
            hidden = self._node("Add", hidden, self._node("Gather", types, self._integers(0)))
        return self._normalised(hidden, "embeddings.LayerNorm")

    def _layer(self, hidden: str, layer: int, bias: str | None) -> str:
        names = self._config.names
        query, key, value = self._linear(
            hidden, [name.format(layer) for name in (names.query, names.key, names.value)]
        )
        attended = self._attention(query, key, value, bias)
        (mixed,) = self._linear(attended, [names.output.format(layer)])
        hidden = self._normalised(
            self._node("Add", mixed, hidden), names.attention_norm.format(layer)
        )
        (wide,) = self._linear(hidden, [names.up.format(layer)])
        activation = {"gelu": "Gelu", "relu": "Relu"}[self._config.activation]
        (narrow,) = self._linear(self._node(activation, wide), [names.down.format(layer)])
        return self._normalised(self._node("Add", narrow, hidden), names.norm.format(layer))

    def _attention(self, query: str, key: str, value: str, bias: str | None) -> str:
        heads = self._config.heads
        size = self._config.width // heads
        split, join = self._integers(0, heads, size), self._integers(0, self._config.width)

        def by_head(matrix: str, order: list[int]) -> str:
            return self._node("Transpose", self._node("Reshape", matrix, split), perm=order)

        scores = self._node("MatMul", by_head(query, [1, 0, 2]), by_head(key, [1, 2, 0]))
        scores = self._node("Mul", scores, self._scalar(size**-0.5))
        if bias:
            scores = self._node("Add", scores, bias)
        shares = self._node("Softmax", scores, axis=-1)
        mixed = self._node("MatMul", shares, by_head(value, [1, 0, 2]))
        return self._node("Reshape", self._node("Transpose", mixed, perm=[1, 0, 2]), join)

    def _position_bias(self) -> str | None:
        """Return MPNet's bias of every head for every distance, shape (heads, tokens, tokens)."""
        if not self._config.names.position_bias:
            return None
        table = self._weights.array(self._config.names.position_bias)
        places = np.arange(self._max_tokens)
        buckets = _mpnet_buckets(places[None, :] - places[:, None], len(table))
        by_place = self._array(table[buckets].transpose(2, 0, 1))
        end = self._node("Concat", *[self._node("Shape", INPUT)] * 2, axis=0)
        return self._node("Slice", by_place, self._integers(0, 0), end, self._integers(1, 2))

    def _pooled(self, hidden: str) -> str:
        first = self._integers(0)
        if self._config.pooling == "cls":
            return self._node("Squeeze", self._node("Gather", hidden, first), first)
        if self._config.token_weights is not None:
            # The weighted sum points where the weighted mean does, and its length is made 1 later.
            weights = Weights(self._weights.path.parent / self._config.token_weights)
            of_tokens = self._array(weights.array(_TOKEN_WEIGHTS)[:, 0])
            return self._node("MatMul", self._node("Gather", of_tokens, INPUT), hidden)
        return self._node("ReduceMean", hidden, first, keepdims=0)

    def _normalised(self, hidden: str, name: str) -> str:
        scale, shift = self._weight(f"{name}.weight"), self._weight(f"{name}.bias")
        epsilon = self._config.epsilon
        return self._node("LayerNormalization", hidden, scale, shift, axis=-1, epsilon=epsilon)

    def _words(self, name: str) -> str:
        return self._node("Gather", self._weight(name), INPUT)

    def _linear(self, hidden: str, names: Sequence[str]) -> list[str]:
        """Apply linear layers to the same input; return the output of each."""
        return [
            self._node(
                "Gemm",
                hidden,
                self._weight(f"{name}.weight"),
                self._weight(f"{name}.bias"),
                transB=1,
            )
            for name in names
        ]

    def _weight(self, name: str) -> str:
        """Return a tensor that stays where it is, in the safetensors file."""
        if name not in self._tensors:
            found = self._weights.stretch(name)
            tensor = TensorProto(
                name=name,
                data_type=TensorProto.FLOAT,
                dims=found.shape,
                data_location=TensorProto.EXTERNAL,
            )
            where = {"location": FILE_NAME, "offset": found.offset, "length": found.length}
            for key, value in where.items():
                tensor.external_data.add(key=key, value=str(value))
            self._tensors[name] = tensor
        return name

    def _array(self, value: NDArray[Any]) -> str:
        """Return a tensor that is part of the graph; equal small ones are the same."""
        plain = np.ascontiguousarray(value)
        small = plain.size <= 4
        name = f"{plain.dtype}{plain.tolist()}" if small else f"tensor{len(self._tensors)}"
        if name not in self._tensors:
            self._tensors[name] = numpy_helper.from_array(plain, name)
        return name

    def _integers(self, *values: int) -> str:
        return self._array(np.array(values, np.int64))

    def _scalar(self, value: float) -> str:
        return self._array(np.array(value, np.float32))

    def _node(
        self, kind: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any
    ) -> str:
        output = output or f"{kind}{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **attributes))
        return output


class Int8EncoderGraph(EncoderGraph):
    """Builds the graph with 8-bit weights of its own; the small rest stays in 32 bits."""

    def _words(self, name: str) -> str:
        quantised, scale = _quantised(self._weights.array(name), _LARGEST_EMBEDDING)
        rows = self._node("Gather", self._array(quantised), INPUT)
        rows = self._node("Cast", rows, to=TensorProto.FLOAT)
        return self._node("Mul", rows, self._node("Gather", self._array(scale[:, None]), INPUT))

    def _linear(self, hidden: str, names: Sequence[str]) -> list[str]:
        matrix = np.concatenate([self._weights.array(f"{name}.weight") for name in names])
        shift = np.concatenate([self._weights.array(f"{name}.bias") for name in names])
        quantised, scale = _quantised(matrix, _LARGEST_WEIGHT)
        largest = self._node("ReduceMax", self._node("Abs", hidden), self._integers(-1), keepdims=1)
        largest = self._node("Max", largest, self._scalar(_TINY))
        product = self._node(
            "DynamicQuantizeMatMul",
            self._node("Div", hidden, largest),
            self._array(quantised.T),
            self._array(scale),
            self._array(np.zeros(len(scale), np.int8)),
            domain=_MICROSOFT,
        )
        joined = self._node("Add", self._node("Mul", product, largest), self._array(shift))
        if len(names) == 1:
            return [joined]
        outputs = [f"{joined}_{name}" for name in names]
        self._nodes.append(
            helper.make_node("Split", [joined], outputs, axis=-1, num_outputs=len(names))
        )
        return outputs

    def _weight(self, name: str) -> str:
        return self._array(self._weights.array(name))


def _quantised(
    matrix: NDArray[np.float32], largest: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return whole numbers up to `largest` and the scale of each row that gives `matrix` back."""
    scale = np.maximum(np.abs(matrix).max(axis=1), _TINY).astype(np.float32) / np.float32(largest)
    return np.rint(matrix / scale[:, None]).astype(np.int8), scale


def _mpnet_buckets(distance: NDArray[np.int64], buckets: int) -> NDArray[np.int64]:
    """Return the row of MPNet's table for each distance (transformers, MPNetEncoder, 128 apart).

    Half of the rows are for the tokens after, half for those before; of each half, the first rows
    stand for one distance and the others for ranges that grow logarithmically.
    """
    half = buckets // 2
    exact = half // 2
    apart = np.abs(distance)
    with np.errstate(divide="ignore"):
        steps = np.log(apart.astype(np.float32) / exact) / np.log(128 / exact) * (half - exact)
    far = np.minimum(exact + np.where(apart < exact, 0, steps).astype(np.int64), half - 1)
    return np.where(distance > 0, half, 0) + np.where(apart < exact, apart, far)
