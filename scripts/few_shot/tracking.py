"""The SageMaker Experiments run that a training job reports to.

The names of the experiment and of the run travel in the job's environment as ``EXPERIMENT_NAME``
and ``RUN_NAME``, because jobs started by ModelTrainer carry no ExperimentConfig; ``RUN_BUCKET`` and
``RUN_PREFIX`` say where the run's files go, so that they lie with everything else of the lab.
Tracking is a courtesy: whatever goes wrong here is told once, and the training goes on. This module
must not know what is trained.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from training_log import warn

EXPERIMENT_VARIABLE = "EXPERIMENT_NAME"
RUN_VARIABLE = "RUN_NAME"
BUCKET_VARIABLE = "RUN_BUCKET"
PREFIX_VARIABLE = "RUN_PREFIX"
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION", "SAGEMAKER_REGION")
# Without network access every call would wait for a minute, several times over.
CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30
# Saving a run takes two requests: more often than this would slow the training down.
SAVE_INTERVAL_S = 2.0


class RunTracker:
    """Logs parameters, metrics and files to one run, or to none.

    Use as a context manager: an exception that leaves the block marks the run as failed.

    Parameters
    ----------
    experiment_name, run_name : str or None
        Names of an experiment and of a run in it. When both are None nothing is tracked.
    """

    def __init__(self, experiment_name: str | None, run_name: str | None) -> None:
        self._experiment_name = experiment_name
        self._run_name = run_name
        self._run: Any = None
        self._last_save = 0.0
        self._upload_failed = False

    @classmethod
    def from_environment(cls) -> RunTracker:
        """Take the names from ``EXPERIMENT_NAME`` and ``RUN_NAME``."""
        return cls(os.environ.get(EXPERIMENT_VARIABLE), os.environ.get(RUN_VARIABLE))

    @property
    def active(self) -> bool:
        """Whether a run is open."""
        return self._run is not None

    def __enter__(self) -> RunTracker:
        if not self._experiment_name and not self._run_name:
            return self
        if not self._experiment_name or not self._run_name:
            missing = RUN_VARIABLE if self._experiment_name else EXPERIMENT_VARIABLE
            warn(f"Nothing is logged to SageMaker Experiments: {missing} is not set.")
            return self
        try:
            run = _load_run(self._experiment_name, self._run_name)
            self._run = run.__enter__()
        except Exception as error:  # noqa: BLE001  tracking must never cost the training
            self._give_up(error)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._attempt("__exit__", kind, error, traceback)
        self._run = None

    def log_parameters(self, parameters: Mapping[str, str | int | float]) -> None:
        """Record the settings of the training."""
        # The service knows numbers and strings only, and refuses True.
        plain = {k: str(v) if isinstance(v, bool) else v for k, v in parameters.items()}
        self._attempt("log_parameters", plain)
        self._save()

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Record metrics of one step; they reach the service within seconds."""
        for name, value in metrics.items():
            self._attempt("log_metric", name=name, value=value, step=step)
        if time.monotonic() - self._last_save >= SAVE_INTERVAL_S:
            self._save()

    def log_file(self, path: Path) -> None:
        """Upload a file as an output artifact, under the file's own name."""
        if self._run is None or self._upload_failed:
            return
        try:
            self._run.log_file(str(path), name=path.name)
        except Exception as error:  # noqa: BLE001  tracking must never cost the training
            # Files go to the default bucket, which a role may lack; metrics do not need it.
            self._upload_failed = True
            warn(f"{path.name} cannot be uploaded to the run ({type(error).__name__}: {error}).")

    def _save(self) -> None:
        # The SDK holds metrics back until it has ten; close() sends them and, despite its name,
        # leaves the run usable.
        self._attempt("close")
        self._last_save = time.monotonic()

    def _attempt(self, method: str, *args: Any, **kwargs: Any) -> None:
        if self._run is None:
            return
        try:
            getattr(self._run, method)(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  tracking must never cost the training
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._run = None
        warn(
            f"The run {self._run_name!r} of experiment {self._experiment_name!r} cannot be used "
            f"({type(error).__name__}: {error}). The training goes on without tracking."
        )


def _load_run(experiment_name: str, run_name: str) -> Any:
    """Open a run with whichever SageMaker SDK the container has (3, or 2.123 and later)."""
    # Importing the SDK sets the root logger to INFO unless it has been set up already.
    logging.basicConfig(level=logging.WARNING)
    # A training image's SDK 2 would fill the log with notes about its successor.
    os.environ.setdefault("SAGEMAKER_SUPPRESS_V2_WARNING", "1")
    try:
        from sagemaker.core.experiments.run import load_run
        from sagemaker.core.helper.session_helper import Session
    except ImportError:
        from sagemaker.experiments.run import load_run
        from sagemaker.session import Session

    for name in ("sagemaker", "sagemaker.config", "sagemaker.core.experiments.run"):
        logging.getLogger(name).setLevel(logging.ERROR)

    import boto3
    import botocore.session
    from botocore.config import Config

    region = next((os.environ[name] for name in REGION_VARIABLES if os.environ.get(name)), None)
    core = botocore.session.get_session()
    core.set_default_client_config(
        Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"max_attempts": 3, "mode": "standard"},
        )
    )
    session = Session(boto_session=boto3.Session(region_name=region, botocore_session=core))
    return load_run(
        experiment_name=experiment_name,
        run_name=run_name,
        sagemaker_session=session,
        artifact_bucket=os.environ.get(BUCKET_VARIABLE),
        artifact_prefix=os.environ.get(PREFIX_VARIABLE),
    )
