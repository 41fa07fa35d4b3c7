"""The steps of the lab's pipeline, built with the SageMaker SDK: prepare, train, evaluate, decide.

It knows what each script of `scripts/sentiment` takes and writes; it must not know where a
definition goes.
"""

from typing import TYPE_CHECKING, Any

from workshop_utils import estimators, hosting, instances
from workshop_utils.pipeline_recipe import SCRIPTS, Recipe
from workshop_utils.session import Session

if TYPE_CHECKING:
    from sagemaker.core.workflow.parameters import Parameter
    from sagemaker.core.workflow.pipeline_context import PipelineSession
    from sagemaker.core.workflow.properties import PropertyFile
    from sagemaker.mlops.workflow.steps import ProcessingStep, Step, TrainingStep

_PROCESSING = "/opt/ml/processing"
# A step whose arguments are those of an earlier execution takes that one's result for so long.
_CACHE = "P30D"
_ATTEMPTS = 8


class Steps:
    """The steps of one pipeline, each named after what it does.

    Parameters
    ----------
    session, recipe
        Where, and what the pipeline is made of.
    sdk
        The SDK's session, which makes steps of what would be jobs.
    parameters
        The pipeline's, by name.
    """

    def __init__(
        self,
        session: Session,
        recipe: Recipe,
        sdk: "PipelineSession",
        parameters: "dict[str, Parameter]",
    ) -> None:
        self._parameters = parameters
        self._session = session
        self._recipe = recipe
        self._sdk = sdk

    def all(self) -> "list[Step]":
        """Return them in order; those of a branch are within the condition."""
        prepare = self._prepare()
        train = self._train(prepare)
        report, evaluate = self._evaluate(train)
        return [prepare, train, evaluate, self._decide(report, evaluate, train)]

    def _prepare(self) -> "ProcessingStep":
        return self._processing(
            "Prepare",
            "prepare.py",
            inputs={
                "base": self._parameters["BaseData"],
                "reviews": self._parameters["Reviews"],
                "test": self._recipe.test,
            },
            outputs=["train", "report"],
            environment={"REVIEWS_VERSION": self._parameters["ReviewsVersion"]},
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
            instance_type=self._parameters["TrainingInstanceType"],
            instance_count=self._parameters["TrainingInstanceCount"],
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
                "champion": self._parameters["Champion"],
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
            approval_status=self._parameters["ModelApprovalStatus"],
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
            instance_type=self._parameters["ProcessingInstanceType"],
            instance_count=self._parameters["ProcessingInstanceCount"],
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
