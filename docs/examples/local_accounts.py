"""Make accounts in the local SageMaker, as aws/workshop-account.yaml makes them on AWS.

Each gets the minimal policy and the two roles. So that there is something to see, labs have left
things in the second account, and the third trusts another instructor::

    python docs/examples/local_accounts.py 6 > accounts.csv
"""

import json
import sys
from pathlib import Path

import boto3

POLICY = Path("aws", "minimal-policy.json")
TAGS = [{"Key": "workshop", "Value": "nlp-workshop"}, {"Key": "workshop:lab", "Value": "few-shot"}]
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:latest"


def inside(account: str) -> boto3.Session:
    """Return a session of an account; the local SageMaker has every account number."""
    role = f"arn:aws:iam::{account}:role/Administrator"
    key = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="prepares")["Credentials"]
    return boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"])


def trust(**principal: str) -> str:
    """Return a policy that lets somebody assume a role."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def prepare(account: str, instructor: str) -> None:
    """Make the policy and the roles."""
    iam = inside(account).client("iam")
    policy = iam.create_policy(
        PolicyName="nlp-workshop",
        # IAM limits a policy's length without white space.
        PolicyDocument=json.dumps(json.loads(POLICY.read_text(encoding="utf-8"))),
    )["Policy"]["Arn"]
    for name, document in (
        ("nlp-workshop-execution", trust(Service="sagemaker.amazonaws.com")),
        ("nlp-workshop-instructor", trust(AWS=f"arn:aws:iam::{instructor}:root")),
    ):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
        iam.attach_role_policy(RoleName=name, PolicyArn=policy)


def use(account: str) -> None:
    """Leave what a lab leaves."""
    session = inside(account)
    sagemaker, s3 = session.client("sagemaker"), session.client("s3")
    for number in range(3):
        sagemaker.create_model(
            ModelName=f"nlp-workshop-few-shot-{number}",
            PrimaryContainer={"Image": IMAGE},
            ExecutionRoleArn=f"arn:aws:iam::{account}:role/nlp-workshop-execution",
            Tags=TAGS,
        )
    sagemaker.create_experiment(ExperimentName="nlp-workshop-few-shot", Tags=TAGS)
    bucket = f"sagemaker-us-east-1-{account}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="nlp-workshop/few-shot/train.csv", Body=b"text,label\n")


def main() -> None:
    """Make the accounts and print the list."""
    me = boto3.client("sts").get_caller_identity()["Account"]
    for seat in range(1, int(sys.argv[1]) + 1):
        account = f"{100_000_000_000 + seat}"
        prepare(account, "999999999999" if seat == 3 else me)
        if seat == 2:
            use(account)
        print(f"{account},seat {seat}")


if __name__ == "__main__":
    main()
