"""Human task UIs: what they are made of, and how they look with an input.

Their records are like those of any kind. It knows templates; it must not know loops.
"""

import json
from typing import Any

from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.human_review.documents import written
from local_sagemaker.human_review.outputs import LocalOutputs, Owner
from local_sagemaker.human_review.templates import TemplateError, Templates
from local_sagemaker.identity import Caller
from local_sagemaker.jobs.s3_locations import S3Location
from local_sagemaker.operations import Handler
from local_sagemaker.resources import Resources
from local_sagemaker.s3.objects import Objects
from local_sagemaker.store import Record

NOUN = "HumanTaskUi"
# As AWS keeps templates in buckets of its own, these are in no account of a user's.
_SERVICE_ACCOUNT = "000000000000"
_LINK_SECONDS = 900


class TaskUis:
    """The operations on human task UIs.

    Parameters
    ----------
    resources
        Where the records are.
    objects
        Where the templates are put that Describe links to.
    links
        Signs these links.
    templates
        Renders them.
    """

    def __init__(
        self, resources: Resources, objects: Objects, links: LocalOutputs, templates: Templates
    ) -> None:
        self._resources = resources
        self._objects = objects
        self._links = links
        self._templates = templates
        generic = resources.operations()
        self._generic_describe = generic["DescribeHumanTaskUi"]
        self._generic_delete = generic["DeleteHumanTaskUi"]

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "DescribeHumanTaskUi": self._describe,
            "DeleteHumanTaskUi": self._delete,
            "RenderUiTemplate": self._render,
        }

    def template(self, caller: Caller, arn: str) -> str | None:
        """Return the Liquid source of a task UI, or None when it is not there."""
        record = self._resources.records.get(self._resources.key(caller, NOUN, arn))
        return None if record is None else _content(record)

    def _describe(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        answer = self._generic_describe(caller, params)
        record = self._resources.get(caller, NOUN, params["HumanTaskUiName"])
        location = _place(record)
        region = caller.region
        self._objects.ensure_bucket(_SERVICE_ACCOUNT, region, location.bucket)
        if not self._objects.exists(_SERVICE_ACCOUNT, location.bucket, location.key):
            content = _content(record).encode()
            self._objects.put_bytes(
                _SERVICE_ACCOUNT, region, location.bucket, location.key, content
            )
        role = f"arn:aws:iam::{_SERVICE_ACCOUNT}:role/HumanReview"
        url = self._links.read_access(
            Owner(_SERVICE_ACCOUNT, region, role), location, _LINK_SECONDS
        )
        return {**answer, "UiTemplate": {**answer["UiTemplate"], "Url": url}}

    def _delete(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        record = self._resources.get(caller, NOUN, params["HumanTaskUiName"])
        answer = self._generic_delete(caller, params)
        location = _place(record)
        if self._objects.exists(_SERVICE_ACCOUNT, location.bucket, location.key):
            self._objects.delete(_SERVICE_ACCOUNT, location.bucket, location.key)
        return answer

    def _render(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        if ("UiTemplate" in params) == ("HumanTaskUiArn" in params):
            raise validation_exception("Give either UiTemplate or HumanTaskUiArn.")
        if "UiTemplate" in params:
            template = params["UiTemplate"]["Content"]
        else:
            arn = params["HumanTaskUiArn"]
            found = self.template(caller, arn)
            if found is None:
                raise self._resources.missing(caller, NOUN, arn)
            template = found
        owner = Owner(caller.account, caller.region, params["RoleArn"])
        content = read_input(params["Task"]["Input"], "Task.Input")
        try:
            rendered = self._templates.render(template, content, owner)
        except TemplateError as error:
            return {
                "RenderedContent": "",
                "Errors": [{"Code": error.code, "Message": error.message}],
            }
        return {"RenderedContent": rendered, "Errors": []}


def read_input(text: str, member: str) -> Any:
    """Return what a JSON document holds.

    Parameters
    ----------
    text
        The document.
    member
        Where it stands in the request.

    Raises
    ------
    AWSError
        ``ValidationException`` for anything that is no JSON, or that could not be written as JSON
        again.
    """
    try:
        content = json.loads(text, parse_constant=_no_number)
        written(content)
    except (ValueError, RecursionError) as error:
        raise _not_json(member, error) from error
    return content


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _not_json(member: str, error: Exception) -> AWSError:
    return validation_exception(f"{member} must be a JSON document: {error}")


def _content(record: Record) -> str:
    return str(record.private["UiTemplate"]["Content"])


def _place(record: Record) -> S3Location:
    key = record.key
    digest = record.body["UiTemplate"]["ContentSha256"]
    bucket = f"sagemaker-human-task-uis-{key.region}"
    return S3Location(bucket, f"{key.account}/{key.name}/{digest}.liquid.html")
