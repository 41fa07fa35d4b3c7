"""Cleans an account up in a process of its own, which may be killed at any of its requests.

Reads a line of JSON for each run from standard input: a key, the account and at which request to
die (0: at none). Each run is a fork, so that what takes long, the imports, is done once. Writes a
line for each: ``killed``, or what the result says.
"""

import json
import os
import signal
import sys
from itertools import count
from typing import Any

import boto3

from workshop_utils import cleanup
from workshop_utils.session import PREFIX, Session


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            os.write(writer, _run(order).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as said:
            answer = said.read()
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print("killed" if killed else answer.replace("\n", " "), flush=True)


def _run(order: dict[str, Any]) -> str:
    boto = boto3.Session(**order["key"], region_name="us-east-1")
    requests = count(1)

    def die(**_: Any) -> None:
        if next(requests) == order["die_at"]:
            os.kill(os.getpid(), signal.SIGKILL)

    # Half of the time the server never hears of the request, half of the time it has answered.
    boto.events.register(order["event"], die)
    account = order["account"]
    session = Session(
        mode="local",
        lab="few-shot",
        region="us-east-1",
        account=account,
        caller="victim",
        role="",
        bucket=f"sagemaker-us-east-1-{account}",
        prefix=f"{PREFIX}/few-shot",
        boto=boto,
    )
    try:
        result = cleanup.plan(session).run(lambda _: None)
    except Exception as error:  # noqa: BLE001  (whatever it is, the test reads it)
        return f"failed: {error!r}"
    return "clean" if result.ok else f"left: {result}"


if __name__ == "__main__":
    main()
