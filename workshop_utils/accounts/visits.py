"""What is done in each account: a check before and after the day, and a reset.

It knows what preflight and clean-up report; it must not know threads, or how things are shown.
"""

import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from botocore.exceptions import BotoCoreError, ClientError

from workshop_utils import cleanup, preflight
from workshop_utils.accounts.doors import Door
from workshop_utils.accounts.listed import Account
from workshop_utils.accounts.overview import Overview, Row
from workshop_utils.accounts.progress import Progress
from workshop_utils.accounts.rounds import AT_ONCE, Visit, Watcher, go
from workshop_utils.session import Session

LABS = (1, 2, 3)
# What preflight finds out about the machine it runs on is not true of the accounts.
_ABOUT_THIS_MACHINE = ("Hugging Face", "Python", "packages", "memory", "disk")
_WHERE = {"aws": "AWS", "local": "the local SageMaker"}


def check(
    accounts: Sequence[Account],
    door: Door,
    watcher: Watcher | None = None,
    *,
    labs: Sequence[int] = LABS,
    at_once: int = AT_ONCE,
) -> Overview:
    """Tell which accounts are ready for the labs, and what of the workshop is in them.

    Parameters
    ----------
    accounts, door
        Which accounts, and how they are entered.
    watcher
        Is told of the progress; standard error if None.
    labs
        The labs that preflight looks after.
    at_once
        How many accounts are looked at together.
    """

    def visit(account: Account, say: Callable[[str], None]) -> Row:
        with door.open(account) as session:
            account = _with_alias(account, session)
            say("preflight")
            report = preflight.check(session, labs, leave_out=_ABOUT_THIS_MACHINE, report=say)
            say("clean-up's look")
            plan = cleanup.plan(session)
        blockers = tuple(finding.what for finding in report.of(preflight.Level.BLOCKER))
        row = replace(
            _seen(account, plan),
            blockers=blockers,
            warnings=len(report.of(preflight.Level.WARNING)),
        )
        if blockers and row.state != "failed":
            row = replace(row, state="blocked", reason="")
        return row

    # Seconds of CPU, which would otherwise be taken from the time that the first checks have.
    importlib.import_module("sagemaker.core.image_uris")
    return _round(accounts, door, visit, watcher, at_once, deletes=False)


def reset(
    accounts: Sequence[Account],
    door: Door,
    watcher: Watcher | None = None,
    *,
    delete: bool = False,
    expired: bool = False,
    at_once: int = AT_ONCE,
) -> Overview:
    """Delete what the workshop left in accounts; an account that is empty already stays so.

    Parameters
    ----------
    accounts, door
        Which accounts, and how they are entered.
    watcher
        Is told of the progress; standard error if None.
    delete
        Without it nothing is deleted, and the rows say what would be.
    expired
        Only what is past its time, as its tag says.
    at_once
        How many accounts are worked on together.
    """

    def visit(account: Account, say: Callable[[str], None]) -> Row:
        with door.open(account) as session:
            account = _with_alias(account, session)
            say("clean-up's look")
            plan = cleanup.plan(session, expired=expired)
            row = _seen(account, plan)
            if not delete:
                return replace(row, deleted=0)
            # What cannot be looked at is no reason to leave the rest.
            return _emptied(row, plan.run(say))

    return _round(accounts, door, visit, watcher, at_once, deletes=True)


def _round(
    accounts: Sequence[Account],
    door: Door,
    visit: Visit,
    watcher: Watcher | None,
    at_once: int,
    *,
    deletes: bool,
) -> Overview:
    began = time.perf_counter()
    rows = go(accounts, visit, watcher or Progress(len(accounts)), at_once)
    seconds = time.perf_counter() - began
    return Overview(tuple(rows), seconds, _WHERE[door.signed_in.mode], deletes)


def _with_alias(account: Account, session: Session) -> Account:
    """Return the account with the name that IAM has for it, if the list has none."""
    if account.name:
        return account
    try:
        found = session.client("iam").list_account_aliases()["AccountAliases"]
    except (BotoCoreError, ClientError):
        # It is for people to read, and many a role may not ask for it.
        return account
    return replace(account, name=found[0]) if found else account


def _seen(account: Account, plan: cleanup.Plan) -> Row:
    """Return what clean-up's look found, before anything is deleted."""
    left = len(plan.resources) + len(plan.unknown)
    row = Row(
        account,
        "left" if left else "ok",
        left=left,
        usd_per_hour=plan.usd_per_hour,
        unpriced=sum(one.usd_per_hour is None for one in plan.resources),
        reason=_kinds([one.words for one in plan.resources] + ["unknown"] * len(plan.unknown)),
    )
    return _unless_unseen(row, plan.unseen)


def _emptied(row: Row, result: cleanup.Result) -> Row:
    """Return what clean-up's second look found."""
    prices = {one.arn: one.usd_per_hour for one in result.plan.resources}
    left = len(result.left) + len(result.unknown)
    reason = ""
    if result.left:
        reason = f"{result.left[0]}: {result.left[0].note}"
    elif result.unknown:
        reason = f"{result.unknown[0]}: clean-up does not know this kind"
    costs = [prices.get(one.arn) for one in result.left]
    row = replace(
        row,
        state="left" if left else "ok",
        left=left,
        deleted=len(result.deleted),
        usd_per_hour=sum(cost or 0.0 for cost in costs),
        unpriced=sum(cost is None for cost in costs),
        reason=reason,
    )
    return _unless_unseen(row, result.unseen)


def _unless_unseen(row: Row, unseen: dict[str, str]) -> Row:
    if not unseen:
        return row
    kind, why = next(iter(unseen.items()))
    more = f" and {len(unseen) - 1} more kinds" if len(unseen) > 1 else ""
    reason = f"{kind}{more} could not be looked at: {why}"
    return replace(row, state="failed", reason=reason)


def _kinds(words: Sequence[str]) -> str:
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    most = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{count} {word}{'s' if count > 1 else ''}" for word, count in most)
