"""Hugging Face containers without a script: ``HF_MODEL_ID`` or an archive, and ``HF_TASK``.

Tiny models of each kind stand behind real endpoints, as repositories of the hub's cache and as
archives in S3.
"""

import io
import json
import math
import tarfile
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local_sagemaker import LocalSageMaker
from tests import tiny_models
from tests.local_sagemaker.endpoint_support import IMAGE, ROLE, Deployer, refused
from tests.local_sagemaker.serving_process import Serve, error

pytestmark = pytest.mark.slow

LABELS = ["travel", "cooking", "dancing"]
BUILDERS = {
    "zero-shot-classification": tiny_models.nli,
    "text-classification": tiny_models.classifier,
    "feature-extraction": tiny_models.encoder,
    "text-generation": tiny_models.gpt_neo,
}


def packed(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path in folder.iterdir():
            tar.add(path, path.name)
    return buffer.getvalue()


@dataclass(frozen=True)
class Ask:
    """Asks one endpoint."""

    deployer: Deployer
    name: str

    def __call__(self, content: object, **parameters: str) -> Any:
        return json.loads(self.raw(json.dumps(content), **parameters))

    def raw(self, body: str, content_type: str = "application/json", **more: str) -> str:
        answer = self.deployer.invoke(self.name, body, ContentType=content_type, **more)
        return str(answer["Body"])

    def error(self, body: str, content_type: str = "application/json") -> str:
        """Return the message of an answer that must be the toolkit's error."""
        with refused("ModelError") as found:
            self.raw(body, content_type)
        assert found["OriginalStatusCode"] == 400
        content = json.loads(found["OriginalMessage"])
        assert list(content) == ["code", "type", "message"]
        assert (content["code"], content["type"]) == (400, "InternalServerException")
        return str(content["message"])


@pytest.fixture(scope="module")
def endpoints(
    local: LocalSageMaker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Ask]]:
    """Deploy a model of each task from the cache, and two from archives that tell their task."""
    home, deployer = tmp_path_factory.mktemp("hub"), Deployer(local)
    started = {}
    for task, build in BUILDERS.items():
        saved = build(home / "saved" / task)
        tiny_models.put_in_cache(saved, home, f"tiny/{task}")
        started[task] = f"hub-{uuid.uuid4().hex[:12]}"
        variables = {"HF_HOME": str(home), "HF_MODEL_ID": f"tiny/{task}", "HF_TASK": task}
        deployer.sagemaker.create_model(
            ModelName=started[task],
            PrimaryContainer={"Image": IMAGE, "Environment": variables},
            ExecutionRoleArn=ROLE,
        )
        if task in ("text-classification", "text-generation"):
            data = deployer.put(f"{task}/model.tar.gz", packed(saved))
            # As containers of Text Generation Inference name the model's own data.
            own = {"HF_MODEL_ID": "/opt/ml/model"} if task == "text-generation" else {}
            started[f"{task}, archive"] = deployer.model(ModelDataUrl=data, Environment=own)
    names = {key: deployer.create(deployer.config({"ModelName": m})) for key, m in started.items()}
    with ThreadPoolExecutor() as pool:
        for settled in pool.map(deployer.settled, names.values()):
            assert settled["EndpointStatus"] == "InService", settled.get("FailureReason")
    yield lambda key: Ask(deployer, names[key])
    deployer.clear()


def test_not_a_number_is_no_json(serve: Serve, tmp_path: Path) -> None:
    import safetensors.torch

    saved = tiny_models.classifier(tmp_path)
    weights = safetensors.torch.load_file(saved / "model.safetensors")
    weights["classifier.bias"] += math.nan
    safetensors.torch.save_file(weights, saved / "model.safetensors", {"format": "pt"})
    served = serve(None, folder=saved)
    assert "not JSON compliant" in error(served.invoke('{"inputs": "a"}'))["message"]


def test_zero_shot_classification(endpoints: Callable[[str], Ask]) -> None:
    ask = endpoints("zero-shot-classification")
    text = "one day i will see the world"
    asked = {"inputs": text, "parameters": {"candidate_labels": LABELS}}
    answer = ask(asked)
    assert list(answer) == ["sequence", "labels", "scores"]
    assert answer["sequence"] == text
    assert sorted(answer["labels"]) == sorted(LABELS)
    assert answer["scores"] == sorted(answer["scores"], reverse=True)
    assert math.isclose(sum(answer["scores"]), 1, rel_tol=1e-5)
    as_text = {"inputs": text, "parameters": {"candidate_labels": ", ".join(LABELS)}}
    assert ask(as_text) == answer
    many = ask({"inputs": [text, "salsa"], "parameters": {"candidate_labels": LABELS}})
    assert [each["sequence"] for each in many] == [text, "salsa"]
    assert many[0]["scores"] == pytest.approx(answer["scores"], abs=1e-5)
    independent = ask(
        {"inputs": text, "parameters": {"candidate_labels": LABELS, "multi_label": True}}
    )
    alone = ask({"inputs": text, "parameters": {"candidate_labels": [independent["labels"][0]]}})
    assert independent["scores"][0] == pytest.approx(alone["scores"][0], abs=1e-5)
    other = {"candidate_labels": LABELS, "hypothesis_template": "It is all about {} and no more"}
    assert ask({"inputs": text, "parameters": other})["scores"] != answer["scores"]
    # Only the premise is cut to what the model reads.
    assert len(ask({"inputs": "a " * 500, "parameters": {"candidate_labels": LABELS}})) == 3


def test_zero_shot_classification_refuses(endpoints: Callable[[str], Ask]) -> None:
    ask = endpoints("zero-shot-classification")
    assert "zero-shot-classification" in ask.error("inputs\na\n", "text/csv")
    assert "at least one label" in ask.error(
        '{"inputs": "a", "parameters": {"candidate_labels": []}}'
    )
    assert "hypothesis_template" in ask.error(
        '{"inputs": "a", "parameters": {"candidate_labels": ["b"], "hypothesis_template": "no"}}'
    )
    assert "NoneType" in ask.error('{"inputs": "a"}')
    assert "Expecting property name" in ask.error("{")


def test_text_classification(endpoints: Callable[[str], Ask]) -> None:
    ask, archive = endpoints("text-classification"), endpoints("text-classification, archive")
    one = ask({"inputs": "good"})
    assert [set(each) for each in one] == [{"label", "score"}]
    assert ask.raw('{"inputs": "good"}').startswith('[{"label":"')
    assert archive({"inputs": "good"}) == one
    many = ask({"inputs": ["good", "bad", 'ugly, "really"']})
    assert len(many) == 3
    assert many[0]["score"] == pytest.approx(one[0]["score"], abs=1e-6)
    table = 'inputs\ngood\nbad\n"ugly, ""really"""\n'
    assert json.loads(ask.raw(table, "text/csv")) == many
    rows = ask.raw(table, "text/csv", Accept="text/csv").splitlines()
    assert rows[0] == "label,score"
    assert [row.split(",")[0] for row in rows[1:]] == [each["label"] for each in many]
    every = ask({"inputs": "good", "parameters": {"top_k": None}})
    assert {each["label"] for each in every} == {"no", "yes"}
    assert math.isclose(sum(each["score"] for each in every), 1, rel_tol=1e-5)
    pair = ask({"inputs": {"text": "good", "text_pair": "bad"}})
    assert pair["label"] in ("no", "yes")


def test_a_text_longer_than_the_model_is_an_error_that_says_so(
    endpoints: Callable[[str], Ask],
) -> None:
    for task in ("text-classification", "feature-extraction"):
        ask = endpoints(task)
        long = "a " * 500
        message = ask.error(json.dumps({"inputs": ["short", long]}))
        assert message.startswith("The ")
        assert "(502) must match" in message
        assert "Text 2 of 2 has 502 tokens, but the model has room for 64" in message
        cut = ask({"inputs": long, "parameters": {"truncation": True}})
        assert cut == ask({"inputs": "a " * 62})
    ask = endpoints("text-generation")
    asked = {"inputs": "a" * 120, "parameters": {"max_new_tokens": 20}}
    assert "120 tokens and 20 more are asked for" in ask.error(json.dumps(asked))


def test_feature_extraction(endpoints: Callable[[str], Ask]) -> None:
    ask = endpoints("feature-extraction")
    # One row for each token, [CLS] and [SEP] included.
    [one] = ask({"inputs": "abc"})
    assert [len(row) for row in one] == [16] * 5
    many = ask({"inputs": ["abc", "de"]})
    assert [len(each[0]) for each in many] == [5, 4]
    assert many[0][0][0] == pytest.approx(one[0], abs=1e-5)
    assert json.loads(ask.raw("inputs\nabc\nde\n", "text/csv")) == many
    assert "is written from a list of dictionaries" in _csv_error(ask)


def _csv_error(ask: Ask) -> str:
    with refused("ModelError") as found:
        ask.raw('{"inputs": "a"}', Accept="text/csv")
    return str(json.loads(found["OriginalMessage"])["message"])


def test_text_generation(endpoints: Callable[[str], Ask]) -> None:
    ask, archive = endpoints("text-generation"), endpoints("text-generation, archive")
    greedy = {"max_new_tokens": 5, "do_sample": False}
    [answer] = ask({"inputs": "hello", "parameters": greedy})
    assert list(answer) == ["generated_text"]
    assert answer["generated_text"].startswith("hello")
    assert archive({"inputs": "hello", "parameters": greedy}) == [answer]
    [new] = ask({"inputs": "hello", "parameters": {**greedy, "return_full_text": False}})
    assert "hello" + new["generated_text"] == answer["generated_text"]
    many = ask({"inputs": ["hello", "good bye"], "parameters": greedy})
    assert many[0] == [answer]
    assert len(many) == 2
    drawn = {"max_new_tokens": 3, "do_sample": True, "num_return_sequences": 2}
    assert len(ask({"inputs": "hello", "parameters": drawn})) == 2
    assert "strictly positive" in ask.error(
        '{"inputs": "a", "parameters": {"do_sample": true, "temperature": 0.0}}'
    )


def test_the_model_is_warm_before_it_is_healthy(endpoints: Callable[[str], Ask]) -> None:
    ask = endpoints("text-classification")
    log = ask.deployer.log(ask.name)
    assert log.index("Warmed up in") < log.index("Model loaded in")
    assert "is taken from" in log
