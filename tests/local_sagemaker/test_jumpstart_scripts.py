"""The scripts by which Hugging Face containers answer JumpStart's requests, called as they are."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from local_sagemaker.jumpstart.scripts import textgeneration1, zstc

JSON = "application/json"


class TestZeroShot:
    def test_jumpstarts_request_becomes_the_toolkits(self) -> None:
        request = {
            "sequences": "one day I will see the world",
            "candidate_labels": ["travel", "cooking"],
            "multi_class": True,
            "hypothesis_template": "It is about {}.",
        }
        assert zstc.input_fn(json.dumps(request), JSON) == {
            "inputs": "one day I will see the world",
            "parameters": {
                "candidate_labels": ["travel", "cooking"],
                "multi_label": True,
                "hypothesis_template": "It is about {}.",
            },
        }

    def test_the_toolkits_request_stays(self) -> None:
        request = {"inputs": ["a", "b"], "parameters": {"candidate_labels": "x,y"}}
        assert zstc.input_fn(json.dumps(request).encode(), f"{JSON}; charset=utf-8") == request

    @pytest.mark.parametrize(
        ("request_body", "content_type", "message"),
        [
            ({"candidate_labels": ["a"]}, JSON, "lacks 'sequences'"),
            ({"sequences": "a"}, JSON, "lacks 'candidate_labels'"),
            ({"sequences": "a", "candidate_labels": []}, JSON, "lacks 'candidate_labels'"),
            ({"sequences": "a", "candidate_labels": ["b"], "top_k": 1}, JSON, "holds top_k"),
            (["a"], JSON, "must be a JSON object, not list"),
            ({"sequences": "a"}, "text/csv", "text/csv was sent"),
        ],
    )
    def test_what_is_wrong_is_said(
        self, request_body: Any, content_type: str, message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            zstc.input_fn(json.dumps(request_body), content_type)

    def test_answers_are_json(self) -> None:
        answer = {"labels": ["Größe"], "scores": [1.0]}
        for accept in (JSON, f"{JSON};verbose", "*/*"):
            assert json.loads(zstc.output_fn(answer, accept)) == answer
        with pytest.raises(ValueError, match="text/csv was asked for"):
            zstc.output_fn(answer, "text/csv")


class Pipeline:
    """Counts, and remembers what it was asked."""

    model = SimpleNamespace(config=SimpleNamespace(max_position_embeddings=32))

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def tokenizer(self, text: str) -> dict[str, list[str]]:
        return {"input_ids": text.split()}

    def __call__(self, prompt: str, **parameters: Any) -> list[dict[str, str]]:
        assert prompt == "zero"
        self.asked = parameters
        return [{"generated_text": " one two ### three ###"}]


def generate(pipeline: Pipeline, **parameters: Any) -> str:
    request = textgeneration1.input_fn(
        json.dumps({"inputs": "zero", "parameters": parameters}), JSON
    )
    (answer,) = json.loads(
        textgeneration1.output_fn(textgeneration1.predict_fn(request, pipeline), JSON)
    )
    return str(answer["generated_text"])


class TestTextGeneration:
    def test_defaults_are_those_of_text_generation_inference(self) -> None:
        pipeline = Pipeline()
        assert generate(pipeline) == " one two ### three ###"
        assert pipeline.asked == {
            "max_new_tokens": 20,
            "return_full_text": False,
            "do_sample": False,
        }

    def test_parameters_of_sampling_sample(self) -> None:
        pipeline = Pipeline()
        generate(pipeline, top_p=0.9, seed=3, max_new_tokens=5, details=False)
        assert pipeline.asked["do_sample"]
        assert (pipeline.asked["top_p"], pipeline.asked["max_new_tokens"]) == (0.9, 5)

    def test_it_ends_behind_the_first_stop(self) -> None:
        assert generate(Pipeline(), stop=["three", "###"]) == " one two ###"
        assert generate(Pipeline(), stop=["four"]) == " one two ### three ###"

    def test_the_prompt_comes_first_when_asked_for(self) -> None:
        assert generate(Pipeline(), return_full_text=True, stop=["one"]) == "zero one"

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"temperature": 0}, "`temperature` must be strictly positive"),
            ({"max_new_tokens": 0}, "`max_new_tokens` must be strictly positive"),
            ({"max_new_tokens": 32}, "must be <= 32. Given: 1 `inputs` tokens and 32"),
            ({"details": True}, "details is not done here"),
            ({"beams": 3}, "there is no parameter beams"),
            ({"stop": ["a"] * 5}, "at most 4 texts"),
        ],
    )
    def test_what_is_wrong_is_said(self, parameters: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message.replace(".", r"\.")):
            generate(Pipeline(), **parameters)

    def test_a_prompt_is_needed(self) -> None:
        with pytest.raises(ValueError, match="cannot be empty"):
            textgeneration1.input_fn('{"inputs": ""}', JSON)
        with pytest.raises(ValueError, match="the prompt, a text"):
            textgeneration1.input_fn('{"inputs": ["a"]}', JSON)
