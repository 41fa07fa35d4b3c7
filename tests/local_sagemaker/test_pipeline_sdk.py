"""A pipeline through SDK v3's own classes, unmodified: built, executed, its model deployed."""

import gc
import json
import re
import textwrap
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from sagemaker.core.processing import ScriptProcessor
from sagemaker.core.shapes import ProcessingOutput, ProcessingS3Output
from sagemaker.core.workflow.conditions import ConditionGreaterThanOrEqualTo, ConditionNot
from sagemaker.core.workflow.execution_variables import ExecutionVariables
from sagemaker.core.workflow.functions import Join, JsonGet
from sagemaker.core.workflow.parameters import ParameterFloat, ParameterInteger, ParameterString
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.core.workflow.properties import PropertyFile
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.fail_step import FailStep
from sagemaker.mlops.workflow.model_step import ModelStep
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.retry import (
    SageMakerJobExceptionTypeEnum,
    SageMakerJobStepRetryPolicy,
    StepExceptionTypeEnum,
    StepRetryPolicy,
)
from sagemaker.mlops.workflow.steps import CacheConfig, ProcessingStep, TrainingStep
from sagemaker.serve import ModelBuilder
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, OutputDataConfig, SourceCode

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.endpoint_support import Deployer
from tests.local_sagemaker.pipeline_support import IMAGE, Pipelines
from tests.local_sagemaker.training_support import ROLE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Running within a PipelineSession:UserWarning"),
]

PREPARE = """
    import json, pathlib
    pathlib.Path("/opt/ml/processing/train/rows.csv").write_text("1\\n2\\n3")
    report = {"metrics": {"accuracy": {"value": 0.9}}}
    pathlib.Path("/opt/ml/processing/evaluation/report.json").write_text(json.dumps(report))
"""
TRAIN = """
    import argparse, json, os, pathlib
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int)
    epochs = parser.parse_args().epochs
    rows = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "rows.csv").read_text().split()
    model = {"epochs": epochs, "sum": sum(map(int, rows))}
    pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps(model))
"""
INFERENCE = """
    import json, pathlib
    def model_fn(model_dir):
        return json.loads(pathlib.Path(model_dir, "model.json").read_text())
    def transform_fn(model, data, content_type, accept):
        return json.dumps({"asked": json.loads(data), **model}), accept
"""


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Collect the SDK's objects, which hold each other, while the warning above is expected."""
    yield
    gc.collect()


@pytest.fixture
def pipelines(local: LocalSageMaker) -> Pipelines:
    return Pipelines(local)


def folder(path: Path, files: Mapping[str, str]) -> str:
    """Write files into a new folder; return it."""
    path.mkdir()
    for name, text in files.items():
        (path / name).write_text(textwrap.dedent(text))
    return str(path)


def output(pipelines: Pipelines, name: str) -> ProcessingOutput:
    return ProcessingOutput(
        output_name=name,
        s3_output=ProcessingS3Output(
            s3_uri=f"s3://{pipelines.bucket}/{name}",
            local_path=f"/opt/ml/processing/{name}",
            s3_upload_mode="EndOfJob",
        ),
    )


def build(pipelines: Pipelines, tmp_path: Path, group: str) -> Pipeline:
    """Return a pipeline of every kind of step that is executed here."""
    session = PipelineSession(boto3.Session(), default_bucket=pipelines.bucket)
    epochs = ParameterInteger("Epochs", default_value=2)
    least = ParameterFloat("Least", default_value=0.8)
    instance = ParameterString("InstanceType", default_value="ml.m5.xlarge")
    retry = SageMakerJobStepRetryPolicy(
        exception_types=[SageMakerJobExceptionTypeEnum.RESOURCE_LIMIT],
        failure_reason_types=[SageMakerJobExceptionTypeEnum.CAPACITY_ERROR],
        interval_seconds=1,
        max_attempts=3,
    )
    processor = ScriptProcessor(
        role=ROLE,
        image_uri=IMAGE,
        command=["python3"],
        instance_type=instance,
        instance_count=1,
        sagemaker_session=session,
    )
    report = PropertyFile(name="Report", output_name="evaluation", path="report.json")
    script = folder(tmp_path / "prepare", {"prepare.py": PREPARE})
    prepare = ProcessingStep(
        name="Prepare",
        step_args=processor.run(
            code=f"{script}/prepare.py",
            outputs=[output(pipelines, "train"), output(pipelines, "evaluation")],
        ),
        property_files=[report],
        cache_config=CacheConfig(enable_caching=True, expire_after="PT1H"),
        retry_policies=[retry],
    )
    trainer = ModelTrainer(
        sagemaker_session=session,
        role=ROLE,
        training_image=IMAGE,
        base_job_name="sdk",
        source_code=SourceCode(
            source_dir=folder(tmp_path / "train", {"train.py": TRAIN}), entry_script="train.py"
        ),
        compute=Compute(instance_type=instance, instance_count=1),
        hyperparameters={"epochs": epochs},
        output_data_config=OutputDataConfig(s3_output_path=f"s3://{pipelines.bucket}/out"),
    )
    outputs = prepare.properties.ProcessingOutputConfig.Outputs
    rows = InputData(channel_name="train", data_source=outputs["train"].S3Output.S3Uri)
    train = TrainingStep(
        name="Train", step_args=trainer.train(input_data_config=[rows]), retry_policies=[retry]
    )
    builder = ModelBuilder(
        s3_model_data_url=train.properties.ModelArtifacts.S3ModelArtifacts,
        image_uri=IMAGE,
        source_code=SourceCode(
            source_dir=folder(tmp_path / "inference", {"inference.py": INFERENCE}),
            entry_script="inference.py",
        ),
        sagemaker_session=session,
        role_arn=ROLE,
    )
    register = ModelStep(
        name="Register",
        step_args=builder.register(
            model_package_group_name=group,
            content_types=["application/json"],
            response_types=["application/json"],
            inference_instances=["ml.m5.xlarge"],
            transform_instances=["ml.m5.xlarge"],
            approval_status="Approved",
        ),
        retry_policies=[
            StepRetryPolicy(exception_types=[StepExceptionTypeEnum.THROTTLING], max_attempts=2)
        ],
    )
    accuracy = JsonGet(
        step_name="Prepare", property_file=report, json_path="metrics.accuracy.value"
    )
    enough = ConditionGreaterThanOrEqualTo(left=accuracy, right=least)
    too_bad = FailStep(
        name="TooBad",
        error_message=Join(on=" ", values=["accuracy below", least, "in", _execution()]),
    )
    check = ConditionStep(
        name="Check",
        conditions=[enough, ConditionNot(ConditionNot(enough))],
        if_steps=[register],
        else_steps=[too_bad],
        depends_on=[train],
    )
    return Pipeline(
        name=f"Sdk-{uuid.uuid4().hex[:8]}",
        parameters=[epochs, least, instance],
        steps=[prepare, train, check],
        sagemaker_session=session,
    )


def _execution() -> Any:
    return ExecutionVariables.PIPELINE_EXECUTION_ID


def test_a_pipeline_of_the_sdk_from_its_steps_to_an_endpoint(
    local: LocalSageMaker, pipelines: Pipelines, deployer: Deployer, tmp_path: Path
) -> None:
    group = f"group-{uuid.uuid4().hex[:8]}"
    pipeline = build(pipelines, tmp_path, group)
    created = pipeline.upsert(role_arn=ROLE)
    assert pipeline.upsert(role_arn=ROLE)["PipelineArn"] == created["PipelineArn"]
    assert pipeline.describe()["PipelineStatus"] == "Active"
    with local.faults.add("CreateTrainingJob", "ResourceLimitExceeded", times=2):
        execution = pipeline.start(parameters={"Epochs": 5}, execution_display_name="by-the-sdk")
        pipelines.succeeded(execution.arn)
    execution.wait(delay=1)
    described = execution.describe()
    assert described["PipelineExecutionStatus"] == "Succeeded"
    assert described["PipelineExecutionDisplayName"] == "by-the-sdk"
    steps = {step["StepName"]: step for step in execution.list_steps()}
    names = ["Register", "Register-RepackModel", "Check", "Train", "Prepare"]
    # The name of the model stands behind it.
    assert [re.sub("(?<=RepackModel)-.*", "", name) for name in steps] == names
    assert steps["Train"]["AttemptCount"] == 3
    values = {p["Name"]: p["Value"] for p in execution.list_parameters()["PipelineParameters"]}
    assert values == {"Epochs": "5", "Least": "0.8", "InstanceType": "ml.m5.xlarge"}

    package = steps["Register"]["Metadata"]["RegisterModel"]["Arn"]
    model = f"model-{uuid.uuid4().hex[:8]}"
    pipelines.sagemaker.create_model(
        ModelName=model, ExecutionRoleArn=ROLE, Containers=[{"ModelPackageName": package}]
    )
    endpoint = deployer.create(deployer.config({"ModelName": model}))
    assert deployer.settled(endpoint)["EndpointStatus"] == "InService"
    answer = deployer.invoke(endpoint, '"why"', ContentType="application/json")
    assert json.loads(answer["Body"]) == {"asked": "why", "epochs": 5, "sum": 6}

    strict = pipeline.start(parameters={"Least": 0.95})
    with pytest.raises(Exception, match="terminal failure state"):
        strict.wait(delay=1)
    steps = {step["StepName"]: step for step in strict.list_steps()}
    identifier = strict.arn.rpartition("/")[2]
    assert steps["TooBad"]["FailureReason"] == f"accuracy below 0.95 in {identifier}"
    assert steps["Prepare"]["CacheHitResult"] == {"SourcePipelineExecutionArn": execution.arn}
    listed = pipeline.list_executions()["PipelineExecutionSummaries"]
    assert [one["PipelineExecutionArn"] for one in listed] == [strict.arn, execution.arn]
    pipeline.delete()


def test_an_execution_of_the_sdk_is_stopped(pipelines: Pipelines, tmp_path: Path) -> None:
    pipeline = build(pipelines, tmp_path, "never")
    pipeline.upsert(role_arn=ROLE)
    execution = pipeline.start(parallelism_config={"MaxParallelExecutionSteps": 1})
    execution.stop()
    assert pipelines.status(execution.arn) == "Stopped"
