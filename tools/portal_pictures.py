"""Take the pictures of the review portal that the documentation shows.

It starts a local SageMaker in a temporary folder, makes work for people with Lab 3's template, and
photographs the pages in headless Chromium. Usage: ``python tools/portal_pictures.py``.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from _pictures import PICTURES, ROOT, checked, chromium

from local_sagemaker import LocalSageMaker

if TYPE_CHECKING:
    from playwright.sync_api import Page

TEMPLATE = ROOT / "workshop_utils" / "review_template.html"
LABELS = ["Positive", "Negative", "Not clear"]
REVIEWS = [
    "The plot is thin as paper, and yet I grinned: the grandmother alone is worth the ticket.",
    "Two hours of fog, one good joke, and a dog who acts better than all of them. What a dog!",
    "A triumph, if the aim was to make a film about racing feel like waiting for a bus.",
]
DESKTOP: dict[str, Any] = {"viewport": {"width": 1200, "height": 780}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 1.5,
    "is_mobile": True,
    "has_touch": True,
    "color_scheme": "dark",
}


def make_work() -> None:
    """Start a human loop for each review."""
    sagemaker = boto3.client("sagemaker")
    boto3.client("s3").create_bucket(Bucket="reviewed")
    task_ui = sagemaker.create_human_task_ui(
        HumanTaskUiName="reviews", UiTemplate={"Content": TEMPLATE.read_text(encoding="utf-8")}
    )
    flow = sagemaker.create_flow_definition(
        FlowDefinitionName="reviews",
        RoleArn="arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole",
        HumanLoopConfig={
            "WorkteamArn": sagemaker.list_workteams()["Workteams"][0]["WorkteamArn"],
            "HumanTaskUiArn": task_ui["HumanTaskUiArn"],
            "TaskTitle": "Did they like the film?",
            "TaskDescription": "Read a short film review and say how its writer liked the film.",
            "TaskKeywords": ["film", "sentiment"],
            "TaskCount": 1,
        },
        OutputConfig={"S3OutputPath": "s3://reviewed/"},
    )["FlowDefinitionArn"]
    while (
        sagemaker.describe_flow_definition(FlowDefinitionName="reviews")["FlowDefinitionStatus"]
        != "Active"
    ):
        time.sleep(0.1)
    for number, text in enumerate(REVIEWS):
        content = {"taskObject": text, "labels": LABELS}
        boto3.client("sagemaker-a2i-runtime").start_human_loop(
            HumanLoopName=f"review-{number}",
            FlowDefinitionArn=flow,
            HumanLoopInput={"InputContent": json.dumps(content)},
        )


def keep(page: "Page", name: str) -> None:
    """Take a picture of what a page shows."""
    page.wait_for_load_state("networkidle")
    path = PICTURES / f"{name}.png"
    page.screenshot(path=path)
    checked(path)


def begin(page: "Page", link: str, name: str) -> None:
    """Sign in."""
    page.goto(link)
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Start working").wait_for()


def photograph(local: LocalSageMaker) -> None:
    """Take all pictures."""
    with chromium() as browser:
        page = browser.new_context(**DESKTOP).new_page()
        begin(page, local.portal_url, "Ada")
        keep(page, "portal_jobs")
        page.get_by_role("button", name="Start working").click()
        frame = page.frame_locator("#frame")
        frame.get_by_role("radio", name="Positive").wait_for()
        page.keyboard.press("1")
        keep(page, "portal_task")
        page = browser.new_context(**PHONE).new_page()
        begin(page, local.portal_url, "Bo")
        page.get_by_role("button", name="Start working").click()
        frame = page.frame_locator("#frame")
        frame.get_by_role("radio", name="Negative").click()
        page.evaluate("scrollTo(0, 0)")
        keep(page, "portal_phone")


def main() -> None:
    """Take the pictures."""
    with (
        tempfile.TemporaryDirectory() as home,
        LocalSageMaker(Path(home) / "home") as local,
    ):
        make_work()
        photograph(local)


if __name__ == "__main__":
    main()
