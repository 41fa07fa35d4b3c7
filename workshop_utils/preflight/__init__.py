"""Preflight: before a lab starts, whether it can run here, and what to do where it cannot.

It knows which checks there are; what each of them looks at is its own module's to know. Nothing is
started, made or downloaded.
"""

import time
from collections.abc import Callable, Collection, Sequence
from functools import partial

from workshop_utils.preflight import machine, permissions, quotas, region, runner, services
from workshop_utils.preflight.finding import Finding, Level
from workshop_utils.preflight.needs import LABS
from workshop_utils.preflight.report import Report
from workshop_utils.preflight.runner import Check
from workshop_utils.session import Session

__all__ = ["Finding", "Level", "Report", "check"]

SECONDS = 60.0
"""How long a check may take; reading thousands of quotas page by page takes the longest."""
_CHECKS: tuple[tuple[str, Callable[[Session, Sequence[int]], list[Finding]]], ...] = (
    ("region", region.images),
    ("JumpStart", region.hub),
    ("permissions", permissions.check),
    ("execution role", permissions.role),
    ("quotas", quotas.check),
    ("human review", services.reviews),
    ("Hugging Face", services.hugging_face),
    ("Python", machine.python),
    ("packages", machine.packages),
    ("memory", machine.memory),
    ("disk", machine.disk),
)
_ORDER = (Level.BLOCKER, Level.WARNING, Level.OK)
# Of one lab only.
_ONLY = {"JumpStart": 2, "human review": 3}


def check(
    session: Session,
    labs: Sequence[int] = LABS,
    *,
    leave_out: Collection[str] = (),
    seconds: float = SECONDS,
    report: Callable[[str], None] = print,
) -> Report:
    """Look at everything that labs need, and say what is missing.

    Parameters
    ----------
    session
        Whose account.
    labs
        Numbers of labs: 1, 2, 3.
    leave_out
        What not to look at, by the findings' areas: this machine, for accounts elsewhere.
    seconds
        How long each check may take; all run beside each other.
    report
        Told every two seconds what is still waited for.

    Raises
    ------
    ValueError
        When there is no such lab.
    """
    if not labs or not set(labs) <= set(LABS):
        raise ValueError(f"labs is {labs!r}; the labs are {', '.join(map(str, LABS))}.")
    chosen = tuple(sorted(set(labs)))
    began = time.monotonic()
    checks = [
        Check(area, partial(run, session, chosen))
        for area, run in _CHECKS
        if _ONLY.get(area, chosen[0]) in chosen and area not in leave_out
    ]
    findings = runner.run(checks, seconds, report)
    return Report(
        account=session.account,
        region=session.region,
        caller=session.caller,
        labs=chosen,
        findings=sorted(findings, key=lambda finding: _ORDER.index(finding.level)),
        local_mode_fits=machine.fits(chosen),
        seconds=time.monotonic() - began,
    )
