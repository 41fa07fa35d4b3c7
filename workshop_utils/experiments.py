"""SageMaker Experiments: runs, and their comparison as a table.

Today's Studio has no page for Experiments, so the table and the plot made from it are the view.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pandas as pd
from botocore.exceptions import ClientError

from workshop_utils.session import Session

if TYPE_CHECKING:
    from sagemaker.core.experiments import Run


@contextmanager
def run(session: Session, experiment: str, name: str) -> Iterator["Run"]:
    """Open a run of an experiment, new or known; what is logged within the block belongs to it.

    Parameters
    ----------
    session
        Where it is kept.
    experiment, name
        Names of at most 59 characters; SageMaker keeps them in lower case. A run of this name
        that is there already is continued.
    """
    from sagemaker.core.experiments import Run

    with Run(
        experiment_name=experiment,
        run_name=name,
        sagemaker_session=session.sagemaker,
        tags=session.tags,
    ) as opened:
        yield opened


def environment(opened: "Run") -> dict[str, str]:
    """Return the variables that tell a training job which run to log to, and where its files go.

    Without the latter they would lie beside the lab's prefix, where clean-up does not look.
    """
    sdk = opened._artifact_uploader.sagemaker_session
    return {
        "EXPERIMENT_NAME": opened.experiment_name,
        "RUN_NAME": opened.run_name,
        "RUN_BUCKET": sdk.default_bucket(),
        "RUN_PREFIX": f"{sdk.default_bucket_prefix}/runs",
    }


def table(session: Session, experiment: str, metrics: Sequence[str] = ()) -> pd.DataFrame:
    """Return the runs of an experiment: one row per run, parameters and last metrics as columns.

    Parameters
    ----------
    session
        Where they are kept.
    experiment
        Its name.
    metrics
        Which metrics to show; all of them if empty.

    Returns
    -------
    pandas.DataFrame
        Indexed by run name, oldest run first. Empty when there is no run.

    Raises
    ------
    LookupError
        When there is no experiment of this name.
    """
    from sagemaker.core.experiments.run import list_runs

    try:
        runs = list_runs(experiment_name=experiment, sagemaker_session=session.sagemaker)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFound":
            raise
        raise LookupError(
            f"There is no experiment {experiment!r}. It comes to be with its first run."
        ) from error
    rows = []
    for found in runs:
        component = found._trial_component
        row: dict[str, object] = {"run": found.run_name, "created": component.creation_time}
        row |= dict(component.parameters or {})
        for summary in component.metrics or []:
            if not metrics or summary.metric_name in metrics:
                row[summary.metric_name] = summary.last
        rows.append(row)
    if not rows:
        return pd.DataFrame(columns=["run"]).set_index("run")
    frame = pd.DataFrame(rows).sort_values("created").drop(columns="created")
    # Experiments keeps every number as a float; a seed of 0.0 is not what anybody logged.
    return frame.set_index("run").convert_dtypes()
