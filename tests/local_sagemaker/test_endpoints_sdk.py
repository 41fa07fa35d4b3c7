"""Endpoints through the SageMaker SDK's own classes, unmodified."""

import json
import textwrap
import uuid

import pytest
from botocore.exceptions import ClientError
from sagemaker.core.resources import (
    Endpoint,
    EndpointConfig,
    Model,
    ModelPackage,
    ModelPackageGroup,
)
from sagemaker.core.shapes import (
    ContainerDefinition,
    ProductionVariant,
)
from sagemaker.serve.model_builder import ModelBuilder

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.endpoint_support import IMAGE, ROLE, Deployer, archive
from tests.local_sagemaker.training_support import Jobs, channel

pytestmark = pytest.mark.slow

CODE = """
    import json
    def model_fn(model_dir): return "a model"
    def transform_fn(model, data, content_type, accept):
        return json.dumps({"heard": json.loads(data)["inputs"]}), accept
"""


@pytest.fixture
def model_data(deployer: Deployer) -> str:
    return deployer.put(f"{uuid.uuid4().hex}/model.tar.gz", archive({"code/inference.py": CODE}))


def ask(endpoint: Endpoint) -> object:
    answer = endpoint.invoke(body=json.dumps({"inputs": "hi"}), content_type="application/json")
    return json.loads(answer.body.read())


def test_model_configuration_and_endpoint_resources(deployer: Deployer, model_data: str) -> None:
    name = f"sdk-{uuid.uuid4().hex[:8]}"
    model = Model.create(
        model_name=name,
        primary_container=ContainerDefinition(image=IMAGE, model_data_url=model_data),
        execution_role_arn=ROLE,
    )
    config = EndpointConfig.create(
        endpoint_config_name=name,
        production_variants=[
            ProductionVariant(
                variant_name="AllTraffic",
                model_name=model.get_name(),
                initial_instance_count=1,
                instance_type="ml.m5.xlarge",
            )
        ],
    )
    endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=config.get_name())
    deployer.deployed.append(name)
    endpoint.wait_for_status("InService", poll=1)
    assert ask(endpoint) == {"heard": "hi"}
    assert name in {found.endpoint_name for found in Endpoint.get_all(name_contains=name)}
    endpoint.update()
    endpoint.wait_for_status("InService", poll=1)
    assert ask(endpoint) == {"heard": "hi"}
    endpoint.delete()
    endpoint.wait_for_delete(poll=1)
    config.delete()
    model.delete()
    with pytest.raises(ClientError, match="Could not find model"):
        Model.get(model_name=name)


def test_a_failed_endpoint_raises_with_its_reason(deployer: Deployer) -> None:
    model = deployer.model("raise OSError('no weights')")
    name = deployer.create(deployer.config({"ModelName": model}))
    endpoint = Endpoint.get(endpoint_name=name)
    with pytest.raises(Exception, match="OSError: no weights"):
        endpoint.wait_for_status("InService", poll=1)


def test_model_builder_deploys_a_model_in_s3(deployer: Deployer, model_data: str) -> None:
    name = f"built-{uuid.uuid4().hex[:8]}"
    builder = ModelBuilder(
        image_uri=IMAGE,
        s3_model_data_url=model_data,
        role_arn=ROLE,
        instance_type="ml.m5.xlarge",
    )
    builder.build(model_name=name)
    endpoint = builder.deploy(endpoint_name=name, initial_instance_count=1, wait=False)
    deployer.deployed.append(name)
    endpoint.wait_for_status("InService", poll=1)
    assert ask(endpoint) == {"heard": "hi"}
    endpoint.delete()
    endpoint.wait_for_delete(poll=1)


TRAIN = """
    import json, os, pathlib
    words = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "words.txt").read_text().split()
    model = pathlib.Path(os.environ["SM_MODEL_DIR"])
    (model / "words.json").write_text(json.dumps(words))
    (model / "code").mkdir()
    (model / "code" / "inference.py").write_text(pathlib.Path("inference.py").read_text())
"""
INFERENCE = """
import json, os, pathlib
def model_fn(model_dir): return json.loads(pathlib.Path(model_dir, "words.json").read_text())
def transform_fn(model, data, content_type, accept):
    heard = json.loads(data)["inputs"]
    return json.dumps({"known": heard in model, "stage": os.environ["STAGE"]}), accept
"""


def test_what_was_trained_is_registered_approved_and_deployed(
    local: LocalSageMaker, deployer: Deployer
) -> None:
    jobs = Jobs(local)
    words = jobs.put("data/words.txt", "hi there")
    job = jobs.script(
        textwrap.dedent(TRAIN),
        files={"inference.py": INFERENCE},
        InputDataConfig=[channel("train", words)],
    )
    data = jobs.completed(job)["ModelArtifacts"]["S3ModelArtifacts"]
    name = f"registered-{uuid.uuid4().hex[:8]}"
    ModelPackageGroup.create(model_package_group_name=name)
    # The SDK's ModelPackage.create reads a member that the service's answer does not have.
    arn = deployer.sagemaker.create_model_package(
        ModelPackageGroupName=name,
        InferenceSpecification={
            "Containers": [
                {"Image": IMAGE, "ModelDataUrl": data, "Environment": {"STAGE": "registered"}}
            ],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        ModelApprovalStatus="PendingManualApproval",
    )["ModelPackageArn"]

    def model(arn: str) -> Model:
        made = Model.create(
            model_name=name,
            primary_container=ContainerDefinition(
                model_package_name=arn, environment={"STAGE": "deployed"}
            ),
            execution_role_arn=ROLE,
        )
        assert made is not None
        return made

    with pytest.raises(ClientError, match="PendingManualApproval"):
        model(arn)
    package = ModelPackage.get(model_package_name=arn)
    package.update(model_approval_status="Approved")
    variant = ProductionVariant(
        variant_name="AllTraffic",
        model_name=model(arn).get_name(),
        initial_instance_count=1,
        instance_type="ml.m5.xlarge",
    )
    EndpointConfig.create(endpoint_config_name=name, production_variants=[variant])
    endpoint = Endpoint.create(endpoint_name=name, endpoint_config_name=name)
    deployer.deployed.append(name)
    endpoint.wait_for_status("InService", poll=1)
    assert ask(endpoint) == {"known": True, "stage": "deployed"}
