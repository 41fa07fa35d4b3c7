"""The ONNX form of an encoder against transformers itself, for every family that is described."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.scripts.few_shot_support import FEW_SHOT, imported_from

SMALL: dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 200,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": SMALL,
    "roberta": {**SMALL, "pad_token_id": 1},
    "xlm-roberta": {**SMALL, "pad_token_id": 1, "hidden_act": "relu"},
    "mpnet": {**SMALL, "pad_token_id": 1},
    "distilbert": {
        "vocab_size": 61, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48,
        "max_position_embeddings": 200,
    },
}  # fmt: skip
WORDS = ["card", "lost", "refund", "please", "help", "my", "the", "a", "is", "not", "yet"]

pytestmark = pytest.mark.slow


@pytest.fixture
def code() -> Iterator[SimpleNamespace]:
    names = ("encoder", "encoder_config", "encoder_graph", "linear_head", "onnx_export", "weights")
    with imported_from(FEW_SHOT, *names) as modules:
        yield modules


def encoder(folder: Path, family: str, pooling: str = "mean", **changes: Any) -> Any:
    """Save a small random encoder as Sentence Transformers does; return transformers' model."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(5)
    model = AutoModel.from_config(AutoConfig.for_model(family, **(FAMILIES[family] | changes)))
    with torch.no_grad():
        for parameter in model.parameters():  # as unlike the initial ones as trained ones are
            parameter.add_(torch.randn_like(parameter) * 0.3)
    model.eval().save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({w: i + 3 for i, w in enumerate(WORDS)}, WORDS[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    modules = [{"path": "", "type": "x.Transformer"}, {"path": "1_Pooling", "type": "x.Pooling"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": pooling}))
    (folder / "code").mkdir()
    return model


def embedded(model: Any, ids: list[int], pooling: str = "mean") -> np.ndarray:
    """Return the embedding that transformers computes."""
    import torch

    with torch.no_grad():
        hidden = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
        pooled = hidden.mean(0) if pooling == "mean" else hidden[0]
        result: np.ndarray = torch.nn.functional.normalize(pooled, dim=0).numpy()
    return result


def weigh(folder: Path) -> np.ndarray:
    """Put the weight of every token between encoder and pooling; return the weights."""
    import torch
    from safetensors.torch import save_file

    weights = np.random.default_rng(4).uniform(0.05, 20, 61).astype(np.float32)
    (folder / "1_WordWeights").mkdir()
    save_file(
        {"emb_layer.weight": torch.tensor(weights[:, None])},
        folder / "1_WordWeights" / "model.safetensors",
    )
    modules = json.loads((folder / "modules.json").read_text())
    modules.insert(1, {"path": "1_WordWeights", "type": "x.WordWeights"})
    modules.append({"path": "3_Normalize", "type": "x.Normalize"})
    (folder / "modules.json").write_text(json.dumps(modules))
    return weights


def ids_of(text: str) -> list[int]:
    return [WORDS.index(word) + 3 for word in text.split()]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_the_embeddings_of_transformers(
    code: SimpleNamespace, tmp_path: Path, family: str
) -> None:
    import onnxruntime

    pooling = "cls" if family == "bert" else "mean"
    model = encoder(tmp_path, family, pooling)
    config = code.encoder_config.EncoderConfig.read(tmp_path)
    graph = code.encoder_graph.EncoderGraph(config, code.weights.Weights(tmp_path), 190).model()
    (tmp_path / "model.onnx").write_bytes(graph.SerializeToString())
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    rng = np.random.default_rng(0)
    for length in (1, 2, 7, 190):
        ids = rng.integers(3, 61, length).tolist()
        [found] = session.run(None, {"input_ids": np.array(ids)})
        np.testing.assert_allclose(found, embedded(model, ids, pooling), atol=2e-6)


def test_tokens_count_in_the_mean_as_their_weights_say(
    code: SimpleNamespace, tmp_path: Path
) -> None:
    import onnxruntime
    import torch

    model = encoder(tmp_path, "bert")
    weights = weigh(tmp_path)
    config = code.encoder_config.EncoderConfig.read(tmp_path)
    graph = code.encoder_graph.EncoderGraph(config, code.weights.Weights(tmp_path), 190).model()
    (tmp_path / "model.onnx").write_bytes(graph.SerializeToString())
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    ids = np.random.default_rng(0).integers(3, 61, 12)
    [found] = session.run(None, {"input_ids": ids})
    with torch.no_grad():
        hidden = model(input_ids=torch.tensor([ids.tolist()])).last_hidden_state[0].numpy()
    expected = weights[ids] @ hidden
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=2e-6)


def texts_and_head(code: SimpleNamespace, model: Any, count: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(WORDS, rng.integers(1, 20))) for _ in range(count)]
    embeddings = np.stack([embedded(model, ids_of(text)) for text in texts])
    head = code.linear_head.LinearHead(rng.normal(size=(6, 32)) * 8, np.zeros(6), list("abcdef"))
    return code.onnx_export.Reference(texts, embeddings), head


def test_8_bits_serve_after_they_agreed_on_unseen_texts(
    code: SimpleNamespace, tmp_path: Path
) -> None:
    reference, head = texts_and_head(code, encoder(tmp_path, "bert"), 150)
    head.save(tmp_path)
    facts = code.onnx_export.prepare(tmp_path, head, 100, reference, unseen=True, threshold=0.4)
    assert facts == json.loads((tmp_path / "serving.json").read_text())
    assert facts["variant"] == "int8", facts["reason"]
    assert facts["int8_agreement"] >= 0.98
    assert facts["texts"] == 150
    assert facts["max_tokens"] == 100
    assert facts["threshold"] == 0.4
    assert "onnxruntime" in (tmp_path / "code" / "requirements.txt").read_text()

    served = code.encoder.load_encoder(tmp_path, facts)
    alone = served.embed([reference.texts[0]])[0]
    long_text = "card " * 5000
    np.testing.assert_array_equal(served.embed([long_text, reference.texts[0]])[1], alone)
    np.testing.assert_array_equal(served.embed([long_text]), served.embed(["card " * 100]))

    seen = code.onnx_export.prepare(tmp_path, head, 100, reference, unseen=False)
    assert seen["variant"] == "fp32"
    assert "int8_agreement" not in seen


def test_8_bits_that_disagree_are_not_used(
    code: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, head = texts_and_head(code, encoder(tmp_path, "bert"), 120)
    # Four levels for a weight are too few for anything.
    monkeypatch.setattr(code.encoder_graph, "_LARGEST_WEIGHT", 2)
    facts = code.onnx_export.prepare(tmp_path, head, 100, reference, unseen=True)
    assert facts["variant"] == "fp32"
    assert facts["int8_agreement"] < 0.98
    assert "98% are asked for" in facts["reason"]


def test_a_form_that_differs_from_torch_is_not_used(code: SimpleNamespace, tmp_path: Path) -> None:
    reference, head = texts_and_head(code, encoder(tmp_path, "bert"), 120)
    other = code.onnx_export.Reference(reference.texts[::-1], reference.embeddings)
    facts = code.onnx_export.prepare(tmp_path, head, None, other, unseen=True)
    assert facts["variant"] == "torch"
    assert "differs from torch" in facts["reason"]
    assert not list(tmp_path.glob("*.onnx"))
    assert "sentence-transformers" in (tmp_path / "code" / "requirements.txt").read_text()


@pytest.mark.parametrize(
    ("changes", "modules", "message"),
    [
        ({"hidden_act": "gelu_new"}, None, "the activation gelu_new is not known"),
        ({}, ["Transformer", "Pooling", "Dense"], "it is made of Transformer, Pooling, Dense"),
        ({}, "max", "its pooling is max"),
        ({}, "float16", "no 32-bit floating point tensor"),
    ],
)
def test_encoders_of_other_kinds_are_served_by_torch(
    code: SimpleNamespace,
    tmp_path: Path,
    changes: dict[str, Any],
    modules: list[str] | str | None,
    message: str,
) -> None:
    model = encoder(tmp_path, "bert", "max" if modules == "max" else "mean", **changes)
    reference, head = texts_and_head(code, model, 5)
    if modules == "float16":
        model.half().save_pretrained(tmp_path)
    elif isinstance(modules, list):
        listed = [{"path": name, "type": f"x.{name}"} for name in modules]
        (tmp_path / "modules.json").write_text(json.dumps(listed))
    facts = code.onnx_export.prepare(tmp_path, head, None, reference, unseen=True)
    assert facts["variant"] == "torch"
    assert message in facts["reason"]
    assert json.loads((tmp_path / "serving.json").read_text()) == facts
