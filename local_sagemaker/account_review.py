"""`AccountReview`: human review beside an AWS account that A2I is closed to.

The same API and the same portal as on a laptop, run inside a SageMaker Studio space: state on the
space's disk, answers in the account's real S3, people come through the space's Jupyter proxy. Only
the clients that it hands out talk to it; everything else of the process stays with AWS.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from local_sagemaker import daemon
from local_sagemaker.home import Home, ServerInfo

SERVICES = ("sagemaker", "sagemaker-a2i-runtime")
STUDIO_HOSTS = (".sagemaker.aws",)
"""The names under which Studio's spaces are reached (``<id>.studio.<region>.sagemaker.aws``)."""
_STUDIO_BASE = "/jupyterlab/default/"


class AccountReview:
    """The review service of one account and region.

    Parameters
    ----------
    account, region
        Of the flow definitions, and of the buckets that answers go to.
    home
        The folder of its state; one for each account and region below
        ``~/.local_sagemaker_review`` if None.
    hosts
        Names under which a proxy leads people to the portal; one that begins with a dot is every
        name below it.
    port
        The TCP port on 127.0.0.1; chosen once and kept if None.
    """

    def __init__(
        self,
        account: str,
        region: str,
        home: Path | str | None = None,
        hosts: Sequence[str] = STUDIO_HOSTS,
        port: int | None = None,
    ) -> None:
        self.account = account
        self.region = region
        self._home = Home(home or _default_home(account, region))
        self._hosts = tuple(hosts)
        self._port = port
        self._info: ServerInfo | None = None

    @property
    def home(self) -> Path:
        """The folder of its state."""
        return self._home.path

    def start(self) -> "AccountReview":
        """Start the service, or attach to the one that runs; it outlives this process.

        Raises
        ------
        StartError, HomeError
            With the reason and the remedy.
        """
        place = daemon.Place(self.account, self.region, self._hosts, answers_to_account=True)
        self._info = daemon.start(self._home, self._port, place).info
        return self

    def stop(self) -> bool:
        """Stop the service; its state is kept. Return whether one ran."""
        self._info = None
        return daemon.stop(self._home)

    @property
    def url(self) -> str:
        """Where its API is."""
        return self._running().url

    @property
    def script_link(self) -> str:
        """The link that opens the portal on this machine; it carries the access code."""
        return str(daemon.status(self._running())["review"]["url"])

    @property
    def portal(self) -> str:
        """The link that opens the portal through the space's Jupyter proxy.

        It is a path: a link in a notebook leads to the name under which the notebook was opened.
        """
        link = urlsplit(self.script_link)
        return f"{jupyter_base()}proxy/{link.port}{link.path}#{link.fragment}"

    def client(self, service: str) -> Any:
        """Return a boto3 client that talks to the service.

        Parameters
        ----------
        service
            ``sagemaker``, for task UIs, flow definitions and work teams, or
            ``sagemaker-a2i-runtime``.
        """
        if service not in SERVICES:
            raise ValueError(f"{service!r} is AWS's own; the review service has {SERVICES}.")
        credentials = self._home.credentials()
        return boto3.Session().client(
            service,
            region_name=self.region,
            endpoint_url=self.url,
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token,
            # It is on this machine, whatever proxy leads out of it.
            config=Config(proxies={}),
        )

    def _running(self) -> ServerInfo:
        if self._info is None:
            raise RuntimeError("this AccountReview is not started: call start() first")
        return self._info


def jupyter_base() -> str:
    """Return the path of this machine's Jupyter server, with a slash at both ends.

    Studio's own where none tells of itself.
    """
    with contextlib.suppress(ImportError):
        from jupyter_server.serverapp import list_running_servers

        for server in list_running_servers():
            return str(server["base_url"])
    return _STUDIO_BASE


def _default_home(account: str, region: str) -> Path:
    return Path.home() / ".local_sagemaker_review" / f"{account}-{region}"
