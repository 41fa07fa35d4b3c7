"""What is past its time: endpoints whose tag says so, and what only they use.

It must not know how anything is found or deleted.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import partial

from botocore.exceptions import ClientError

from workshop_utils.cleanup import kinds
from workshop_utils.cleanup.asking import all_at_once
from workshop_utils.cleanup.errors import gone, persist
from workshop_utils.cleanup.leavings import ENDPOINT_GROUPS
from workshop_utils.cleanup.resource import Resource
from workshop_utils.session import Session

_PATIENCE = 60.0
Parts = set[tuple[str, str]]
"""Kinds and names."""


def past(session: Session, found: Iterable[Resource], now: datetime) -> list[Resource]:
    """Return those of the workshop's resources that nobody needs any more.

    Parameters
    ----------
    session
        Whose account.
    found
        All of the workshop's.
    now
        The present, with a time zone.
    """
    everything = list(found)
    endpoints = [one for one in everything if one.kind == kinds.ENDPOINT]
    over = {one.name for one in endpoints if _over(one, now)}
    parts = dict(
        zip(
            (one.name for one in endpoints),
            all_at_once(partial(_parts, session), endpoints),
            strict=True,
        )
    )
    # A configuration may be older than the endpoint's last renewal, and be in use.
    used = set[tuple[str, str]]().union(*(parts[name] for name in parts if name not in over))
    hanging = set[tuple[str, str]]().union(*(parts[name] for name in over))
    return [
        one
        for one in everything
        if (one.kind, one.name) not in used
        and (
            _over(one, now)
            or (one.kind, one.name) in hanging
            or one.details.get("endpoint") in over
            or (one.kind == kinds.LOG_GROUP and one.name.removeprefix(ENDPOINT_GROUPS) in over)
        )
    ]


def _over(one: Resource, now: datetime) -> bool:
    return one.expires is not None and one.expires <= now


def _parts(session: Session, endpoint: Resource) -> Parts:
    """Return the configuration and the models of an endpoint."""
    client = session.client("sagemaker")
    try:
        shown = persist(
            partial(client.describe_endpoint, EndpointName=endpoint.name), passing=_PATIENCE
        )
        name = str(shown["EndpointConfigName"])
        made_of = persist(
            partial(client.describe_endpoint_config, EndpointConfigName=name), passing=_PATIENCE
        )
    except ClientError as error:
        if gone(error):
            return set()
        raise
    variants = [*made_of["ProductionVariants"], *made_of.get("ShadowProductionVariants", [])]
    models = {(kinds.MODEL, str(one["ModelName"])) for one in variants if "ModelName" in one}
    return {(kinds.CONFIG, name)} | models
