"""Setting up human review: the page that people see, their team, and where their answers go.

It speaks A2I's API to whichever service `review_service` has chosen; it must not know who answers.
"""

import hashlib
import json
import time
from pathlib import Path

from botocore.exceptions import ClientError

from workshop_utils import review_service
from workshop_utils.human_loops import LABELS, Review, ReviewFailed
from workshop_utils.review_service import ReviewService
from workshop_utils.session import PREFIX, Session

TEMPLATE = Path(__file__).with_name("review_template.html")
_TITLE = "Film reviews: did the writer like it?"
_DESCRIPTION = "Read a short film review and say whether its writer liked the film, all in all."
# Somebody else may have the name already; what is ours is found by it.
_TAKEN = ("ResourceInUse", "ValidationException")
_DAYS = 24 * 60 * 60


def set_up(
    session: Session, *, people: int = 1, name: str = "sentiment", service: str = "auto"
) -> Review:
    """Get everything ready for asking people: the task's page, the team, the flow definition.

    A second call with the same arguments finds what the first one made.

    Parameters
    ----------
    session
        Where and as whom.
    people
        How many different people answer each task, 1 to 3.
    name
        Part of the names.
    service
        As in `review_service.choose`.

    Raises
    ------
    ReviewFailed
        When something is refused, with the reason.
    """
    chosen = review_service.choose(session, service)
    try:
        return _made(session, chosen, people, name)
    except ReviewFailed as failed:
        refused = str(failed.__cause__)
        if service != "auto" or chosen.name != review_service.A2I or "AccessDenied" not in refused:
            raise
        # Lists are given to accounts that may not make anything any more.
        chosen = review_service.own(session, "Amazon A2I lets this account make nothing new")
        return _made(session, chosen, people, name)


def preview(review: Review, text: str) -> str:
    """Return the task's page for a text as HTML, as the service renders the template.

    Raises
    ------
    ReviewFailed
        With what is wrong with the template.
    """
    task = json.dumps({"taskObject": text, "labels": LABELS}, ensure_ascii=False)
    found = review.service.sagemaker.render_ui_template(
        UiTemplate={"Content": TEMPLATE.read_text(encoding="utf-8")},
        Task={"Input": task},
        RoleArn=review.session.role,
    )
    if found["Errors"]:
        said = "; ".join(error["Message"] for error in found["Errors"])
        raise ReviewFailed(f"The template cannot be rendered: {said}")
    return str(found["RenderedContent"])


def _made(session: Session, chosen: ReviewService, people: int, name: str) -> Review:
    output = session.uri("reviews")
    template = TEMPLATE.read_text(encoding="utf-8")
    digest = hashlib.sha256(f"{template} {people} {output}".encode()).hexdigest()[:8]
    full_name = f"{PREFIX}-{name}-{digest}"
    # A job's input prefix must not be empty, and before the first answer this one would be.
    session.upload(b"People's answers lie below this prefix.\n", "reviews", "README.txt")
    task_ui = _task_ui(session, chosen, full_name, template)
    arn = _flow(session, chosen, full_name, task_ui, people, output)
    return Review(session, chosen, full_name, arn, people, f"{output}/")


def _task_ui(session: Session, service: ReviewService, name: str, template: str) -> str:
    client = service.sagemaker
    try:
        made = client.create_human_task_ui(
            HumanTaskUiName=name, UiTemplate={"Content": template}, Tags=session.tags
        )
        return str(made["HumanTaskUiArn"])
    except ClientError as error:
        if error.response["Error"]["Code"] not in _TAKEN:
            raise ReviewFailed(f"The task's page was refused: {error}") from error
    return str(client.describe_human_task_ui(HumanTaskUiName=name)["HumanTaskUiArn"])


def _flow(
    session: Session, service: ReviewService, name: str, task_ui: str, people: int, output: str
) -> str:
    client = service.sagemaker
    try:
        client.create_flow_definition(
            FlowDefinitionName=name,
            HumanLoopConfig={
                "WorkteamArn": service.team,
                "HumanTaskUiArn": task_ui,
                "TaskTitle": _TITLE,
                "TaskDescription": _DESCRIPTION,
                "TaskCount": people,
                "TaskAvailabilityLifetimeInSeconds": 10 * _DAYS,
                "TaskTimeLimitInSeconds": 60 * 60,
                "TaskKeywords": ["film", "review", "sentiment"],
            },
            OutputConfig={"S3OutputPath": output},
            RoleArn=session.role,
            Tags=session.tags,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in _TAKEN:
            raise ReviewFailed(f"The flow definition was refused: {error}") from error
    while True:
        state = client.describe_flow_definition(FlowDefinitionName=name)
        status = state["FlowDefinitionStatus"]
        if status == "Active":
            return str(state["FlowDefinitionArn"])
        if status == "Failed":
            raise ReviewFailed(f"{name} failed: {state.get('FailureReason', 'no reason given')}")
        if status == "Deleting":
            raise ReviewFailed(
                f"{name} is being deleted, and somebody is still in one of its tasks. It is gone "
                "when they have submitted or released it; then try again."
            )
        time.sleep(0.2)
