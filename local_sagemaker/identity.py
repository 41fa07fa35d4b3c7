"""Who may call: access keys, the accounts and principals they stand for, and AssumeRole.

Keys are kept in the server's database, so a notebook that was started before a restart stays
signed in. This module knows keys and principals; how a request carries a signature is
`local_sagemaker.signatures`' matter.
"""

import re
import secrets
import string
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_sagemaker.errors import AWSError

if TYPE_CHECKING:
    from local_sagemaker.database import Database

EXECUTION_ROLE = "LocalSageMakerExecutionRole"
_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::(?P<account>\d{12}):role/(?P<path>[\w+=,.@/-]+)")
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}")
# A key is kept for a day after its end, so that its user reads "expired", not "unknown".
_KEPT_AFTER_EXPIRY = 86_400.0
_ALPHABET = string.ascii_uppercase + "234567"

_TABLES = (
    """
    CREATE TABLE credentials (
        access_key TEXT PRIMARY KEY, secret TEXT NOT NULL, session_token TEXT NOT NULL,
        account TEXT NOT NULL, arn TEXT NOT NULL, user_id TEXT NOT NULL, expires REAL
    ) WITHOUT ROWID
    """,
    # The container that a key was given to, and that it ends with.
    "ALTER TABLE credentials ADD COLUMN holder TEXT NOT NULL DEFAULT ''",
)


@dataclass(frozen=True)
class Caller:
    """The principal behind a request, and the region it addressed."""

    account: str
    region: str
    arn: str
    user_id: str
    access_key: str


@dataclass(frozen=True)
class Credentials:
    """A key that this server issued; ``expiration`` is in seconds since the epoch, or None."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: float | None = None

    def __repr__(self) -> str:
        return f"Credentials(access_key_id={self.access_key_id!r})"


@dataclass(frozen=True)
class Principal:
    """What the store knows of one access key."""

    credentials: Credentials
    account: str
    arn: str
    user_id: str

    def expired(self, now: float) -> bool:
        """Tell whether the key's time is over."""
        expiration = self.credentials.expiration
        return expiration is not None and now >= expiration

    def caller(self, region: str) -> Caller:
        """Return the caller that this principal is in a region."""
        return Caller(
            account=self.account,
            region=region,
            arn=self.arn,
            user_id=self.user_id,
            access_key=self.credentials.access_key_id,
        )


@dataclass(frozen=True)
class UserKey:
    """An access key of an IAM user, with the ARN and the unique id of the user."""

    access_key: str
    secret: str
    arn: str
    user_id: str

    def __repr__(self) -> str:
        return f"UserKey(access_key={self.access_key!r})"


class Identity:
    """The credential store.

    Parameters
    ----------
    database
        Where keys are kept.
    account
        The account of the first caller.
    clock
        Returns the time in seconds since the epoch.
    """

    def __init__(
        self, database: "Database", account: str, clock: Callable[[], float] = time.time
    ) -> None:
        database.migrate("identity", _TABLES)
        self._database = database
        self._account = account
        self._clock = clock
        # Every request asks for its key: what was read once is not read again.
        self._principals: dict[str, Principal] = {}
        # What is read while keys are taken away may be one of them.
        self._taken_away = 0

    def root(self) -> Credentials:
        """Return the key of the local user, issued on first use.

        It acts as an assumed execution role, as a Studio notebook does, so that the SDK's
        ``get_execution_role()`` works.
        """
        arn = _assumed_role_arn(self._account, EXECUTION_ROLE, "local")
        rows = self._database.query(
            "SELECT access_key FROM credentials WHERE arn = ? AND expires IS NULL", (arn,)
        )
        if rows:
            principal = self.principal(rows[0]["access_key"])
            if principal is not None:
                return principal.credentials
        return self.issue(self._account, arn, f"{_unique('AROA')}:local", lifetime=None)

    def issue(
        self, account: str, arn: str, user_id: str, *, lifetime: float | None, holder: str = ""
    ) -> Credentials:
        """Make a key and keep it.

        Parameters
        ----------
        account, arn, user_id
            The principal that it stands for.
        lifetime
            Seconds until it expires; None for never.
        holder
            For whom, if it is to end with `revoke`.
        """
        credentials = Credentials(
            access_key_id=_unique("ASIA"),
            secret_access_key=secrets.token_urlsafe(30),
            session_token=secrets.token_urlsafe(96),
            expiration=None if lifetime is None else self._clock() + lifetime,
        )
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM credentials WHERE expires < ?", (self._clock() - _KEPT_AFTER_EXPIRY,)
            )
            connection.execute(
                "INSERT INTO credentials VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    credentials.access_key_id,
                    credentials.secret_access_key,
                    credentials.session_token,
                    account,
                    arn,
                    user_id,
                    credentials.expiration,
                    holder,
                ),
            )
        limit = self._clock() - _KEPT_AFTER_EXPIRY
        # In place: a copy that is put back would bring back what another thread forgets meanwhile.
        for key, principal in self._principals.copy().items():
            if principal.expired(limit):
                self._principals.pop(key, None)
        return credentials

    def principal(self, access_key: str) -> Principal | None:
        """Return whom a key stands for, expired or not; None for a key never issued."""
        known = self._principals.get(access_key)
        if known is not None:
            return known
        before = self._taken_away
        rows = self._database.query("SELECT * FROM credentials WHERE access_key = ?", (access_key,))
        if not rows:
            return None
        row = rows[0]
        principal = Principal(
            Credentials(row["access_key"], row["secret"], row["session_token"], row["expires"]),
            account=row["account"],
            arn=row["arn"],
            user_id=row["user_id"],
        )
        self._principals[access_key] = principal
        if self._taken_away != before:
            self._principals.pop(access_key, None)
        return principal

    def set_user_keys(self, account: str, keys: Sequence[UserKey]) -> None:
        """Let exactly these keys of an account's users sign; inside a transaction or not.

        Parameters
        ----------
        account
            Whose users.
        keys
            All active keys. Others of this account's users are refused from now on.
        """
        with self._database.transaction() as connection:
            # Only a user's key comes without a session token.
            mine = "account = ? AND session_token = ''"
            rows = self._database.query(
                f"SELECT access_key, arn FROM credentials WHERE {mine}",  # noqa: S608  (a constant)
                (account,),
            )
            if {(row["access_key"], row["arn"]) for row in rows} == {
                (key.access_key, key.arn) for key in keys
            }:
                return
            connection.execute(
                f"DELETE FROM credentials WHERE {mine}",  # noqa: S608  (a constant)
                (account,),
            )
            connection.executemany(
                "INSERT INTO credentials VALUES (?, ?, '', ?, ?, ?, NULL, '')",
                [(key.access_key, key.secret, account, key.arn, key.user_id) for key in keys],
            )
        self._forget({row["access_key"] for row in rows})

    def revoke(self, holder: str | None = None) -> None:
        """End the keys of one holder, or of all holders."""
        which, parameters = ("holder = ?", (holder,)) if holder else ("holder != ''", ())
        with self._database.transaction() as connection:
            rows = connection.execute(
                f"SELECT access_key FROM credentials WHERE {which}",  # noqa: S608  (constants)
                parameters,
            ).fetchall()
            if rows:
                connection.execute(
                    f"DELETE FROM credentials WHERE {which}",  # noqa: S608  (constants)
                    parameters,
                )
        self._forget({row["access_key"] for row in rows})

    def _forget(self, access_keys: set[str]) -> None:
        self._taken_away += 1
        for access_key in access_keys:
            self._principals.pop(access_key, None)

    def assume_role(
        self,
        role_arn: str,
        session_name: str,
        lifetime: float,
        *,
        account: str | None = None,
        holder: str = "",
    ) -> tuple[Credentials, Principal]:
        """Issue a key that acts as a role, of this account or another.

        Parameters
        ----------
        role_arn, session_name
            The role, and how the session is called.
        lifetime
            Seconds until the key expires.
        account
            Where to act, whatever account the ARN names; that one if None.
        holder
            See `issue`.

        Raises
        ------
        AWSError
            ``ValidationError`` when the ARN or the session name is not well formed.
        """
        match = _ROLE_ARN.fullmatch(role_arn)
        if match is None:
            raise AWSError("ValidationError", f"{role_arn} is invalid")
        if not _SESSION_NAME.fullmatch(session_name):
            raise AWSError(
                "ValidationError",
                f"1 validation error detected: Value '{session_name}' at 'roleSessionName' failed "
                "to satisfy constraint: Member must satisfy regular expression pattern: "
                "[\\w+=,.@-]*",
            )
        account = account or match["account"]
        role = match["path"].rpartition("/")[2]
        arn = _assumed_role_arn(account, role, session_name)
        user_id = f"{_unique('AROA')}:{session_name}"
        credentials = self.issue(account, arn, user_id, lifetime=lifetime, holder=holder)
        principal = self.principal(credentials.access_key_id)
        if principal is None:
            raise RuntimeError("a key that was just issued is not in the store")
        return credentials, principal


def _assumed_role_arn(account: str, role: str, session: str) -> str:
    return f"arn:aws:sts::{account}:assumed-role/{role}/{session}"


def _unique(prefix: str) -> str:
    # IAM's unique identifiers: a four-letter prefix for the kind and 16 base-32 characters.
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(16))
