"""``review``: human review beside an AWS account that Amazon A2I is closed to."""

import argparse
from pathlib import Path
from typing import Any

from local_sagemaker.control import StartError

HOSTS: dict[str, Any] = {
    "action": "append",
    "default": [],
    "metavar": "NAME",
    "help": "name of a proxy that leads people to the review portal; .NAME is all below it",
}


def add_review_command(commands: Any, port: argparse.ArgumentParser) -> None:
    """Add the command."""
    command = commands.add_parser(
        "review",
        parents=[port],
        help="start human review for an AWS account (in a Studio space, where A2I is closed)",
    )
    command.add_argument(
        "--home",
        type=Path,
        help="folder of its state (default: ~/.local_sagemaker_review/ACCOUNT-REGION)",
    )
    command.add_argument("--region", help="of the answers' buckets (default: the environment's)")
    command.add_argument("--allow-host", **HOSTS)
    command.add_argument("--stop", action="store_true", help="stop it; its state is kept")
    command.set_defaults(run=_review)


def _review(options: argparse.Namespace) -> int:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from local_sagemaker.account_review import STUDIO_HOSTS, AccountReview

    session = boto3.Session(region_name=options.region)
    if session.region_name is None:
        raise StartError("no AWS region is set. Name one with --region.")
    try:
        account = session.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise StartError(f"AWS does not know who you are: {error}") from error
    review = AccountReview(
        account,
        session.region_name,
        options.home,
        (*STUDIO_HOSTS, *options.allow_host),
        options.port,
    )
    if options.stop:
        ran = review.stop()
        print(f"Human review in {review.home} {'is stopped' if ran else 'does not run'}.")
        return 0
    review.start()
    print(f"Human review for account {account} in {session.region_name} runs at {review.url}")
    print(f"  home      {review.home}")
    print(f"  on AWS    {review.portal}")
    print("            (below the name under which you opened Studio)")
    print(f"  portal    {review.script_link}")
    return 0
