"""Where a local SageMaker lives and what a client needs to reach it.

It knows folders, the port and environment variables; it must not know any service.
"""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local_sagemaker.identity import Credentials

ACCOUNT = "111122223333"
REGION = "us-east-1"
IDLE_SECONDS = 300.0
"""How long the processes of a serverless endpoint wait for another request before they leave."""
_IDLE_VARIABLE = "LOCAL_SAGEMAKER_SERVERLESS_IDLE_SECONDS"


@dataclass(frozen=True)
class Place:
    """What differs between a laptop and an AWS account; see `Settings`."""

    account: str = ACCOUNT
    region: str = REGION
    portal_hosts: tuple[str, ...] = ()
    answers_to_account: bool = False


_PLUGINS = "BOTOCORE_EXPERIMENTAL__PLUGINS"
_PLUGIN = "local_sagemaker=local_sagemaker.botocore_plugin"
# Other credentials than the local user's, other endpoints, or no endpoint at all.
_MISLEADING = frozenset(
    {
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_SECURITY_TOKEN",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_AUTH_SCHEME_PREFERENCE",
    }
)


def default_run_dir(home: Path) -> Path:
    """Return the private folder under which jobs and sockets of one home live.

    It is short, because a Unix socket's path may have 107 bytes only (``sun_path`` in unix(7)),
    and has no space, because SDK v3's ``sm_train.sh`` does not quote paths.
    """
    identity = f"{os.getuid()}-{_fingerprint(str(home.resolve()))}"
    parent = Path(tempfile.gettempdir())
    if " " in str(parent) or len(str(parent)) > 40:
        parent = Path("/tmp")
    return parent / f"lsm-{identity}"


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Settings:
    """The fixed facts of one running server.

    Attributes
    ----------
    home
        Folder of everything that survives a restart.
    port
        TCP port on 127.0.0.1.
    run_dir
        Private folder of running jobs and sockets; see `default_run_dir`.
    account, region
        Of the first caller; further accounts come to be by AssumeRole.
    max_jobs
        How many jobs run at once; further ones wait.
    portal_hosts
        Further names under which a proxy leads people to the review portal.
    answers_to_account
        Whether answers of human review go to the S3 of the AWS account whose credentials are in
        the server's environment, and not to the server's own.
    serverless_idle_seconds
        After how long without a request the processes of a serverless endpoint leave;
        ``$LOCAL_SAGEMAKER_SERVERLESS_IDLE_SECONDS`` or five minutes.
    """

    home: Path
    port: int
    run_dir: Path
    account: str = ACCOUNT
    region: str = REGION
    max_jobs: int = field(default_factory=lambda: os.cpu_count() or 1)
    portal_hosts: tuple[str, ...] = ()
    answers_to_account: bool = False
    serverless_idle_seconds: float = field(default_factory=lambda: _idle_seconds(os.environ))

    @property
    def url(self) -> str:
        """The endpoint that clients talk to."""
        return f"http://127.0.0.1:{self.port}"

    def client_environment(self, credentials: Credentials) -> dict[str, str]:
        """Return the variables that point boto3 and the SageMaker SDK at this server.

        Parameters
        ----------
        credentials
            Whom the client acts as.
        """
        return client_environment(self.home, self.url, self.region, credentials)


def client_environment(
    home: Path, url: str, region: str, credentials: Credentials
) -> dict[str, str]:
    """Return the variables that point boto3 and the SageMaker SDK at the server of a home.

    The AWS configuration files are the home's own, so that a profile in somebody's ``~/.aws``
    neither leaks into local work nor breaks it. The variables of proxies stay, with this host
    exempted.
    """
    environment = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_CONFIG_FILE": str(home / "client" / "aws-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "client" / "aws-credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        _PLUGINS: _plugins(os.environ.get(_PLUGINS, "")),
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(home / "client" / "sagemaker-config.yaml"),
    }
    no_proxy = _no_proxy(f"{os.environ.get('NO_PROXY', '')},{os.environ.get('no_proxy', '')}")
    return environment | {"NO_PROXY": no_proxy, "no_proxy": no_proxy}


def _idle_seconds(environment: Mapping[str, str]) -> float:
    text = environment.get(_IDLE_VARIABLE) or str(IDLE_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{_IDLE_VARIABLE} is {text!r}: set it to a number of seconds above 0.")
    return seconds


def misleading(environment: Mapping[str, str]) -> list[str]:
    """Return which variables of an environment would lead a client past the local server."""
    return sorted(
        name for name in environment if name in _MISLEADING or name.startswith("AWS_ENDPOINT_URL_")
    )


def _plugins(current: str) -> str:
    others = [item for item in current.split(",") if "=" in item and item.strip() != _PLUGIN]
    return ",".join([*others, _PLUGIN])


def _no_proxy(current: str) -> str:
    hosts = [host.strip() for host in current.split(",") if host.strip()]
    return ",".join(dict.fromkeys([*hosts, "127.0.0.1", "localhost"]))


def write_client_files(home: Path) -> None:
    """Write the configuration files that `client_environment` names."""
    folder = home / "client"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "aws-config").write_text("")
    (folder / "aws-credentials").write_text("")
    # SDK v3 sends usage statistics to a fixed S3 host unless its configuration says no.
    (folder / "sagemaker-config.yaml").write_text(
        "SchemaVersion: '1.0'\n"
        "SageMaker:\n  PythonSDK:\n    Modules:\n      TelemetryOptOut: true\n"
    )
