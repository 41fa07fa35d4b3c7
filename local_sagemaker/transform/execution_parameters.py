"""How requests are sent: as asked for, else as the container proposes, else the service's defaults.

A container may answer ``GET /execution-parameters`` (AWS's developer guide, "Use Your Own
Inference Code with Batch Transform"). It knows the three parameters and their limits; it must not
know how a container is asked.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_sagemaker.errors import validation_exception
from local_sagemaker.transform.mini_batches import LARGEST_PAYLOAD, MEGABYTE

PATH = "/execution-parameters"

_CONCURRENT, _PAYLOAD, _STRATEGY = "MaxConcurrentTransforms", "MaxPayloadInMB", "BatchStrategy"
_DEFAULTS = {_CONCURRENT: 1, _PAYLOAD: 6, _STRATEGY: "MULTI_RECORD"}
_STRATEGIES = {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}
_MOST = LARGEST_PAYLOAD // MEGABYTE


class ProposalError(Exception):
    """What a container proposes cannot be done."""


@dataclass(frozen=True)
class ExecutionParameters:
    """How requests are sent.

    Attributes
    ----------
    concurrent
        MaxConcurrentTransforms: how many requests an instance gets at once.
    payload_mb
        MaxPayloadInMB: largest payload in MB of 1024 * 1024 bytes.
    strategy
        ``MULTI_RECORD`` or ``SINGLE_RECORD``.
    """

    concurrent: int
    payload_mb: int
    strategy: str

    @classmethod
    def settled(
        cls, request: Mapping[str, Any], proposal: Mapping[str, Any]
    ) -> "ExecutionParameters":
        """Return what holds for a job.

        Parameters
        ----------
        request
            The parameters of CreateTransformJob.
        proposal
            What the container proposes; see `read_proposal`.

        Raises
        ------
        ProposalError
            When both together are beyond the limits.
        """
        both = {**_DEFAULTS, **proposal, **asked(request)}
        settled = cls(both[_CONCURRENT], both[_PAYLOAD], both[_STRATEGY])
        if settled.concurrent * settled.payload_mb > _MOST:
            raise ProposalError(
                f"{_too_much(settled.concurrent, settled.payload_mb)} Asked for is "
                f"{json.dumps(asked(request))}, the container proposes "
                f"{json.dumps(dict(proposal))}; set both in CreateTransformJob"
            )
        return settled

    def __str__(self) -> str:
        return (
            f"{_CONCURRENT}={self.concurrent}, {_PAYLOAD}={self.payload_mb}, "
            f"{_STRATEGY}={self.strategy}"
        )


def check(request: Mapping[str, Any]) -> None:
    """Refuse a request that is beyond the limits; ``ValidationException``."""
    payload, concurrent = request.get(_PAYLOAD, 0), request.get(_CONCURRENT, 0)
    if payload > _MOST:
        raise validation_exception(f"{_PAYLOAD} must be at most {_MOST}; it is {payload}.")
    # Where only one is set, the container has a say in the other.
    if concurrent * payload > _MOST:
        raise validation_exception(_too_much(concurrent, payload))


def asked(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the parameters that a request sets."""
    found = {
        # Zero is as good as unset (botocore's model).
        _CONCURRENT: request.get(_CONCURRENT) or None,
        _PAYLOAD: request.get(_PAYLOAD),
        _STRATEGY: _STRATEGIES.get(request.get(_STRATEGY, "")),
    }
    return {name: value for name, value in found.items() if value is not None}


def variables(request: Mapping[str, Any]) -> dict[str, str]:
    """Return what the container's environment says of a batch transform."""
    names = {
        _CONCURRENT: "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS",
        _PAYLOAD: "SAGEMAKER_MAX_PAYLOAD_IN_MB",
        _STRATEGY: "SAGEMAKER_BATCH_STRATEGY",
    }
    given = {names[name]: str(value) for name, value in asked(request).items()}
    return {"SAGEMAKER_BATCH": "true", **given}


def read_proposal(body: bytes) -> dict[str, Any]:
    """Read a container's answer; `ProposalError` when it is none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProposalError(f"its answer to GET {PATH} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ProposalError(f"its answer to GET {PATH} is not a JSON object")
    proposal = {name: content[name] for name in _DEFAULTS if content.get(name) is not None}
    for name in (_CONCURRENT, _PAYLOAD):
        value = proposal.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST:
            raise ProposalError(
                f"it proposes {name} {value!r}; a whole number from 1 to {_MOST} is needed"
            )
    if proposal.get(_STRATEGY, "MULTI_RECORD") not in _STRATEGIES.values():
        raise ProposalError(
            f"it proposes {_STRATEGY} {proposal[_STRATEGY]!r}, which is none of "
            f"{', '.join(_STRATEGIES.values())}"
        )
    return proposal


def _too_much(concurrent: int, payload: int) -> str:
    return (
        f"{_CONCURRENT} * {_PAYLOAD} must be at most {_MOST}; it is {concurrent} * {payload} = "
        f"{concurrent * payload}."
    )
