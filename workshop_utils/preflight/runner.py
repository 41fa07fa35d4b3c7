"""Runs checks beside each other, each for a limited time; a broken one is a finding too.

It must not know what is checked.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from workshop_utils.preflight.finding import Finding, warning

_QUIET_SECONDS = 2.0


@dataclass(frozen=True)
class Check:
    """A check: what it is about, and what does it."""

    area: str
    run: Callable[[], Sequence[Finding]]


def run(checks: Sequence[Check], seconds: float, report: Callable[[str], None]) -> list[Finding]:
    """Return what all checks find, in their order.

    Parameters
    ----------
    checks
        Each runs in a thread of its own.
    seconds
        A check that takes longer is left alone, and is itself a finding.
    report
        Told every two seconds what is still waited for.
    """
    done: queue.SimpleQueue[tuple[int, list[Finding]]] = queue.SimpleQueue()

    def work(number: int) -> None:
        done.put((number, _findings(checks[number])))

    for number, check in enumerate(checks):
        # A check that hangs in the network must not keep the process from ending.
        name = f"preflight {check.area}"
        threading.Thread(target=work, args=(number,), name=name, daemon=True).start()
    found: dict[int, list[Finding]] = {}
    began = told = time.monotonic()
    while len(found) < len(checks):
        now = time.monotonic()
        left = began + seconds - now
        if left <= 0:
            break
        try:
            number, findings = done.get(timeout=max(0.0, min(left, told + _QUIET_SECONDS - now)))
            found[number] = findings
        except queue.Empty:
            if time.monotonic() - told < _QUIET_SECONDS:
                continue
            told = time.monotonic()
            waiting = [check.area for n, check in enumerate(checks) if n not in found]
            report(f"  {len(found)} of {len(checks)} checks done; waiting for {', '.join(waiting)}")
    return [
        finding
        for number, check in enumerate(checks)
        for finding in found.get(number) or [_late(check, seconds)]
    ]


def _findings(check: Check) -> list[Finding]:
    try:
        return list(check.run()) or [_broken(check, "it found nothing at all")]
    except (BotoCoreError, ClientError) as error:
        return [denied(check.area, error)]
    except Exception as error:  # noqa: BLE001  (one broken check must not hide what others found)
        return [_broken(check, f"{type(error).__name__}: {error}")]


def denied(area: str, error: BotoCoreError | ClientError) -> Finding:
    """Return what it means that AWS did not answer a check's question."""
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        if "AccessDenied" in code or "Unauthorized" in code:
            return warning(
                area,
                f"This could not be looked at: {error}",
                "What nobody may look at may be in order or not; this is not a yes.",
                f"Allow {error.operation_name} to whoever runs preflight; aws/minimal-policy.json "
                "has all that is needed.",
            )
    return warning(
        area,
        f"AWS did not answer: {error}",
        "So this was not checked.",
        "Check the network and the credentials, and run preflight again.",
    )


def _broken(check: Check, reason: str) -> Finding:
    return warning(
        check.area,
        f"The check itself failed: {reason}",
        "So this was not checked; the other findings stand.",
        "Run preflight again; if it stays, it is a mistake in the workshop: please report it.",
    )


def _late(check: Check, seconds: float) -> Finding:
    return warning(
        check.area,
        f"No answer within {seconds:g} s.",
        "So this was not checked; the other findings stand.",
        "Check the network, and run preflight again, with more time (`--seconds`).",
    )
