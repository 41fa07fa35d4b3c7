"""Pipelines: make one, start it, follow its steps, read what it decided.

It knows executions and their steps; what the steps are is `pipeline_definition`'s business.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from botocore.exceptions import ClientError

from workshop_utils import display, model_registry, pipeline_definition, step_table
from workshop_utils.evaluations import Evaluation, read_evaluation
from workshop_utils.pipeline_recipe import Recipe
from workshop_utils.session import Session
from workshop_utils.step_table import StepState

_RUNNING = ("Executing", "Stopping")
_GOOD = ("Executing", "Succeeded")
_SLOWEST_POLL = 10.0


class PipelineFailed(Exception):
    """An execution did not succeed; the message has what failed and why."""


@dataclass(frozen=True)
class Execution:
    """One run of a pipeline.

    Attributes
    ----------
    arn
        Its ARN.
    """

    session: Session
    arn: str

    @property
    def name(self) -> str:
        """The twelve letters that its jobs are named after."""
        return self.arn.rsplit("/", 1)[-1]

    def status(self) -> str:
        """Return ``Executing``, ``Stopping``, ``Stopped``, ``Failed`` or ``Succeeded``."""
        return str(self._describe()["PipelineExecutionStatus"])

    def steps(self) -> list[StepState]:
        """Return the steps that have started, the first one first."""
        pages = self.session.client("sagemaker").get_paginator("list_pipeline_execution_steps")
        found = pages.paginate(PipelineExecutionArn=self.arn, SortOrder="Ascending")
        return [step_table.read(step) for page in found for step in page["PipelineExecutionSteps"]]

    def table(self) -> pd.DataFrame:
        """Return the steps as a table: what each is, its state, attempts, seconds and reason."""
        return step_table.frame(self.steps())

    def parameters(self) -> dict[str, str]:
        """Return the values that its parameters had."""
        pages = self.session.client("sagemaker").get_paginator(
            "list_pipeline_parameters_for_execution"
        )
        return {
            str(item["Name"]): str(item["Value"])
            for page in pages.paginate(PipelineExecutionArn=self.arn)
            for item in page["PipelineParameters"]
        }

    def follow(self, expected: float | None = None) -> None:
        """Show the steps as they go, until the execution has ended.

        Interrupting this does not stop the execution.

        Parameters
        ----------
        expected
            About how many seconds it takes, to be shown beside those that have passed.

        Raises
        ------
        PipelineFailed
            With every failed step's reason.
        """
        live = display.Live()
        pause = 0.25
        while True:
            state = self._describe()
            status = str(state["PipelineExecutionStatus"])
            steps = self.steps()
            over = status not in _RUNNING
            end = state["LastModifiedTime"] if over else datetime.now(UTC)
            waited = (end - state["CreationTime"]).total_seconds()
            page = step_table.html_card(f"Execution {self.name}: {status}", steps)
            page += display.elapsed("Since the start", waited, expected, over=over)
            live.show(page, step_table.lines(steps))
            if over:
                break
            time.sleep(pause)
            pause = min(pause * 1.1, _SLOWEST_POLL)
        if status != "Succeeded":
            raise PipelineFailed(self._why(status, steps))

    def evaluation(self) -> Evaluation:
        """Return what the step Evaluate measured: the candidate beside the champion."""
        return read_evaluation(self.session, self._output("Evaluate", "evaluation"))

    def prepared(self) -> dict[str, Any]:
        """Return what the step Prepare reported: rows, answers, and what it left out and why."""
        uri = f"{self._output('Prepare', 'report')}/report.json"
        found: dict[str, Any] = json.loads(self.session.read(uri))
        return found

    def model_package(self) -> str | None:
        """Return the ARN of the model version it registered, or None."""
        for step in self.steps():
            if step.kind == "RegisterModel" and step.arn:
                return step.arn
        return None

    def stop(self) -> None:
        """Stop it; the jobs that run are stopped."""
        self.session.client("sagemaker").stop_pipeline_execution(PipelineExecutionArn=self.arn)

    def _repr_html_(self) -> str:
        state = self._describe()
        title = f"Execution {self.name}: {state['PipelineExecutionStatus']}"
        return step_table.html_card(title, self.steps())

    def _describe(self) -> dict[str, Any]:
        client = self.session.client("sagemaker")
        found: dict[str, Any] = client.describe_pipeline_execution(PipelineExecutionArn=self.arn)
        return found

    def _output(self, step_name: str, output: str) -> str:
        for step in self.steps():
            if step.name == step_name and step.status == "Succeeded" and step.job is not None:
                job = self.session.client("sagemaker").describe_processing_job(
                    ProcessingJobName=step.job
                )
                for item in job["ProcessingOutputConfig"]["Outputs"]:
                    if item["OutputName"] == output:
                        return str(item["S3Output"]["S3Uri"]).rstrip("/")
        raise PipelineFailed(f"Execution {self.name} has no output {output!r} of {step_name} yet.")

    def _why(self, status: str, steps: list[StepState]) -> str:
        reasons = [f"{step.name}: {step.reason}" for step in steps if step.status == "Failed"]
        return f"Execution {self.name} is {status}. " + ("\n".join(reasons) or "It gave no reason.")


@dataclass(frozen=True)
class Pipeline:
    """A pipeline of this account.

    Attributes
    ----------
    recipe
        What it is made of.
    """

    session: Session
    recipe: Recipe

    @property
    def name(self) -> str:
        """Its name."""
        return self.recipe.name

    def start(self, label: str, parameters: Mapping[str, str | int]) -> Execution:
        """Start an execution, or return the one of the same parameters that is there.

        Parameters
        ----------
        label
            For people: letters, digits and hyphens.
        parameters
            Values that are not the default ones. An execution that runs with them already, or
            has succeeded with the pipeline as it is now, is not started again.
        """
        client = self.session.client("sagemaker")
        values = {name: str(value) for name, value in sorted(parameters.items())}
        digest = hashlib.sha256(f"{self.recipe.digest()} {values}".encode()).hexdigest()[:10]
        title = f"{label}-{digest}"
        for there in self._executions():
            if there["PipelineExecutionDisplayName"] == title:
                if there["PipelineExecutionStatus"] in _GOOD:
                    print(f"Execution {title} is there already")
                    return Execution(self.session, str(there["PipelineExecutionArn"]))
                break
        started = client.start_pipeline_execution(
            PipelineName=self.name,
            PipelineExecutionDisplayName=title,
            PipelineParameters=[{"Name": name, "Value": text} for name, text in values.items()],
        )
        return Execution(self.session, str(started["PipelineExecutionArn"]))

    def history(self) -> pd.DataFrame:
        """Return its executions, the newest first: ``execution, status, started, name``."""
        rows = [
            (
                str(item["PipelineExecutionArn"]).rsplit("/", 1)[-1],
                str(item["PipelineExecutionStatus"]),
                _clock(item["StartTime"]),
                str(item["PipelineExecutionDisplayName"]),
            )
            for item in self._executions()
        ]
        return pd.DataFrame(rows, columns=["execution", "status", "started", "name"])

    def succeeded(self) -> list[Execution]:
        """Return the executions that have succeeded, the first one first."""
        return [
            Execution(self.session, str(item["PipelineExecutionArn"]))
            for item in reversed(self._executions())
            if item["PipelineExecutionStatus"] == "Succeeded"
        ]

    def delete(self) -> None:
        """Delete it; what its executions made stays. What is gone already is fine."""
        try:
            self.session.client("sagemaker").delete_pipeline(PipelineName=self.name)
        except ClientError as error:
            if not _absent(error):
                raise

    def _executions(self) -> list[dict[str, Any]]:
        pages = self.session.client("sagemaker").get_paginator("list_pipeline_executions")
        found = pages.paginate(PipelineName=self.name, SortOrder="Descending")
        return [item for page in found for item in page["PipelineExecutionSummaries"]]

    def _repr_html_(self) -> str:
        recipe = self.recipe
        return display.card(
            f"Pipeline {self.name}",
            {
                "Steps": "Prepare → Train → Evaluate → NotWorse? → Register, or fail as Worse",
                "Registers in": f"model package group {recipe.group}",
                "Trains on": f"{recipe.base} and the answers below {recipe.reviews}",
                "Machines": f"{recipe.training_type} for training, {recipe.processing_type} beside",
                "First retry": f"after {recipe.retry_seconds} s, then after twice as long each",
            },
        )


def upsert(session: Session, recipe: Recipe) -> Pipeline:
    """Create the pipeline, or update it if it is made of something else by now.

    The recipe's digest is kept in the description, so a second call with nothing changed changes
    nothing, and the steps of later executions can be taken from the cache.
    """
    client = session.client("sagemaker")
    pipeline = Pipeline(session, recipe)
    model_registry.make_group(session, recipe.group)
    made_of = f"Made by the workshop from {recipe.digest()}"
    try:
        there = client.describe_pipeline(PipelineName=recipe.name)
    except ClientError as error:
        if not _absent(error):
            raise
        there = {}
    if there.get("PipelineDescription") == made_of:
        print(f"Pipeline {recipe.name} is as it should be already")
        return pipeline
    pipeline_definition.upsert(session, recipe, made_of)
    print(f"Pipeline {recipe.name} {'updated' if there else 'created'}")
    return pipeline


def _clock(moment: datetime) -> str:
    return moment.astimezone().strftime("%H:%M:%S")


def _absent(error: ClientError) -> bool:
    return bool(error.response["Error"]["Code"] == "ResourceNotFound")
