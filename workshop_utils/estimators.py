"""Training jobs: the estimator, which knows the right container image, and following a job.

In SageMaker's SDK v3 an estimator is a `ModelTrainer`. This module must not know what a script
does with its data.
"""

import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workshop_utils import display, instances
from workshop_utils.job_log import JobLog
from workshop_utils.session import PREFIX, Session

if TYPE_CHECKING:
    from sagemaker.core.helper.session_helper import Session as SageMakerSession
    from sagemaker.core.resources import TrainingJob
    from sagemaker.train import ModelTrainer

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"

# The newest Hugging Face training image that a T4 and a V100 can both run: the one after it is
# built for CUDA 13, which has no code for a V100.
_HUGGING_FACE = {
    "framework": "huggingface",
    "version": "4.56.2",
    "base_framework_version": "pytorch2.8.0",
}
# Hugging Face training images are for GPUs only.
_PYTORCH_CPU = {"framework": "pytorch", "version": "2.8.0"}
_METRIC = r"{name}=([0-9.]+)"
METRICS = (
    "train:rows",
    "train:contrastive_loss",
    "train:loss",
    "train:accuracy",
    "train:seconds",
    "dev:accuracy",
    "test:rows",
    "test:accuracy",
    "test:macro_f1",
    "test:seconds",
)
"""What `scripts/few_shot/train.py` prints as ``name=value`` and SageMaker collects."""


class JobFailed(Exception):
    """A training job ended without a model; the message has the reason it gave."""


def training_image(region: str, instance_type: str) -> str:
    """Return the URI of the container image that fits an instance type.

    The Hugging Face image for a GPU, the PyTorch image for a CPU, where the script's
    ``requirements.txt`` adds what is missing.
    """
    from sagemaker.core import image_uris

    gpu = instances.is_gpu(instance_type)
    uri: str = image_uris.retrieve(
        region=region,
        py_version="py312",
        instance_type=instance_type,
        image_scope="training",
        **(_HUGGING_FACE if gpu else _PYTORCH_CPU),
    )
    return uri


def huggingface_estimator(
    session: Session,
    source_dir: Path | str,
    *,
    entry_point: str = "train.py",
    hyperparameters: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    instance_type: str = instances.GPU,
    keep_warm_seconds: int = 0,
    max_seconds: int = 3600,
    name: str = "few-shot",
    sdk: "SageMakerSession | None" = None,
) -> "ModelTrainer":
    """Return an estimator for a script that runs in a Hugging Face container.

    Parameters
    ----------
    session
        Where and as whom.
    source_dir, entry_point
        The folder that is sent to the job, and the script in it. A ``requirements.txt`` in the
        folder is installed before the script starts.
    hyperparameters
        Become ``--name value`` arguments of the script.
    environment
        Variables for the script, for instance those of `experiments.environment`.
    instance_type
        A type, or ``auto`` for one that the account's quota allows.
    keep_warm_seconds
        Keeps the instance as a warm pool for the next job, which then starts in seconds. It is
        billed meanwhile, and needs a quota of its own (``... for training warm pool usage``,
        which is 0 in a new account: the job is refused then).
    max_seconds
        The job is stopped after that.
    name
        Part of the job's name.
    sdk
        The SDK's session, if it is not that of ``session``: one of a pipeline makes a step of what
        would be a job.
    """
    from sagemaker.core.shapes import Tag
    from sagemaker.train import ModelTrainer
    from sagemaker.train.configs import Compute, OutputDataConfig, SourceCode, StoppingCondition

    chosen = instances.for_training(session, instance_type)
    compute = Compute(instance_type=chosen, instance_count=1)
    if keep_warm_seconds:
        compute.keep_alive_period_in_seconds = keep_warm_seconds
    folder = Path(source_dir)
    if not (folder / entry_point).is_file():
        raise FileNotFoundError(f"{folder / entry_point} does not exist")
    has_requirements = (folder / "requirements.txt").exists()
    trainer = ModelTrainer(
        sagemaker_session=sdk or session.sagemaker,
        role=session.role,
        # The SDK appends the time, in seconds; the letters keep two jobs of one second apart.
        base_job_name=f"{PREFIX}-{name}-{secrets.token_hex(4)}",
        training_image=training_image(session.region, chosen),
        source_code=SourceCode(
            source_dir=str(folder),
            entry_script=entry_point,
            requirements="requirements.txt" if has_requirements else None,
        ),
        compute=compute,
        stopping_condition=StoppingCondition(max_runtime_in_seconds=max_seconds),
        output_data_config=OutputDataConfig(s3_output_path=session.uri("jobs")),
        hyperparameters=dict(hyperparameters or {}),
        environment=dict(environment or {}),
        tags=[Tag(key=tag["Key"], value=tag["Value"]) for tag in session.tags],
    )
    return trainer.with_metric_definitions(_metric_definitions())


def _metric_definitions() -> list[Any]:
    from sagemaker.core.shapes import MetricDefinition

    return [MetricDefinition(name=name, regex=_METRIC.format(name=name)) for name in METRICS]


def start(trainer: "ModelTrainer", channels: Mapping[str, str]) -> str:
    """Start a training job and return its name at once; `follow` waits for it.

    Parameters
    ----------
    trainer
        From `huggingface_estimator`.
    channels
        S3 URIs by channel name; the script finds each below ``/opt/ml/input/data/<name>``.

    Raises
    ------
    JobFailed
        When the SDK starts none.
    """
    from sagemaker.train.configs import InputData

    data = [InputData(channel_name=name, data_source=uri) for name, uri in channels.items()]
    trainer.train(input_data_config=data, wait=False, logs=False)
    job = trainer._latest_training_job
    if job is None:
        raise JobFailed("the SDK started no training job")
    return str(job.training_job_name)


def train(
    session: Session, trainer: "ModelTrainer", channels: Mapping[str, str], *, quiet: bool = False
) -> "TrainingJob":
    """Start a training job, show its log as it comes, and wait for its end.

    Parameters
    ----------
    session
        Where it runs.
    trainer, channels
        As `start` takes them.
    quiet
        Show stages only, not the script's own lines.

    Raises
    ------
    JobFailed
        With the job's failure reason.
    """
    return follow(session, start(trainer, channels), quiet=quiet)


def follow(
    session: Session, job_name: str, *, quiet: bool = False, expected: float | None = None
) -> "TrainingJob":
    """Show a training job's stages and log lines until it ends; return it.

    Interrupting this does not stop the job.

    Parameters
    ----------
    session
        Where it runs.
    job_name
        From `start`.
    quiet
        Show stages only, not the script's own lines.
    expected
        About how many seconds it takes, to be shown beside those that have passed.

    Raises
    ------
    JobFailed
        When it failed, with the reason.
    """
    from sagemaker.core.resources import TrainingJob

    client = session.client("sagemaker")
    lines = JobLog(session, job_name)
    shown = 0
    pause = 0.25
    print(f"Training job {job_name}")
    live = display.Live()
    while True:
        state = client.describe_training_job(TrainingJobName=job_name)
        over = state["TrainingJobStatus"] in ("Completed", "Failed", "Stopped")
        # Since it was started, which may be long before anybody waits.
        end = state.get("TrainingEndTime", datetime.now(UTC))
        waited = (end - state["CreationTime"]).total_seconds()
        live.show(display.elapsed("Since the start", waited, expected, over=over), ())
        transitions = state.get("SecondaryStatusTransitions", [])
        for transition in transitions[shown:]:
            print(f"  [{transition['Status']}] {transition.get('StatusMessage', '')}")
        shown = len(transitions)
        for line in lines.of_the_script():
            if not quiet:
                print(f"    {line}")
        if over:
            break
        # Quick at first for jobs of seconds, then as slow as the SDK is with AWS.
        time.sleep(pause)
        pause = min(pause * 1.2, 5.0)
    if state["TrainingJobStatus"] == "Failed":
        if not lines.script_started:
            # Most often pip, which cannot reach PyPI; the failure reason does not say so.
            print("  The script did not start. The last lines of the log:")
            print("\n".join(f"    {line}" for line in lines.before_the_script))
        raise JobFailed(f"{job_name} failed: {state.get('FailureReason', 'no reason given')}")
    job: TrainingJob = TrainingJob.get(job_name, session=session.boto, region=session.region)
    return job


def started(
    session: Session, channels: Mapping[str, str], hyperparameters: Mapping[str, Any]
) -> str | None:
    """Return the newest job of the workshop with just these inputs that runs or has completed.

    Parameters
    ----------
    session
        Where to look.
    channels
        S3 URIs by channel name, as they were passed to `start`.
    hyperparameters
        All of the script's, as they were passed to `huggingface_estimator`.

    Returns
    -------
    str or None
        Its name, for `follow`; None without one.
    """
    client = session.client("sagemaker")
    pages = client.get_paginator("list_training_jobs").paginate(
        NameContains=PREFIX, SortBy="CreationTime", SortOrder="Descending"
    )
    wanted = {name: str(value) for name, value in hyperparameters.items()}
    for summary in (item for page in pages for item in page["TrainingJobSummaries"]):
        if summary["TrainingJobStatus"] not in ("InProgress", "Completed"):
            continue
        name = str(summary["TrainingJobName"])
        state = client.describe_training_job(TrainingJobName=name)
        read = {
            channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"]
            for channel in state.get("InputDataConfig", [])
            if "S3DataSource" in channel["DataSource"]
        }
        # The SDK has a channel of its own for the script, and writes values as JSON.
        given = {
            key: value.strip('"')
            for key, value in state.get("HyperParameters", {}).items()
            if not key.startswith("sagemaker_")
        }
        if channels.items() <= read.items() and given == wanted:
            return name
    return None


def final_metrics(job: "TrainingJob") -> dict[str, float]:
    """Return the last value of every metric that SageMaker read from a job's log."""
    found = job.final_metric_data_list
    # The SDK marks what the service did not send with an object of its own.
    if not isinstance(found, list):
        return {}
    return {str(item.metric_name): float(item.value) for item in found}
