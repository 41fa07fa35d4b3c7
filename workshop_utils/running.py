"""What is billing right now, and what ended jobs have cost: asked of AWS, a page at a time.

It knows which requests to send; what a description costs is `charges`' to know.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from workshop_utils import charges
from workshop_utils.bill import Bill, Charge
from workshop_utils.serverless_use import computed_seconds
from workshop_utils.session import Session

Clock = Callable[[], datetime]
Summary = Mapping[str, Any]
Item = TypeVar("Item")
Result = TypeVar("Result")

# Describing is one request for each; a few at once, so that dozens take a second and nobody is
# throttled.
_AT_ONCE = 8


def _utc_now() -> datetime:
    return datetime.now(UTC)


def running(session: Session, *, everyone: bool = False, clock: Clock = _utc_now) -> Bill:
    """Return what is billing right now: per hour, since when, and how much so far.

    Endpoints with their present numbers of instances, jobs in progress, warm pools; serverless
    endpoints with what they computed; notebook instances and Studio's applications, which are not
    the workshop's but run on the same bill. An endpoint's sum so far is that of its present size
    since it was made; one that grew or shrank has cost another sum.

    Parameters
    ----------
    session
        Whose account and region. The marked resources of every lab are shown.
    everyone
        Show what does not carry the workshop's mark, too.
    clock
        Tells the time.

    Returns
    -------
    Bill
        The dearest first. What may not be asked is among its ``problems``.
    """
    return _Reader(session, everyone, clock()).running()


def spent(
    session: Session, since: datetime, *, everyone: bool = False, clock: Clock = _utc_now
) -> Bill:
    """Return what the jobs that were made since a moment have cost, ended ones included.

    Endpoints that are deleted leave no trace that could be read here.

    Parameters
    ----------
    session, everyone, clock
        As in `running`.
    since
        With a time zone.
    """
    return _Reader(session, everyone, clock()).spent(since)


class _Reader:
    """One look at an account."""

    def __init__(self, session: Session, everyone: bool, now: datetime) -> None:
        self._session = session
        self._sagemaker = session.client("sagemaker")
        self._everyone = everyone
        self._now = now
        self._problems: list[str] = []

    def running(self) -> Bill:
        busy = {"StatusEquals": "InProgress"}
        lines = [
            *self._endpoints(),
            *self._jobs("training", busy),
            *self._jobs("processing", busy),
            *self._jobs("transform", busy),
            *self._jobs("training", {"WarmPoolStatusEquals": "Available"}),
            *self._of_people(),
        ]
        return self._bill("What is billing now", lines)

    def spent(self, since: datetime) -> Bill:
        made = {"CreationTimeAfter": since}
        lines = [
            line
            for kind in ("training", "processing", "transform")
            for line in self._jobs(kind, made)
        ]
        return self._bill(f"Jobs since {since:%Y-%m-%d %H:%M %Z}", lines)

    def _bill(self, title: str, lines: Sequence[Charge]) -> Bill:
        ranked = sorted(
            lines,
            key=lambda line: (not line.ours, -(line.usd_per_hour or 0), line.kind, line.name),
        )
        return Bill(
            title=title,
            region=self._session.region,
            now=self._now,
            charges=tuple(ranked),
            billed=self._session.billed,
            problems=tuple(self._problems),
        )

    def _endpoints(self) -> list[Charge]:
        def describe(summary: Summary) -> tuple[Summary, Summary]:
            endpoint = self._sagemaker.describe_endpoint(EndpointName=summary["EndpointName"])
            config = self._sagemaker.describe_endpoint_config(
                EndpointConfigName=endpoint["EndpointConfigName"]
            )
            return endpoint, config

        found = self._listed("list_endpoints", "Endpoints")
        serving = [one for one in found if one["EndpointStatus"] in charges.SERVING]
        ours = self._ours(serving, "EndpointArn")
        described = self._each(describe, [*ours, *self._others(serving, ours)])
        seconds = self._computed(described)
        marked = {str(one["EndpointArn"]) for one in ours}
        return [
            _owned(line, str(endpoint["EndpointArn"]) in marked)
            for endpoint, config in described
            for line in charges.of_endpoint(
                endpoint, config, self._session.region, seconds.get(str(endpoint["EndpointName"]))
            )
        ]

    def _jobs(self, kind: str, which: Mapping[str, Any]) -> list[Charge]:
        noun = kind.capitalize()
        describe = getattr(self._sagemaker, f"describe_{kind}_job")
        read = {
            "training": charges.of_training_job,
            "processing": charges.of_processing_job,
            "transform": charges.of_transform_job,
        }[kind]
        name, arn = f"{noun}JobName", f"{noun}JobArn"
        found = self._listed(f"list_{kind}_jobs", f"{noun}JobSummaries", **which)
        ours = self._ours(found, arn)
        marked = {str(one[arn]) for one in ours}
        described = self._each(
            lambda one: describe(**{name: one[name]}), [*ours, *self._others(found, ours)]
        )
        warm = "WarmPoolStatusEquals" in which
        return [
            _owned(line, str(job[arn]) in marked)
            for job in described
            for line in read(job, self._session.region)
            if not warm or line.kind == "warm pool"
        ]

    def _of_people(self) -> Iterator[Charge]:
        """Yield what is nobody's lab, but on the same bill, where one may look at it."""
        region = self._session.region
        known = len(self._problems)
        for summary in self._listed(
            "list_notebook_instances", "NotebookInstances", StatusEquals="InService"
        ):
            yield from charges.of_notebook_instance(summary, region)
        for summary in self._listed("list_apps", "Apps"):
            if summary["Status"] == "InService":
                yield from charges.of_studio_app(summary, region)
        # A lab's role need not be allowed to; that is no gap in the workshop's own bill.
        del self._problems[known:]

    def _listed(self, operation: str, member: str, **parameters: Any) -> list[Summary]:
        try:
            pages = self._sagemaker.get_paginator(operation).paginate(**parameters)
            return [one for page in pages for one in page[member]]
        except (BotoCoreError, ClientError) as error:
            self._problems.append(f"{operation}: {error}")
            return []

    def _others(self, found: Iterable[Summary], ours: Sequence[Summary]) -> list[Summary]:
        return [one for one in found if one not in ours] if self._everyone else []

    def _ours(self, found: Sequence[Summary], arn: str) -> list[Summary]:
        """Return those that carry the workshop's mark."""
        if not found:
            return []
        if self._marked is not None:
            return [one for one in found if str(one[arn]) in self._marked]
        tagged = self._each(lambda one: (one, self._has_mark(str(one[arn]))), found)
        return [one for one, is_marked in tagged if is_marked]

    @cached_property
    def _marked(self) -> set[str] | None:
        """The ARNs of all marked resources, or None where tags may not be searched."""
        mark = self._session.tags[0]
        pages = self._session.client("resourcegroupstaggingapi").get_paginator("get_resources")
        filters = [{"Key": mark["Key"], "Values": [mark["Value"]]}]
        try:
            return {
                str(one["ResourceARN"])
                for page in pages.paginate(TagFilters=filters)
                for one in page["ResourceTagMappingList"]
            }
        except (BotoCoreError, ClientError):
            # One request for each resource then, which every lab's role may send.
            return None

    def _has_mark(self, arn: str) -> bool:
        pages = self._sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn)
        return any(tag == self._session.tags[0] for page in pages for tag in page["Tags"])

    def _each(self, ask: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Ask about several at once; what is gone meanwhile is left out."""

        def asked(item: Item) -> list[Result]:
            try:
                return [ask(item)]
            except ClientError as error:
                if "Could not find" not in str(error) and "NotFound" not in str(error):
                    self._problems.append(str(error))
                return []

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return [one for answers in pool.map(asked, items) for one in answers]

    def _computed(self, endpoints: Iterable[tuple[Summary, Summary]]) -> dict[str, float]:
        """Return how many seconds requests have computed at each serverless endpoint."""
        serverless = {
            str(endpoint["EndpointName"]): (
                [str(v["VariantName"]) for v in config["ProductionVariants"]],
                endpoint["CreationTime"],
            )
            for endpoint, config in endpoints
            if any("ServerlessConfig" in v for v in config["ProductionVariants"])
        }
        try:
            return computed_seconds(self._session, serverless, self._now)
        except (BotoCoreError, ClientError) as error:
            self._problems.append(f"CloudWatch: {error}")
            return {}


def _owned(line: Charge, ours: bool) -> Charge:
    return line if line.ours == ours else replace(line, ours=ours)
