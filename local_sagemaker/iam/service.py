"""IAM's room: answers through moto, and keeps what it acknowledges.

moto's memory is only a view of the journal: an acknowledged write is an entry there first, and
after a restart, or when keeping an entry failed, an account's entries are answered once more.
Nothing here judges a request: the local SageMaker allows what is signed.
"""

import logging
import threading
from typing import Any
from urllib.parse import parse_qs

from local_sagemaker.database import Database
from local_sagemaker.errors import AWSError
from local_sagemaker.iam.backend import MotoIam, digest
from local_sagemaker.iam.journal import Entry, Journal, new_entry
from local_sagemaker.iam.simulation import Principal, simulate
from local_sagemaker.iam.trust import Trust
from local_sagemaker.identity import Caller, Identity
from local_sagemaker.operations import Handler
from local_sagemaker.protocol import Reply

_LOG = logging.getLogger(__name__)
_READS = ("Get", "List", "Simulate")
# Each costs about 5 MB; of others the journal is replayed.
_MOST_ACCOUNTS = 16


class Iam:
    """IAM for all accounts.

    Parameters
    ----------
    database
        Where writes are kept.
    identity
        Lets in whoever signs with a key that CreateAccessKey made.
    trust
        Is told of the trust policies of roles.
    """

    def __init__(self, database: Database, identity: Identity, trust: Trust) -> None:
        self._database = database
        self._identity = identity
        self._trust = trust
        self._journal = Journal(database)
        # It comes before the database's own lock, always.
        self._lock = threading.Lock()
        self._moto: MotoIam | None = None
        # The accounts of which moto has what the journal has; the one used last comes last.
        self._current: dict[str, None] = {}

    def operations(self) -> dict[str, Handler]:
        """Return the handlers of operations that moto does not have."""
        return {
            "SimulatePrincipalPolicy": self._simulate_principal_policy,
            "SimulateCustomPolicy": self._simulate_custom_policy,
        }

    def forward(self, caller: Caller, body: bytes) -> Reply:
        """Answer a request through moto; a write is on disk before this returns.

        Parameters
        ----------
        caller
            Whose account is asked.
        body
            The form of the request.

        Raises
        ------
        AWSError
            ``NotImplemented`` when moto does not know the operation.
        """
        (action,) = parse_qs(body.decode()).get("Action", [""])[:1]
        with self._lock:
            moto = self._replayed(caller.account)
            entry = new_entry(caller.account, caller.access_key, caller.region, body)
            if action.startswith(_READS):
                return _answer(moto, entry)
            # Until the write is kept, moto's memory is ahead of the journal.
            del self._current[caller.account]
            try:
                reply = _answer(moto, entry)
                if reply.status < 300:
                    self._keep(moto, entry, reply)
                    self._current[caller.account] = None
                return reply
            finally:
                if caller.account not in self._current:
                    moto.close(caller.account)

    def _keep(self, moto: MotoIam, entry: Entry, reply: Reply) -> None:
        with self._database.transaction() as connection:
            self._journal.append(connection, entry, digest(reply))
            self._identity.set_user_keys(entry.account, moto.user_keys(entry.account))
            self._trust.put(connection, entry.account, moto.trust_policies(entry.account))

    def _replayed(self, account: str) -> MotoIam:
        """Return moto with all that the journal has of an account, and nothing else."""
        if self._moto is None:
            self._moto = MotoIam()
        if account in self._current:
            self._current[account] = self._current.pop(account)
            return self._moto
        entries = self._journal.entries(account)
        if not entries:
            entries = [(new_entry(account), "")]
            with self._database.transaction() as connection:
                self._journal.append(connection, *entries[0])
        self._moto.open(entries[0][0])
        for entry, expected in entries[1:]:
            try:
                found = digest(self._moto.answer(entry))
            except Exception:  # noqa: BLE001  (moto changed: one write must not cost all others)
                _LOG.exception("moto cannot answer again what it answered at %s", entry.time)
                found = ""
            if found != expected:
                _LOG.warning(
                    "IAM's answer to a request of account %s is not the one of %s: moto changed. "
                    "Identifiers or dates of its users and roles may be new.",
                    account,
                    entry.time,
                )
        if len(entries) > 1:
            # A journal of an earlier version: nobody took its trust policies down.
            with self._database.transaction() as connection:
                self._trust.put(connection, account, self._moto.trust_policies(account))
        self._current[account] = None
        while len(self._current) > _MOST_ACCOUNTS:
            longest_unused = next(iter(self._current))
            del self._current[longest_unused]
            self._moto.close(longest_unused)
        return self._moto

    def _simulate_principal_policy(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        arn = params["PolicySourceArn"]
        with self._lock:
            principal = self._replayed(caller.account).principal(caller.account, arn)
        if principal is None:
            raise AWSError("NoSuchEntity", f"The entity with ARN {arn} cannot be found.", 404)
        return simulate(params, principal)

    def _simulate_custom_policy(self, _: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return simulate(params, Principal({}))


def _answer(moto: MotoIam, entry: Entry) -> Reply:
    try:
        return moto.answer(entry)
    except Exception as error:
        # Not a 5xx: it would fail again however often a client repeats it.
        raise AWSError(
            "NotImplemented",
            "moto, which answers for IAM in the local SageMaker, does not know this: "
            f"{type(error).__name__}: {error}. Use AWS for it.",
        ) from error
