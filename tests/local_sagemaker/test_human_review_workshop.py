"""The calls of the workshop of 2022, notebooks 2A and 3, against the local server.

Source: aws-samples/augment-your-huggingface-model-with-human-in-the-loop. A person's part, in
between, is done over the portal's own pages.
"""

import json
import time
import uuid
from typing import Any

import boto3
import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.human_review_support import Reviewer

# Close to the workshop's own: a multi-select with an apostrophe-quoted list, and no Submit button.
TEMPLATE = """
<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>
<crowd-form>
  <crowd-classifier-multi-select name="category" categories="['Positive', 'Negative', 'Not clear']"
      header="Which sentiment has the text?">
    <classification-target>{{ task.input.taskObject }}</classification-target>
    <full-instructions header="Sentiment"><p>Read the text and choose.</p></full-instructions>
    <short-instructions>Choose one.</short-instructions>
  </crowd-classifier-multi-select>
</crowd-form>
"""
SENTENCES = (
    "I have learnt a lot in this NLP Summit, it's has been amazing!",
    "I am not sure how this Human In the Loop concept works",
)


@pytest.mark.slow
def test_the_notebooks_calls(fresh: LocalSageMaker) -> None:
    region = boto3.session.Session().region_name
    account = boto3.client("sts").get_caller_identity()["Account"]
    bucket = f"sagemaker-{region}-{account}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    boto3.client("s3").put_object(Bucket=bucket, Key="a2i-output/sample.txt", Body=b"")

    # 2A: setting up the review
    sagemaker_client = boto3.client("sagemaker")
    prefix = "custom-classify" + str(uuid.uuid1())
    workteam_arn = sagemaker_client.list_workteams(SortOrder="Descending")["Workteams"][0][
        "WorkteamArn"
    ]
    task_ui_arn = sagemaker_client.create_human_task_ui(
        HumanTaskUiName=prefix + "-ui", UiTemplate={"Content": TEMPLATE}
    )["HumanTaskUiArn"]
    flow_name = prefix + "-fd-a2i"
    sagemaker_client.create_flow_definition(
        FlowDefinitionName=flow_name,
        RoleArn=f"arn:aws:iam::{account}:role/LocalSageMakerExecutionRole",
        HumanLoopConfig={
            "WorkteamArn": workteam_arn,
            "HumanTaskUiArn": task_ui_arn,
            "TaskCount": 1,
            "TaskDescription": "Read the instructions",
            "TaskTitle": "Classify the text",
        },
        OutputConfig={"S3OutputPath": f"s3://{bucket}/a2i-output"},
    )
    statuses = []
    while not statuses or statuses[-1] != "Active":
        described = sagemaker_client.describe_flow_definition(FlowDefinitionName=flow_name)
        statuses.append(described["FlowDefinitionStatus"])
        time.sleep(0.1)
    assert set(statuses) <= {"Initializing", "Active"}

    # 3: traffic, of which people get the uncertain part
    a2i_runtime_client = boto3.client("sagemaker-a2i-runtime")
    flow_arn = sagemaker_client.list_flow_definitions(SortOrder="Descending")[
        "FlowDefinitionSummaries"
    ][0]["FlowDefinitionArn"]
    started = []
    for sentence in SENTENCES:
        name = str(uuid.uuid4())
        a2i_runtime_client.start_human_loop(
            HumanLoopName=name,
            FlowDefinitionArn=flow_arn,
            HumanLoopInput={"InputContent": json.dumps({"taskObject": sentence})},
        )
        started.append(name)
    for name in started:
        response = a2i_runtime_client.describe_human_loop(HumanLoopName=name)
        assert response["HumanLoopStatus"] == "InProgress"
        assert response["HumanLoopOutput"]["OutputS3Uri"].startswith(f"s3://{bucket}/a2i-output/")

    with Reviewer(fresh, "Ada") as ada:
        answered = list(ada.answered(lambda _: {"category": {"labels": ["Not clear"]}}))
    assert answered == started

    answers = [_answer(a2i_runtime_client, name) for name in started]
    assert [answer["inputContent"]["taskObject"] for answer in answers] == list(SENTENCES)
    # What the workshop's processing script reads of each.
    labels = [
        answer["humanAnswers"][0]["answerContent"]["category"]["labels"][0] for answer in answers
    ]
    assert labels == ["Not clear"] * 2
    listed = boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix="a2i-output")["Contents"]
    assert len(listed) == 1 + len(SENTENCES)


def _answer(a2i_runtime_client: Any, name: str) -> dict[str, Any]:
    response = a2i_runtime_client.describe_human_loop(HumanLoopName=name)
    assert response["HumanLoopStatus"] == "Completed"
    uri = response["HumanLoopOutput"]["OutputS3Uri"]
    answer: dict[str, Any] = json.loads(
        boto3.client("s3")
        .get_object(Bucket=uri.split("/")[2], Key=uri.split("/", 3)[3])["Body"]
        .read()
        .decode("utf-8")
    )
    return answer
