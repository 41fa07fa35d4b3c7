"""The faults that are set, and which request each one strikes.

They are kept in memory only: a fault that outlived a restart would be one that nobody remembers
having set, and restarting is what people try first when something misbehaves. It must not know
HTTP, nor what an operation does.
"""

import json
import random
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from local_sagemaker.asked import Asked
from local_sagemaker.faults.catalog import CAPACITY_ERROR, LIMIT_EXCEEDED, FaultRefused
from local_sagemaker.faults.fault import Fault
from local_sagemaker.identity import Caller

MAX_FAULTS = 1000

InstanceTypes = Callable[[Caller, Mapping[str, Any]], Collection[str]]
"""Returns the instance types that a request's parameters ask for, directly or by name."""

# As Service Quotas names them; all other operations with an instance type are about endpoints.
_USES = {
    "CreateTrainingJob": "training job",
    "CreateHyperParameterTuningJob": "training job",
    "CreateProcessingJob": "processing job",
    "CreateTransformJob": "transform job",
    "CreateNotebookInstance": "notebook instance",
}
_UNPROVISIONED_JOB = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a "
    "different ML instance type."
)
_UNPROVISIONED = {
    "CreateTrainingJob": _UNPROVISIONED_JOB,
    "CreateProcessingJob": _UNPROVISIONED_JOB,
    "CreateTransformJob": _UNPROVISIONED_JOB,
}
_UNPROVISIONED_ENDPOINT = (
    "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. "
    "Please retry using a different ML instance type or after some time."
)


@dataclass(frozen=True)
class Strike:
    """A fault that a request meets.

    Attributes
    ----------
    fault
        Which one.
    message
        What the client reads.
    """

    fault: Fault
    message: str


class _Armed:
    """A fault with its count; used under the lock of `Faults` only."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.struck = 0
        # No secret hangs on it, and a seed must give the same draws again.
        self._draws = random.Random(fault.seed)

    @property
    def spent(self) -> bool:
        return self.fault.times is not None and self.struck >= self.fault.times

    def strikes(self) -> bool:
        if self.spent or self._draws.random() >= self.fault.probability:
            return False
        self.struck += 1
        return True

    def shown(self) -> dict[str, Any]:
        """Return what lists show of it."""
        told = asdict(self.fault)
        del told["answer"]
        return told | {"struck": self.struck, "active": not self.spent}


class Faults:
    """All faults of one server; none at its start.

    Parameters
    ----------
    instance_types
        Reads a request's parameters, for faults of one instance type.
    """

    def __init__(self, instance_types: InstanceTypes) -> None:
        self._instance_types = instance_types
        self._lock = threading.Lock()
        self._armed: dict[str, _Armed] = {}
        self._count = 0

    def __bool__(self) -> bool:
        return bool(self._armed)

    def add(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Set a fault and return it as `list` shows it; see `Fault.read`."""
        with self._lock:
            self._count += 1
            identifier = f"f{self._count}"
        armed = _Armed(Fault.read(identifier, asked))
        with self._lock:
            if len(self._armed) >= MAX_FAULTS:
                raise FaultRefused(f"{MAX_FAULTS} faults are set; remove some first")
            self._armed[identifier] = armed
            return armed.shown()

    def list(self) -> list[dict[str, Any]]:
        """Return all faults in the order in which they were set, those that are spent too."""
        with self._lock:
            return [armed.shown() for armed in self._armed.values()]

    def remove(self, identifier: str) -> bool:
        """Remove a fault; False when there is none of this name."""
        with self._lock:
            return self._armed.pop(identifier, None) is not None

    def clear(self) -> int:
        """Remove all faults and return how many there were."""
        with self._lock:
            count = len(self._armed)
            self._armed.clear()
            return count

    def strike(self, asked: Asked, caller: Caller, body: bytes) -> Strike | None:
        """Return the first fault that strikes a request, which then counts as struck, or None."""
        types: Collection[str] | None = None
        for armed in self._candidates(asked.service, asked.operation, caller.account):
            fault = armed.fault
            if fault.error == CAPACITY_ERROR:
                continue
            if fault.instance_type is not None:
                if types is None:
                    types = self._instance_types(caller, _parameters(body))
                if fault.instance_type not in types:
                    continue
            if self._struck(armed):
                return Strike(fault, self._message(fault, asked, caller, body))
        return None

    def shortage(self, caller: Caller, operation: str, params: Mapping[str, Any]) -> str | None:
        """Return why what an accepted request asks for cannot be provisioned, or None.

        Parameters
        ----------
        caller
            Who asked.
        operation
            Of the service ``sagemaker``.
        params
            The request's parameters.
        """
        for armed in self._candidates("sagemaker", operation, caller.account):
            fault = armed.fault
            if fault.error != CAPACITY_ERROR:
                continue
            wanted = fault.instance_type
            if wanted is not None and wanted not in self._instance_types(caller, params):
                continue
            if self._struck(armed):
                usual = _UNPROVISIONED.get(operation, _UNPROVISIONED_ENDPOINT)
                return fault.message or usual
        return None

    def _candidates(self, service: str, operation: str, account: str) -> Iterator[_Armed]:
        with self._lock:
            armed = list(self._armed.values())
        return (one for one in armed if one.fault.concerns(service, operation, account))

    def _struck(self, armed: _Armed) -> bool:
        with self._lock:
            # It may have been removed since it was looked at.
            return armed.fault.id in self._armed and armed.strikes()

    def _message(self, fault: Fault, asked: Asked, caller: Caller, body: bytes) -> str:
        if fault.message is not None or fault.answer is None:
            return fault.message or ""
        if fault.error == LIMIT_EXCEEDED:
            types = self._instance_types(caller, _parameters(body))
            wanted = fault.instance_type or next(iter(types), None)
            if wanted is not None:
                use = _USES.get(asked.operation, "endpoint")
                return _limit_exceeded(wanted, use)
        action = f"{asked.service}:{asked.operation}"
        return fault.answer.message.replace("{caller}", f"User: {caller.arn}").replace(
            "{action}", action
        )


def _limit_exceeded(instance_type: str, use: str) -> str:
    return (
        f"The account-level service limit '{instance_type} for {use} usage' is 0 Instances, with "
        "current utilization of 0 Instances and a request delta of 1 Instances. Please use AWS "
        "Service Quotas to request an increase for this quota. If AWS Service Quotas is not "
        "available, contact AWS support to request an increase for this quota."
    )


def _parameters(body: bytes) -> Mapping[str, Any]:
    try:
        params = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return {}
    return params if isinstance(params, dict) else {}
