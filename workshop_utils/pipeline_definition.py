"""The definition of the lab's pipeline, built with the SageMaker SDK: its steps, and what may vary.

It knows what each script of `scripts/sentiment` takes and writes; it must not know of executions.
"""

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from workshop_utils import estimators, hosting, instances
from workshop_utils.answers import NO_ANSWERS
from workshop_utils.model_registry import DECISIONS, PENDING
from workshop_utils.session import Session

if TYPE_CHECKING:
    from sagemaker.core.workflow.parameters import Parameter
    from sagemaker.core.workflow.pipeline_context import PipelineSession
    from sagemaker.core.workflow.properties import PropertyFile
    from sagemaker.mlops.workflow.steps import ProcessingStep, Step, TrainingStep

SCRIPTS = estimators.SCRIPTS / "sentiment"
_PROCESSING = "/opt/ml/processing"
# A step whose arguments are those of an earlier execution takes that one's result for so long.
_CACHE = "P30D"
_ATTEMPTS = 8


@dataclass(frozen=True)
class Recipe:
    """What a pipeline is made of; the same recipe makes the same definition.

    Attributes
    ----------
    name, group
        Of the pipeline, and of the model package group that it registers versions in.
    base, test, encoder
        S3 prefixes of the labelled rows to begin with, of the fixed test set, and of the encoder
        that is fine-tuned.
    reviews
        The S3 prefix below which people's answers come to lie; holds at least one object.
    no_champion
        An S3 prefix without a model, for as long as nothing was approved; likewise not empty.
    training_type, processing_type, serving_type
        Instance types; the first two are defaults of parameters.
    retry_seconds
        The pause before a job's first retry; it doubles with each, eight times at most. Five
        seconds add up to 21 minutes, in which somebody else's job may end.
    hyperparameters
        Of the training script, where they are not its defaults.
    """

    name: str
    group: str
    base: str
    test: str
    encoder: str
    reviews: str
    no_champion: str
    training_type: str = instances.CPU
    processing_type: str = instances.CPU
    serving_type: str = instances.CPU
    retry_seconds: int = 5
    hyperparameters: Mapping[str, str | int | float] = field(default_factory=dict)

    def digest(self) -> str:
        """Return a short name of everything the definition follows from, the scripts included."""
        total = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode())
        for path in _script_files():
            total.update(f"{path.relative_to(SCRIPTS).as_posix()}\n".encode())
            total.update(path.read_bytes())
        return total.hexdigest()[:12]


def upsert(session: Session, recipe: Recipe, description: str) -> None:
    """Create or update the pipeline: prepare, train, evaluate, and register or fail.

    This uploads the scripts. The SDK uploads a training script to a place named after the time, so
    that two definitions are never the same: do this once for each `Recipe.digest`, or steps that
    could be taken from the cache run again.
    """
    from sagemaker.core.workflow.pipeline_context import PipelineSession
    from sagemaker.mlops.workflow.pipeline import Pipeline

    with warnings.catch_warnings(), _configuration_checked_once():
        # "There will be no job being started", for every step: that is what a definition is.
        warnings.filterwarnings("ignore", message="Running within a PipelineSession")
        sdk = PipelineSession(
            boto_session=session.boto,
            default_bucket=session.bucket,
            default_bucket_prefix=session.prefix,
        )
        steps = _Steps(session, recipe, sdk, _parameters(recipe))
        pipeline = Pipeline(
            name=recipe.name,
            parameters=list(steps.parameters.values()),
            steps=steps.all(),
            sagemaker_session=sdk,
        )
        pipeline.definition = partial(_tags_spelled_right, pipeline.definition)
        pipeline.upsert(role_arn=session.role, description=description, tags=session.tags)


def _tags_spelled_right(define: Callable[[], str]) -> str:
    # SDK 3.12, which Studio has, writes a training step's tags as {"key": ..., "value": ...}, and
    # the service refuses the job.
    definition: dict[str, Any] = json.loads(define())
    for step in definition["Steps"]:
        tags = step["Arguments"].get("Tags", [])
        tags[:] = [{name.capitalize(): value for name, value in tag.items()} for tag in tags]
    return json.dumps(definition)


@contextmanager
def _configuration_checked_once() -> Iterator[None]:
    """Let the SDK check its configuration against its schema once, not before every look at it.

    It looks some sixty times for one definition, and each check takes a fifth of a second.
    """
    checked: set[str] = set()
    check = import_module("jsonschema").validate

    def once(instance: Any, schema: Any, *rest: Any, **more: Any) -> None:
        key = f"{id(schema)} {json.dumps(instance, sort_keys=True, default=str)}"
        if key not in checked:
            check(instance, schema, *rest, **more)
            checked.add(key)

    with patch("jsonschema.validate", once):
        yield


def _parameters(recipe: Recipe) -> "dict[str, Parameter]":
    from sagemaker.core.workflow.parameters import ParameterInteger, ParameterString

    approvals = [PENDING, *DECISIONS]
    found = [
        ParameterString("ProcessingInstanceType", recipe.processing_type),
        ParameterInteger("ProcessingInstanceCount", 1),
        ParameterString("TrainingInstanceType", recipe.training_type),
        ParameterInteger("TrainingInstanceCount", 1),
        ParameterString("ModelApprovalStatus", PENDING, enum_values=approvals),
        ParameterString("BaseData", recipe.base),
        ParameterString("Reviews", recipe.reviews),
        # The same prefix holds more answers every day. A cached step would not see them, were
        # there not something among its arguments that changes with them.
        ParameterString("ReviewsVersion", NO_ANSWERS),
        ParameterString("Champion", recipe.no_champion),
    ]
    return {parameter.name: parameter for parameter in found}


class _Steps:
    """The steps of one pipeline, each named after what it does."""

    def __init__(
        self,
        session: Session,
        recipe: Recipe,
        sdk: "PipelineSession",
        parameters: "dict[str, Parameter]",
    ) -> None:
        self.parameters = parameters
        self._session = session
        self._recipe = recipe
        self._sdk = sdk

    def all(self) -> "list[Step]":
        prepare = self._prepare()
        train = self._train(prepare)
        report, evaluate = self._evaluate(train)
        return [prepare, train, evaluate, self._decide(report, evaluate, train)]

    def _prepare(self) -> "ProcessingStep":
        return self._processing(
            "Prepare",
            "prepare.py",
            inputs={
                "base": self.parameters["BaseData"],
                "reviews": self.parameters["Reviews"],
                "test": self._recipe.test,
            },
            outputs=["train", "report"],
            environment={"REVIEWS_VERSION": self.parameters["ReviewsVersion"]},
        )

    def _train(self, prepare: "ProcessingStep") -> "TrainingStep":
        from sagemaker.mlops.workflow.steps import TrainingStep
        from sagemaker.train.configs import Compute, InputData

        trainer = estimators.huggingface_estimator(
            self._session,
            SCRIPTS,
            hyperparameters=self._recipe.hyperparameters,
            instance_type=self._recipe.training_type,
            name=self._recipe.name,
            sdk=self._sdk,
        )
        trainer.compute = Compute(
            instance_type=self.parameters["TrainingInstanceType"],
            instance_count=self.parameters["TrainingInstanceCount"],
        )
        rows = prepare.properties.ProcessingOutputConfig.Outputs["train"].S3Output.S3Uri
        channels = [
            InputData(channel_name="train", data_source=rows),
            InputData(channel_name="model", data_source=self._recipe.encoder),
        ]
        return TrainingStep(
            "Train",
            step_args=trainer.train(input_data_config=channels),
            cache_config=_cache(),
            retry_policies=self._retries(),
        )

    def _evaluate(self, train: "TrainingStep") -> "tuple[PropertyFile, ProcessingStep]":
        from sagemaker.core.workflow.properties import PropertyFile

        report = PropertyFile(name="Evaluation", output_name="evaluation", path="evaluation.json")
        step = self._processing(
            "Evaluate",
            "evaluate.py",
            inputs={
                "model": train.properties.ModelArtifacts.S3ModelArtifacts,
                "champion": self.parameters["Champion"],
                "test": self._recipe.test,
            },
            outputs=["evaluation"],
            property_files=[report],
        )
        return report, step

    def _decide(
        self, report: "PropertyFile", evaluate: "ProcessingStep", train: "TrainingStep"
    ) -> "Step":
        from sagemaker.core.workflow.conditions import ConditionGreaterThanOrEqualTo
        from sagemaker.core.workflow.functions import Join, JsonGet
        from sagemaker.mlops.workflow.condition_step import ConditionStep
        from sagemaker.mlops.workflow.fail_step import FailStep

        def figure(path: str) -> JsonGet:
            return JsonGet(step_name=evaluate.name, property_file=report, json_path=path)

        words = [
            "Not registered. The candidate is worse than the",
            figure("comparison.compared_with"),
            "beyond noise: on the fixed test set its accuracy is",
            figure("binary_classification_metrics.accuracy.value"),
            "and differs by",
            figure("comparison.accuracy_difference.value"),
            "with a 95 % interval from",
            figure("comparison.accuracy_difference.low"),
            "to",
            figure("comparison.accuracy_difference.high"),
        ]
        return ConditionStep(
            name="NotWorse",
            conditions=[
                ConditionGreaterThanOrEqualTo(left=figure("comparison.not_worse"), right=1)
            ],
            if_steps=[self._register(evaluate, train)],
            else_steps=[FailStep("Worse", error_message=Join(on=" ", values=words))],
        )

    def _register(self, evaluate: "ProcessingStep", train: "TrainingStep") -> "Step":
        from sagemaker.core.model_metrics import MetricsSource, ModelMetrics
        from sagemaker.core.workflow.functions import Join
        from sagemaker.mlops.workflow.model_step import ModelStep
        from sagemaker.serve.model_builder import ModelBuilder

        recipe = self._recipe
        figures = evaluate.properties.ProcessingOutputConfig.Outputs["evaluation"].S3Output.S3Uri
        statistics = MetricsSource(
            content_type="application/json",
            s3_uri=Join(on="/", values=[figures, "evaluation.json"]),
        )
        model = ModelBuilder(
            image_uri=hosting.inference_image(self._session.region, recipe.serving_type),
            s3_model_data_url=train.properties.ModelArtifacts.S3ModelArtifacts,
            role_arn=self._session.role,
            sagemaker_session=self._sdk,
            instance_type=recipe.serving_type,
            env_vars={
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
            },
        )
        step_args = model.register(
            model_package_group_name=recipe.group,
            content_types=["application/json"],
            response_types=["application/json"],
            inference_instances=[recipe.serving_type],
            transform_instances=[recipe.serving_type],
            approval_status=self.parameters["ModelApprovalStatus"],
            model_metrics=ModelMetrics(model_statistics=statistics),
        )
        return ModelStep(
            "Register", step_args=step_args, retry_policies=[_service_faults(recipe.retry_seconds)]
        )

    def _processing(
        self,
        name: str,
        script: str,
        *,
        inputs: dict[str, Any],
        outputs: list[str],
        environment: dict[str, Any] | None = None,
        property_files: "list[PropertyFile] | None" = None,
    ) -> "ProcessingStep":
        from sagemaker.core.processing import FrameworkProcessor
        from sagemaker.core.shapes import (
            ProcessingInput,
            ProcessingOutput,
            ProcessingS3Input,
            ProcessingS3Output,
        )
        from sagemaker.mlops.workflow.steps import ProcessingStep

        processor = FrameworkProcessor(
            image_uri=estimators.training_image(self._session.region, instances.CPU),
            role=self._session.role,
            instance_type=self.parameters["ProcessingInstanceType"],
            instance_count=self.parameters["ProcessingInstanceCount"],
            command=["python3"],
            code_location=self._session.uri("code"),
            base_job_name=self._recipe.name,
            sagemaker_session=self._sdk,
            tags=self._session.tags,
            env=environment,
        )
        step_args = processor.run(
            code=script,
            source_dir=str(SCRIPTS),
            # Only part of where the SDK puts the code: the pipeline names its jobs itself.
            job_name=f"{script.removesuffix('.py')}-{self._recipe.digest()}",
            inputs=[
                ProcessingInput(
                    input_name=key,
                    s3_input=ProcessingS3Input(
                        s3_uri=uri,
                        local_path=f"{_PROCESSING}/input/{key}",
                        s3_data_type="S3Prefix",
                        s3_input_mode="File",
                    ),
                )
                for key, uri in inputs.items()
            ],
            outputs=[
                ProcessingOutput(
                    output_name=key,
                    s3_output=ProcessingS3Output(
                        # Empty: below the bucket, by pipeline, execution and step.
                        s3_uri="",
                        local_path=f"{_PROCESSING}/output/{key}",
                        s3_upload_mode="EndOfJob",
                    ),
                )
                for key in outputs
            ],
        )
        return ProcessingStep(
            name,
            step_args=step_args,
            cache_config=_cache(),
            retry_policies=self._retries(),
            property_files=property_files,
        )

    def _retries(self) -> list[Any]:
        from sagemaker.mlops.workflow.retry import (
            SageMakerJobExceptionTypeEnum,
            SageMakerJobStepRetryPolicy,
        )

        jobs = SageMakerJobStepRetryPolicy(
            exception_types=[
                SageMakerJobExceptionTypeEnum.RESOURCE_LIMIT,
                SageMakerJobExceptionTypeEnum.CAPACITY_ERROR,
                SageMakerJobExceptionTypeEnum.INTERNAL_ERROR,
            ],
            interval_seconds=self._recipe.retry_seconds,
            backoff_rate=2.0,
            max_attempts=_ATTEMPTS,
        )
        return [_service_faults(self._recipe.retry_seconds), jobs]


def _service_faults(seconds: int) -> Any:
    from sagemaker.mlops.workflow.retry import StepExceptionTypeEnum, StepRetryPolicy

    kinds = [StepExceptionTypeEnum.SERVICE_FAULT, StepExceptionTypeEnum.THROTTLING]
    return StepRetryPolicy(kinds, interval_seconds=seconds, max_attempts=_ATTEMPTS)


def _cache() -> Any:
    from sagemaker.mlops.workflow.steps import CacheConfig

    return CacheConfig(enable_caching=True, expire_after=_CACHE)


def _script_files() -> list[Path]:
    return sorted(
        path for path in SCRIPTS.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
