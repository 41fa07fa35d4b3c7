"""What the labs have made in an account lately: listed page by page, told apart by tag.

It knows which requests to send, all of which only read; it must not know what they mean for a lab.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from workshop_utils.room.events import Event, Kind
from workshop_utils.session import Session

LAB = "workshop:lab"
# What is older says nothing about today, and an account may keep the jobs of a year.
_LATELY = timedelta(hours=24)
_Item = Mapping[str, Any]


class Sightings:
    """One look at an account.

    Parameters
    ----------
    session
        Whose account and region.
    now
        With a time zone.

    Attributes
    ----------
    problems
        What could not be asked, each with the reason; filled by `events`.
    """

    def __init__(self, session: Session, now: datetime) -> None:
        self.problems: list[str] = []
        self._session = session
        self._sagemaker = session.client("sagemaker")
        self._since = now - _LATELY

    def events(self) -> list[Event]:
        """Return what happened to the labs' resources of the last day, and to all endpoints.

        Raises
        ------
        ClientError, BotoCoreError
            When nothing at all could be asked: the account cannot be looked at.
        """
        kinds: tuple[Callable[[], Iterable[Event]], ...] = (
            self._endpoints,
            lambda: self._jobs("training"),
            lambda: self._jobs("processing"),
            lambda: self._jobs("transform"),
            self._models,
            self._pipelines,
            self._reviews,
        )
        found: list[Event] = []
        refused = []
        for look in kinds:
            try:
                found += look()
            except (BotoCoreError, ClientError) as error:
                refused.append(error)
        if len(refused) == len(kinds):
            raise refused[0]
        self.problems += [str(error) for error in refused]
        return found

    def reason(self, event: Event) -> str:
        """Return why something has failed, in one line."""
        said = event.reason or self._described(event)
        return " ".join(said.split()) or "no reason is given"

    def _described(self, event: Event) -> str:
        noun = "".join(word.capitalize() for word in event.kind.split())
        operation = f"describe_{event.kind.replace(' ', '_')}"
        # Executions are the one kind that has no name.
        which = "Arn" if event.kind == "pipeline execution" else "Name"
        try:
            state = getattr(self._sagemaker, operation)(
                **{f"{noun}{which}": event.arn if which == "Arn" else event.name}
            )
        except (BotoCoreError, ClientError) as error:
            return str(error)
        return str(state.get("FailureReason") or state.get("ExitMessage") or "")

    def _endpoints(self) -> Iterator[Event]:
        for one in self._listed("list_endpoints", "Endpoints"):
            # It is new to what it shows since then, but for one that is still being made.
            changed = None if one["EndpointStatus"] == "Creating" else one["LastModifiedTime"]
            yield from self._ours("endpoint", "Endpoint", one, changed)

    def _jobs(self, adjective: str) -> Iterator[Event]:
        kinds: dict[str, Kind] = {
            "training": "training job",
            "processing": "processing job",
            "transform": "transform job",
        }
        noun = f"{adjective.capitalize()}Job"
        found = self._listed(
            f"list_{adjective}_jobs", f"{noun}Summaries", CreationTimeAfter=self._since
        )
        for one in found:
            ended = one.get(f"{adjective.capitalize()}EndTime")
            yield from self._ours(kinds[adjective], noun, one, ended)

    def _models(self) -> Iterator[Event]:
        for one in self._listed("list_models", "Models", CreationTimeAfter=self._since):
            yield from self._ours("model", "Model", one, None)

    def _pipelines(self) -> Iterator[Event]:
        for one in self._listed("list_pipelines", "PipelineSummaries"):
            for pipeline in self._ours("pipeline", "Pipeline", one, None):
                yield pipeline
                yield from self._executions(pipeline)

    def _executions(self, pipeline: Event) -> Iterator[Event]:
        found = self._listed(
            "list_pipeline_executions",
            "PipelineExecutionSummaries",
            PipelineName=pipeline.name,
            CreatedAfter=self._since,
        )
        for one in found:
            arn, status = str(one["PipelineExecutionArn"]), str(one["PipelineExecutionStatus"])
            began = changed = one["StartTime"]
            if status != "Executing":
                described = self._sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
                changed = described["LastModifiedTime"]
            yield Event(
                "pipeline execution",
                arn.rpartition("/")[2],
                arn,
                pipeline.lab,
                status,
                began,
                changed,
                str(one.get("PipelineExecutionFailureReason", "")),
            )

    def _reviews(self) -> Iterator[Event]:
        """Yield flow definitions, each with its newest human loop."""
        try:
            found = self._listed("list_flow_definitions", "FlowDefinitionSummaries")
        except ClientError as error:
            # Amazon A2I is closed to new accounts, whose reviews are not AWS's to list.
            if "AccessDenied" not in error.response["Error"]["Code"]:
                raise
            return
        for one in found:
            for flow in self._ours("flow definition", "FlowDefinition", one, None):
                yield flow
                loops = self._session.client("sagemaker-a2i-runtime").list_human_loops(
                    FlowDefinitionArn=flow.arn, SortOrder="Descending", MaxResults=1
                )
                for loop in loops["HumanLoopSummaries"]:
                    name, made = str(loop["HumanLoopName"]), loop["CreationTime"]
                    status = str(loop["HumanLoopStatus"])
                    yield Event("human loop", name, flow.arn, flow.lab, status, made, made)

    def _ours(self, kind: Kind, noun: str, one: _Item, changed: datetime | None) -> Iterator[Event]:
        """Yield what a list says about a resource, if it carries a lab's tag."""
        arn = str(one[f"{noun}Arn"])
        lab = self._lab(arn)
        if lab is not None:
            made = one["CreationTime"]
            yield Event(
                kind,
                str(one[f"{noun}Name"]),
                arn,
                lab,
                str(one.get(f"{noun}Status", "")),
                made,
                changed or made,
                str(one.get("FailureReason", "")),
            )

    def _listed(self, operation: str, member: str, **parameters: Any) -> list[_Item]:
        pages = self._sagemaker.get_paginator(operation).paginate(**parameters)
        return [one for page in pages for one in page[member]]

    def _lab(self, arn: str) -> str | None:
        """Return the lab whose tag a resource carries; None without the workshop's mark."""
        if self._labs is not None:
            return self._labs.get(arn)
        pages = self._sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn)
        tags = [tag for page in pages for tag in page["Tags"]]
        return _lab_of(tags) if self._session.tags[0] in tags else None

    @cached_property
    def _labs(self) -> dict[str, str] | None:
        """The lab of every marked resource, or None where tags may not be searched."""
        mark = self._session.tags[0]
        pages = self._session.client("resourcegroupstaggingapi").get_paginator("get_resources")
        try:
            return {
                str(one["ResourceARN"]): _lab_of(one["Tags"])
                for page in pages.paginate(
                    TagFilters=[{"Key": mark["Key"], "Values": [mark["Value"]]}]
                )
                for one in page["ResourceTagMappingList"]
            }
        except (BotoCoreError, ClientError):
            # One request for each resource then, which every lab's role may send.
            return None


def _lab_of(tags: Iterable[Mapping[str, str]]) -> str:
    return next((tag["Value"] for tag in tags if tag["Key"] == LAB), "")
