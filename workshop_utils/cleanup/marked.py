"""Which resources carry the workshop's tags: one listing for all, or one request for each.

It knows tags; it must not know kinds.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from workshop_utils import marks
from workshop_utils.cleanup.asking import items
from workshop_utils.cleanup.errors import GaveUp, gone, persist, reason
from workshop_utils.session import PREFIX, Session

KEY, LAB = "workshop", "workshop:lab"
_PATIENCE = 60.0

Tags = dict[str, str]


class Tagged:
    """The tags of an account's resources, as far as they are the workshop's.

    Parameters
    ----------
    session
        Whose account and region.

    Attributes
    ----------
    refused
        Why AWS does not list what is tagged; None if it does.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.refused: str | None = None
        self._known: dict[str, Tags] = {}
        try:
            found = items(
                session,
                "resourcegroupstaggingapi",
                "get_resources",
                "ResourceTagMappingList",
                TagFilters=[{"Key": KEY, "Values": [PREFIX]}],
            )
        except (BotoCoreError, ClientError, GaveUp) as error:
            self.refused = reason(error)
            return
        # Lower case: a model's ARN has its name so in some answers and not in others.
        self._known = {str(one["ResourceARN"]).lower(): plain(one["Tags"]) for one in found}

    def arns(self) -> set[str]:
        """Return the ARNs of all that is tagged, in lower case; some may be gone already."""
        return set(self._known)

    def of(self, arn: str, *, ask: bool) -> Tags:
        """Return the tags of a resource; none if it is not known to be tagged.

        Parameters
        ----------
        arn
            Whose.
        ask
            Ask for them if the listing does not have them: it may be behind the times, or denied.
        """
        known = self._known.get(arn.lower())
        if known is not None or not ask:
            return known or {}
        try:
            return tags_now(self._session, arn)
        except (BotoCoreError, ClientError, GaveUp) as error:
            if gone(error):
                return {}
            raise


def tags_now(session: Session, arn: str) -> Tags:
    """Return the tags that a SageMaker resource has at this moment."""

    def every() -> list[dict[str, Any]]:
        pages = session.client("sagemaker").get_paginator("list_tags").paginate(ResourceArn=arn)
        return [tag for page in pages for tag in page["Tags"]]

    return plain(persist(every, passing=_PATIENCE))


def ours(tags: Mapping[str, str]) -> bool:
    """Tell whether tags are the workshop's."""
    return tags.get(KEY) == PREFIX


def expires(tags: Mapping[str, str]) -> datetime | None:
    """Return until when what carries the tags is needed."""
    return marks.expires(tags)


def plain(tags: list[dict[str, str]]) -> Tags:
    """Return tags in AWS's form as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in tags}
