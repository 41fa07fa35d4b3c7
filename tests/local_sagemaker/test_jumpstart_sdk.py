"""JumpStart through the SageMaker SDK's own functions and classes, unmodified."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from textwrap import dedent
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from sagemaker.core import (
    accept_types,
    content_types,
    environment_variables,
    image_uris,
    instance_types,
    model_uris,
    payloads,
    script_uris,
)
from sagemaker.core.jumpstart import deserializers, serializers
from sagemaker.core.jumpstart.configs import JumpStartConfig
from sagemaker.core.jumpstart.document import get_hub_content_and_document
from sagemaker.core.jumpstart.filters import And
from sagemaker.core.jumpstart.notebook_utils import (
    list_jumpstart_frameworks,
    list_jumpstart_models,
    list_jumpstart_tasks,
)
from sagemaker.serve.model_builder import ModelBuilder

from local_sagemaker import LocalSageMaker
from tests import tiny_models
from tests.local_sagemaker.endpoint_support import ROLE

pytestmark = pytest.mark.slow

BART = "huggingface-zstc-facebook-bart-large-mnli"
GPT_NEO = "huggingface-textgeneration1-gpt-neo-125m"
NEWEST = {"model_version": "*"}
INFERENCE = {"model_scope": "inference"}
RESOLUTION = "one day I will see the world"
LABELS = ["travel", "cooking", "dancing"]


@pytest.fixture(scope="module")
def nli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.nli(tmp_path_factory.mktemp("models") / "nli")


@pytest.fixture(scope="module")
def model_id(local: LocalSageMaker, nli: Path) -> str:
    """Return the id of a published model."""
    made = f"huggingface-zstc-tiny-{uuid.uuid4().hex[:12]}"
    local.publish_model(nli, made, name="Tiny NLI", license="MIT")
    return made


class Deploy:
    """Deploys models by their ids, as the SDK's documentation does; deletes them at the end."""

    def __init__(self) -> None:
        self._client = boto3.client("sagemaker")
        self._made: list[tuple[str, str]] = []

    def __call__(self, config: JumpStartConfig, **more: Any) -> Any:
        name = f"jumpstart-{uuid.uuid4().hex[:12]}"
        builder = ModelBuilder.from_jumpstart_config(config, role_arn=ROLE, **more)
        model = builder.build(model_name=name)
        endpoint = builder.deploy(endpoint_name=name)
        self._made.append((name, model.model_name))
        return endpoint

    def clear(self) -> None:
        for endpoint, model in self._made:
            self._client.delete_endpoint(EndpointName=endpoint)
            self._client.delete_model(ModelName=model)


@pytest.fixture(scope="module")
def deploy(local: LocalSageMaker) -> Any:
    assert local.url
    deploying = Deploy()
    yield deploying
    deploying.clear()


@pytest.fixture(scope="module")
def endpoint(deploy: Deploy, model_id: str) -> Any:
    """Return an endpoint of the published model."""
    return deploy(JumpStartConfig(model_id=model_id, accept_eula=True))


def test_models_are_listed_by_task_and_framework(model_id: str) -> None:
    assert {"zstc", "textgeneration1"} <= set(list_jumpstart_tasks())
    assert list_jumpstart_frameworks() == ["huggingface"]
    zero_shot = list_jumpstart_models("task == zstc")
    assert {model_id, BART} <= set(zero_shot)
    assert GPT_NEO not in zero_shot
    both = And("task == zstc", "framework == huggingface", f"model_id == {model_id}")
    assert list_jumpstart_models(both) == [model_id]
    assert (GPT_NEO, "3.2.13") in list_jumpstart_models(list_versions=True)
    assert model_id in list_jumpstart_models("training_supported is False")


def test_what_a_model_is_made_of_is_retrieved(local: LocalSageMaker, model_id: str) -> None:
    models = {model.model_id: model for model in local.published_models()}
    chosen = {"model_id": model_id, **NEWEST}
    assert model_uris.retrieve(**chosen, **INFERENCE) == models[model_id].model_data
    script = script_uris.retrieve(**chosen, script_scope="inference")
    bucket, _, key = script.removeprefix("s3://").partition("/")
    assert boto3.client("s3").head_object(Bucket=bucket, Key=key)["ContentLength"] > 0
    assert instance_types.retrieve_default(**chosen, scope="inference") == "ml.m5.xlarge"
    assert "ml.g4dn.xlarge" in instance_types.retrieve(**chosen, scope="inference")
    variables = environment_variables.retrieve_default(**chosen)
    assert variables["HF_TASK"] == "zero-shot-classification"
    images = {
        instance_type: image_uris.retrieve(
            region=None,
            framework=None,
            image_scope="inference",
            instance_type=instance_type,
            **chosen,
        )
        for instance_type in ("ml.m5.xlarge", "ml.g4dn.xlarge")
    }
    assert "/huggingface-pytorch-inference:" in images["ml.m5.xlarge"]
    assert "-cpu-" in images["ml.m5.xlarge"]
    assert "-gpu-" in images["ml.g4dn.xlarge"]


def test_images_are_those_that_the_sdk_knows() -> None:
    for instance_type in ("ml.m5.xlarge", "ml.g4dn.xlarge"):
        ours = image_uris.retrieve(
            region="eu-west-1",
            framework=None,
            model_id=BART,
            image_scope="inference",
            instance_type=instance_type,
            **NEWEST,
        )
        tag = ours.partition(":")[2]
        pytorch, transformers = tag.split("-")[0], tag.split("-")[1].removeprefix("transformers")
        try:
            sdk = image_uris.retrieve(
                framework="huggingface",
                region="eu-west-1",
                version=transformers,
                base_framework_version=f"pytorch{pytorch}",
                py_version="py312",
                image_scope="inference",
                instance_type=instance_type,
            )
        except ValueError:
            pytest.skip(f"this SDK is older than the image with transformers {transformers}")
        assert ours == sdk


def test_a_version_may_be_named(model_id: str) -> None:
    uri = model_uris.retrieve(model_id=BART, model_version="2.0.14", **INFERENCE)
    assert uri == model_uris.retrieve(model_id=BART, model_version="2.*", **INFERENCE)
    with pytest.raises(KeyError, match="Unable to find model manifest"):
        model_uris.retrieve(model_id=BART, model_version="9.9.9", **INFERENCE)
    with pytest.raises(KeyError, match="Did you mean to use model ID"):
        model_uris.retrieve(model_id=f"{model_id}x", **NEWEST, **INFERENCE)


def test_a_new_model_is_found_at_once(local: LocalSageMaker, nli: Path) -> None:
    """The SDK keeps the manifest for hours; publishing makes it look again."""
    made = f"huggingface-zstc-later-{uuid.uuid4().hex[:12]}"
    with pytest.raises(KeyError):
        model_uris.retrieve(model_id=made, **NEWEST, **INFERENCE)
    local.publish_model(nli, made)
    assert made in model_uris.retrieve(model_id=made, **NEWEST, **INFERENCE)
    local.publish_model(nli, made, license="MIT")
    assert "/v1.0.1/" in model_uris.retrieve(model_id=made, **NEWEST, **INFERENCE)
    local.remove_model(made)
    with pytest.raises(KeyError):
        model_uris.retrieve(model_id=made, **NEWEST, **INFERENCE)


def test_an_sdk_that_was_loaded_earlier_finds_the_models_of_each_server(
    nli: Path, tmp_path: Path, repository: Path
) -> None:
    """It has made its default session for another place, or makes it for the first server."""
    script = """
        import sys
        from sagemaker.core import model_uris
        from local_sagemaker import LocalSageMaker

        for number in (1, 2):
            with LocalSageMaker(f"home-{number}") as local:
                name = f"huggingface-zstc-only-{number}"
                local.publish_model(sys.argv[1], name)
                chosen = {"model_id": name, "model_version": "*", "model_scope": "inference"}
                print(model_uris.retrieve(**chosen))
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(script), str(nli)],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(repository),
            "AWS_DEFAULT_REGION": "eu-west-1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [line for line in done.stdout.splitlines() if line.startswith("s3://")]
    assert ["only-1" in line for line in found] == [True, False]


def test_the_hubs_document_is_read(model_id: str) -> None:
    content, document = get_hub_content_and_document(JumpStartConfig(model_id=model_id))
    assert content.hub_content_name == model_id
    assert document.License == "MIT"
    assert document.DefaultPayloads["example"].Body["candidate_labels"] == LABELS


def test_a_published_model_is_deployed_and_asked(endpoint: Any) -> None:
    body = json.dumps({"sequences": RESOLUTION, "candidate_labels": LABELS})
    answer = endpoint.invoke(body=body, content_type="application/json")
    content = json.loads(answer.body.read())
    assert sorted(content["labels"]) == sorted(LABELS)
    assert content["scores"] == sorted(content["scores"], reverse=True)
    assert sum(content["scores"]) == pytest.approx(1)


def test_its_answers_are_those_of_the_pipeline(endpoint: Any, nli: Path) -> None:
    from transformers import pipeline

    request = {"sequences": RESOLUTION, "candidate_labels": LABELS, "multi_class": True}
    answer = asked(endpoint.endpoint_name, request)
    own: Any = pipeline("zero-shot-classification", model=str(nli))
    expected = own(RESOLUTION, LABELS, multi_label=True)
    assert answer["labels"] == expected["labels"]
    assert answer["scores"] == pytest.approx(expected["scores"], abs=1e-6)


def asked(name: str, request: Any) -> Any:
    response = boto3.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name,
        ContentType="application/json",
        Accept="application/json",
        Body=json.dumps(request).encode("utf-8"),
    )
    return json.loads(response["Body"].read())


def test_the_calls_of_aws_notebook_work_as_they_are(endpoint: Any) -> None:
    """JumpStart's payload, and the label whose score is the greatest."""
    for more, labels in (({}, LABELS), ({"multi_class": True}, [*LABELS, "exploration"])):
        payload = {"sequences": RESOLUTION, "candidate_labels": labels, **more}
        model_predictions = asked(endpoint.endpoint_name, payload)
        predicted, scores = model_predictions["labels"], model_predictions["scores"]
        best = predicted[max(range(len(scores)), key=scores.__getitem__)]
        assert best in labels
    several = asked(
        endpoint.endpoint_name, {"sequences": [RESOLUTION, "soup"], "candidate_labels": LABELS}
    )
    assert [answer["sequence"] for answer in several] == [RESOLUTION, "soup"]


def test_a_request_that_is_wrong_is_told_what_would_be_right(endpoint: Any) -> None:
    with pytest.raises(ClientError, match="candidate_labels") as caught:
        asked(endpoint.endpoint_name, {"sequences": RESOLUTION})
    assert caught.value.response["OriginalStatusCode"] == 400


def test_how_a_model_is_asked_is_retrieved(model_id: str) -> None:
    chosen = {"model_id": model_id, **NEWEST}
    example = payloads.retrieve_example(**chosen)
    assert example.body == {"sequences": RESOLUTION, "candidate_labels": LABELS}
    assert content_types.retrieve_default(**chosen) == "application/json"
    assert accept_types.retrieve_default(**chosen) == "application/json"
    serializer = serializers.retrieve_default(**chosen)
    assert json.loads(serializer.serialize(example.body)) == example.body
    assert deserializers.retrieve_default(**chosen).ACCEPT == ("application/json",)


def test_a_document_of_the_hub_makes_a_model_in_a_hub_of_ones_own(model_id: str) -> None:
    client = boto3.client("sagemaker")
    own = f"own-{uuid.uuid4().hex[:12]}"
    client.create_hub(HubName=own, HubDescription="mine")
    content = {"HubContentType": "Model", "HubContentName": model_id}
    shown = client.describe_hub_content(HubName="SageMakerPublicHub", **content)
    client.import_hub_content(
        HubName=own,
        DocumentSchemaVersion=shown["DocumentSchemaVersion"],
        HubContentDocument=shown["HubContentDocument"],
        **content,
    )
    config = JumpStartConfig(model_id=model_id, hub_name=own)
    made = ModelBuilder.from_jumpstart_config(config, role_arn=ROLE).build(
        model_name=f"own-{uuid.uuid4().hex[:12]}"
    )
    source = made.primary_container.model_data_source.s3_data_source
    assert source.s3_uri == json.loads(shown["HubContentDocument"])["HostingArtifactUri"]


def test_a_hub_is_named(model_id: str) -> None:
    config = JumpStartConfig(model_id=model_id, hub_name="SageMakerPublicHub")
    builder = ModelBuilder.from_jumpstart_config(config, role_arn=ROLE)
    assert builder.build(model_name=f"hub-{uuid.uuid4().hex[:12]}")


def test_without_its_weights_a_model_of_aws_is_refused_with_what_to_do(tmp_path: Path) -> None:
    builder = ModelBuilder.from_jumpstart_config(
        JumpStartConfig(model_id=BART),
        role_arn=ROLE,
        env_vars={"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
    )
    with pytest.raises(ClientError, match=r"facebook/bart-large-mnli.*HF_HOME"):
        builder.build(model_name=f"bart-{uuid.uuid4().hex[:12]}")


def test_with_its_weights_a_model_of_aws_answers(deploy: Deploy, nli: Path, tmp_path: Path) -> None:
    tiny_models.put_in_cache(nli, tmp_path, "facebook/bart-large-mnli")
    endpoint = deploy(
        JumpStartConfig(model_id=BART), env_vars={"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    )
    request = {"sequences": RESOLUTION, "candidate_labels": LABELS}
    assert sorted(asked(endpoint.endpoint_name, request)["labels"]) == sorted(LABELS)


def test_gpt_neo_speaks_as_text_generation_inference_does(deploy: Deploy, tmp_path: Path) -> None:
    gpt_neo = tiny_models.gpt_neo(tmp_path / "gpt-neo")
    tiny_models.put_in_cache(gpt_neo, tmp_path, "EleutherAI/gpt-neo-125m")
    endpoint = deploy(
        JumpStartConfig(model_id=GPT_NEO),
        env_vars={"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
    )

    def generate(**parameters: Any) -> str:
        (answer,) = asked(endpoint.endpoint_name, {"inputs": "Once upon", "parameters": parameters})
        return str(answer["generated_text"])

    greedy = generate(max_new_tokens=8)
    assert greedy
    assert generate(max_new_tokens=8) == greedy
    assert generate(max_new_tokens=8, return_full_text=True) == f"Once upon{greedy}"
    assert generate(max_new_tokens=8, stop=[greedy[0]]) == greedy[0]
    drawn = generate(max_new_tokens=8, temperature=2.0, seed=1)
    assert generate(max_new_tokens=8, temperature=2.0, seed=1) == drawn
    with pytest.raises(ClientError, match="Given: 9 `inputs` tokens and 1000"):
        generate(max_new_tokens=1000)
