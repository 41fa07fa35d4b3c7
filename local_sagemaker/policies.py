"""Resource policies that are kept with what they are about: endpoints and model package groups.

A policy goes when its resource goes. It is kept and shown; it must not be taken for access
control, because this server lets nobody but the account's own principals reach a resource anyway.
"""

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.resources import Resources
from local_sagemaker.store import Record

_POLICY = "ResourcePolicy"


@dataclass(frozen=True)
class _Policed:
    """A kind of resource that can have a policy.

    Attributes
    ----------
    noun, name_key, arn_key
        Its kind, the member that names it, and the member of its ARN in answers.
    refusing
        The statuses in which it takes no policy.
    """

    noun: str
    name_key: str
    arn_key: str
    refusing: tuple[str, ...] = ()


_POLICED = (
    # botocore, PutEndpointPolicy: "You can't attach a policy to an endpoint whose status is
    # Deleting or Failed."
    _Policed("Endpoint", "EndpointName", "EndpointArn", refusing=("Deleting", "Failed")),
    _Policed("ModelPackageGroup", "ModelPackageGroupName", "ModelPackageGroupArn"),
)


class Policies:
    """The operations that put, get and delete resource policies."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        handlers: dict[str, Handler] = {}
        for policed in _POLICED:
            handlers[f"Put{policed.noun}Policy"] = partial(self._put, policed)
            handlers[f"Get{policed.noun}Policy"] = partial(self._get, policed)
            handlers[f"Delete{policed.noun}Policy"] = partial(self._delete, policed)
        return handlers

    def _put(self, policed: _Policed, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        text = params[_POLICY]
        _check(text)

        def change(record: Record) -> None:
            if record.status in policed.refusing:
                raise validation_exception(
                    f"A policy cannot be attached to {record.arn}: its status is {record.status}."
                )
            record.private[_POLICY] = text

        name = params[policed.name_key]
        record = self._resources.change(caller, policed.noun, name, change)
        return {policed.arn_key: record.arn}

    def _get(self, policed: _Policed, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        record = self._resources.get(caller, policed.noun, params[policed.name_key])
        text = record.private.get(_POLICY)
        if text is None:
            raise _none(record)
        return {
            policed.name_key: record.key.name,
            policed.arn_key: record.arn,
            _POLICY: text,
        }

    def _delete(self, policed: _Policed, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        def change(record: Record) -> None:
            if record.private.pop(_POLICY, None) is None:
                raise _none(record)

        self._resources.change(caller, policed.noun, params[policed.name_key], change)
        return {}


def _check(text: str) -> None:
    """Refuse what is no policy document."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise validation_exception(f"The ResourcePolicy is not JSON: {error}.") from error
    statements = document.get("Statement") if isinstance(document, dict) else None
    if isinstance(statements, dict):
        statements = [statements]
    if not statements or not all(isinstance(item, dict) for item in statements):
        raise validation_exception(
            "The ResourcePolicy must be a JSON object with one or more objects as its Statement."
        )
    for item in statements:
        if item.get("Effect") not in ("Allow", "Deny"):
            raise validation_exception(
                f"The Effect of a statement must be Allow or Deny, not {item.get('Effect')!r}."
            )


def _none(record: Record) -> AWSError:
    # Terraform's provider looks for "Cannot find Model Package Group" to learn that there is none.
    label = {"ModelPackageGroup": "Model Package Group"}.get(record.key.kind, record.key.kind)
    return validation_exception(f"Cannot find {label} policy for {record.arn}.")
