"""How long it takes to check and to reset sixty full accounts with one command.

Sixty accounts of one local SageMaker get the execution role and 200 records each, of the kinds that
labs leave; one more cannot be entered. Then ``python -m workshop_utils accounts`` runs as an
instructor runs it, on the same cores as the server. Nothing else does this for a workshop. The
peer, on some accounts more of the same kind, is what is done without it: one account after another,
one request at a time, as a shell loop around the AWS CLI goes about it::

    python benchmarks/accounts.py
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from account_parts.contents import everything, fill, numbers

from benchmarks.peers.machine import machine_and_python
from local_sagemaker import LocalSageMaker
from workshop_utils import cleanup
from workshop_utils.accounts import Account, Door
from workshop_utils.session import Session, sign_in

POLICY = Path(__file__).resolve().parent.parent / "aws" / "minimal-policy.json"
BAR_SECONDS = 120.0
FIRST, FIRST_OF_PEER = 100_000_000_000, 200_000_000_000
CLOSED = "999999999999"


def command(home: Path, *arguments: str) -> tuple[float, dict[str, Any]]:
    """Run the command as an instructor does; return its seconds and its rows."""
    environment = dict(os.environ) | {
        "LOCAL_SAGEMAKER_HOME": str(home),
        "WORKSHOP_MODE": "local",
    }
    began = time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "-m", "workshop_utils", "accounts", *arguments, "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    if not ran.stdout.startswith("{"):
        raise SystemExit(f"the command failed with status {ran.returncode}: {ran.stdout}")
    return seconds, json.loads(ran.stdout)


def give_role(session: Session) -> None:
    """Make the execution role with the minimal policy, as the account template does on AWS."""
    iam = session.client("iam")
    policy = iam.create_policy(
        # IAM limits a policy's length without white space.
        PolicyName="nlp-workshop",
        PolicyDocument=json.dumps(json.loads(POLICY.read_text(encoding="utf-8"))),
    )["Policy"]["Arn"]
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}}
    iam.create_role(
        RoleName="nlp-workshop-execution",
        AssumeRolePolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{**trust, "Action": "sts:AssumeRole"}]}
        ),
    )
    iam.attach_role_policy(RoleName="nlp-workshop-execution", PolicyArn=policy)


def filled(door: Door, accounts: list[Account], records: int) -> float:
    """Fill accounts, several at a time; return how long it took."""

    def one(account: Account) -> None:
        with door.open(account) as session:
            give_role(session)
            fill(session, records)

    began = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        for done, _ in enumerate(pool.map(one, accounts), start=1):
            print(f"\r{done} of {len(accounts)} accounts filled", end="", file=sys.stderr)
    print(file=sys.stderr)
    return time.perf_counter() - began


def left(door: Door, accounts: list[Account]) -> int:
    """Return how many things of any kind are in accounts, asked of the API."""
    count = 0
    for account in accounts:
        with door.open(account) as session:
            count += sum(map(len, everything(session).values()))
    return count


def one_by_one(door: Door, accounts: list[Account]) -> float:
    """Reset accounts as the peer does; return how long it took."""
    began = time.perf_counter()
    for account in accounts:
        with door.open(account) as session:
            cleanup.plan(session).run(lambda _: None, workers=1)
    return time.perf_counter() - began


def close(door: Door, account: Account) -> None:
    """Give an account a role that trusts nobody."""
    trust = {"Version": "2012-10-17", "Statement": []}
    with door.open(account) as session:
        session.client("iam").create_role(
            RoleName=door.role, AssumeRolePolicyDocument=json.dumps(trust)
        )


def main() -> int:
    """Fill, measure, print a table; 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=60, help="how many (default: 60)")
    parser.add_argument("--records", type=int, default=200, help="in each (default: 200)")
    parser.add_argument("--peer", type=int, default=6, help="accounts for the peer (default: 6)")
    options = parser.parse_args()
    mine = [Account(number) for number in numbers(FIRST, options.accounts)]
    theirs = [Account(number) for number in numbers(FIRST_OF_PEER, options.peer)]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        os.environ["LOCAL_SAGEMAKER_HOME"] = str(home)
        with LocalSageMaker(home):
            signed_in = sign_in("local")
            door = Door(signed_in)
            close(door, Account(CLOSED))
            took = filled(door, [*mine, *theirs], options.records)
            listed = Path(folder, "accounts.csv")
            listed.write_text("\n".join([CLOSED, *(one.number for one in mine)]))
            before, _ = command(home, "check", str(listed))
            seconds, rows = command(home, "reset", str(listed), "--yes")
            after, rows_after = command(home, "check", str(listed))
            peer = one_by_one(door, theirs)
            there = left(door, mine)
    failed = [row["account"] for row in rows["accounts"] if row["state"] != "ok"]
    deleted = sum(row["deleted"] or 0 for row in rows["accounts"])
    print(f"{machine_and_python()};")
    print(f"{options.accounts} accounts with {options.records} records, filled in {took:.0f} s\n")
    print("| | accounts | s | s per account |\n| --- | --- | --- | --- |")
    for name, count, spent in (
        ("check, full", options.accounts, before),
        ("reset", options.accounts, seconds),
        ("check, empty", options.accounts, after),
        ("peer: reset one by one", options.peer, peer),
    ):
        print(f"| {name} | {count} | {spent:.1f} | {spent / max(count, 1):.2f} |")
    ready = sum(row["state"] == "ok" for row in rows_after["accounts"])
    print(f"\n{ready} accounts are ready for the labs afterwards.")
    print(f"{deleted} deleted; {there} things of any kind left; not entered: {failed}")
    reached = seconds < BAR_SECONDS and not there and failed == [CLOSED]
    print(
        f"Bar: reset under {BAR_SECONDS:.0f} s, nothing left, the closed account stops no other: "
        f"{'reached' if reached else 'missed'}."
    )
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
