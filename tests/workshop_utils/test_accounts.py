"""Five accounts of one server, from one command: full, one of them closed, and empty at the end."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.account_parts.contents import everything, fill
from local_sagemaker import LocalSageMaker
from workshop_utils.__main__ import main
from workshop_utils.accounts import Account, Door
from workshop_utils.accounts.doors import ROLE
from workshop_utils.session import Session, SignedIn, sign_in

RECORDS, OBJECTS, DECOYS = 20, 3, 10

Command = Callable[..., tuple[int, dict[str, dict[str, Any]], str]]


@pytest.fixture(scope="module")
def instructor(local: LocalSageMaker) -> SignedIn:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCAL_SAGEMAKER_HOME", str(local.home))
        return sign_in("local")


@pytest.fixture
def accounts() -> list[Account]:
    first = uuid.uuid4().int % (10**12 - 5)
    return [Account(f"{first + number:012d}", f"seat {number}") for number in range(5)]


@pytest.fixture
def command(
    local: LocalSageMaker,
    accounts: list[Account],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """Return what runs the command on the five accounts: its code, its rows and what it tells."""
    monkeypatch.setenv("LOCAL_SAGEMAKER_HOME", str(local.home))
    listed = tmp_path / "accounts.csv"
    listed.write_text("".join(f"{one.number},{one.name}\n" for one in accounts))

    def run(action: str, *more: str) -> tuple[int, dict[str, dict[str, Any]], str]:
        code = main(["accounts", action, str(listed), "--json", *more])
        said = capsys.readouterr()
        rows = json.loads(said.out)["accounts"]
        return code, {row["account"]: row for row in rows}, said.err

    return run


def within(door: Door, account: Account, work: Callable[[Session], Any]) -> Any:
    with door.open(account) as session:
        return work(session)


@pytest.mark.slow
def test_five_accounts_from_full_to_empty(
    instructor: SignedIn, accounts: list[Account], command: Command
) -> None:
    door = Door(instructor)
    closed, *open_ones = accounts
    for account in open_ones:
        within(door, account, lambda session: fill(session, RECORDS, OBJECTS))
        within(door, account, lambda session: fill(session, DECOYS, OBJECTS, marked=False))
    theirs = {
        account: within(door, account, lambda session: _decoys(everything(session)))
        for account in open_ones
    }
    assert all(sum(map(len, found.values())) == DECOYS + OBJECTS for found in theirs.values())
    within(door, closed, _trust_nobody)

    code, rows, told = command("reset")
    assert code == 1
    assert rows[closed.number]["state"] == "failed"
    assert f"AccessDenied: there is no role {ROLE} that trusts {instructor.account}" in told
    for account in open_ones:
        row = rows[account.number]
        # The objects under the prefix are one thing to delete.
        assert (row["state"], row["left"], row["deleted"]) == ("left", RECORDS + 1, 0), row
    assert "Nothing was deleted" in told

    code, rows, told = command("reset", "--yes", "--at-once", "3")
    assert code == 1
    assert [rows[account.number]["state"] for account in accounts] == ["failed"] + ["ok"] * 4
    assert {rows[account.number]["deleted"] for account in open_ones} == {RECORDS + 1}
    assert told.count("[5/5]") == 1

    for account in open_ones:
        found = within(door, account, everything)
        assert found == theirs[account], "a decoy was touched, or something of ours stayed"

    code, rows, _ = command("check", "--lab", "1")
    assert {rows[account.number]["left"] for account in open_ones} == {0}
    # Nobody deployed the template here, so there is no role for jobs.
    assert {rows[account.number]["state"] for account in open_ones} == {"blocked"}
    assert rows[closed.number]["state"] == "failed"
    assert code == 1


def _decoys(found: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return what is somebody else's, by name."""
    kept = {kind: [name for name in names if "their" in name] for kind, names in found.items()}
    return {kind: names for kind, names in kept.items() if names}


def _trust_nobody(session: Session) -> None:
    session.client("iam").create_role(
        RoleName=ROLE,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}),
    )
