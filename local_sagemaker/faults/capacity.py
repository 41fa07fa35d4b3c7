"""Which instance types a request asks for, also where it only names a configuration that does.

It reads parameters and records; it must not know why somebody asks.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from local_sagemaker.identity import Caller
from local_sagemaker.store import Key, Records

_CONFIG = "EndpointConfig"


class RequestedInstances:
    """Finds instance types.

    Parameters
    ----------
    records
        Where endpoint configurations are.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    def __call__(self, caller: Caller, params: Mapping[str, Any]) -> list[str]:
        """Return the instance types, each once, in the order of the request."""
        found = list(_types(params))
        name = params.get(f"{_CONFIG}Name")
        if isinstance(name, str):
            record = self._records.get(Key(caller.account, caller.region, _CONFIG, name))
            if record is not None:
                found += _types(record.body)
        return list(dict.fromkeys(found))


def _types(content: Any) -> Iterator[str]:
    # Without recursion: nobody has checked yet how deep it is.
    left: list[tuple[str, Any]] = [("", content)]
    while left:
        name, value = left.pop()
        if name == "InstanceType" and isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            left += reversed(list(value.items()))
        elif isinstance(value, list):
            left += [("", item) for item in reversed(value)]
