"""What Docker would have done: a private folder that plays /opt/ml, an environment, a process.

Jobs and endpoints run as plain processes of this user, with the server's own Python. This module
knows folders, variables and processes; it must not know what is run in them.
"""

import logging
import os
import re
import secrets
import shlex
import shutil
import sqlite3
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from local_sagemaker.containers.machine import usable_cores
from local_sagemaker.containers.process import Exit, SupervisedProcess, sweep
from local_sagemaker.identity import Identity
from local_sagemaker.settings import Settings, client_environment

_LOG = logging.getLogger(__name__)
ROOT = "/opt/ml"
"""Where a container on AWS has what `Container.root` has here."""

_ROOT_PATH = re.compile(r"(?<![\w.-])/opt/ml(?![\w.-])")

# What a job may need from the server's environment: where the user's caches are, how to reach
# the network, how libraries thread. Everything else stays out, as it would of a container.
_INHERITED = re.compile(
    r"HOME|USER|LOGNAME|LANG|LC_\w+|TZ|XDG_CACHE_HOME|LD_LIBRARY_PATH|VIRTUAL_ENV|CONDA_PREFIX"
    r"|(?i:https?_proxy|all_proxy|no_proxy)|SSL_CERT_\w+|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
    r"|(HF|HUGGINGFACE|TRANSFORMERS|TORCH|PYTORCH|CUDA|NVIDIA|OMP|MKL|OPENBLAS|TOKENIZERS)_\w+"
)
# A role's key always expires; ten years outlive any endpoint.
_FOR_EVER = 10 * 365 * 24 * 3600.0


class Containers:
    """Makes containers below the server's run directory.

    Making this object ends what a killed server left there: processes and folders.

    Parameters
    ----------
    settings
        Where, and what clients in a container need.
    identity
        Issues the keys that a container's role acts with.
    """

    def __init__(self, settings: Settings, identity: Identity) -> None:
        self._settings = settings
        self._identity = identity
        self._folder = settings.run_dir / "c"
        self._programs = settings.run_dir / "bin"
        self._packages = settings.run_dir / "python"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        leftovers = list(self._folder.iterdir())
        if leftovers:
            sweep(str(self._folder))
        for leftover in leftovers:
            _remove(leftover)
        identity.revoke()
        _write_programs(self._programs)
        _link_package(self._packages)

    def create(self) -> "Container":
        """Make an empty container; its owner removes it."""
        root = self._folder / secrets.token_hex(4)
        root.mkdir(mode=0o700)
        (root / "tmp").mkdir()
        return Container(root, self._identity)

    def environment(
        self,
        container: "Container",
        *,
        role_arn: str,
        account: str,
        region: str,
        lifetime: float | None,
        own: Mapping[str, str],
        python_path: Sequence[Path] = (),
    ) -> dict[str, str]:
        """Return a process's environment: PATH, Python, and AWS access as a role.

        Parameters
        ----------
        container
            Where it runs.
        role_arn
            The role that its AWS clients act as.
        account, region
            Where its AWS clients act. A role of another account is none to act as: the one of
            this name in this account takes its place.
        lifetime
            Seconds for which its credentials are good; None until the container is removed.
        own
            Variables of the request. They win, but for ``PATH`` and ``PYTHONPATH``, which come
            behind what makes Python and AWS clients work.
        python_path
            Folders from which Python imports first.
        """
        if lifetime is None:
            lifetime = _FOR_EVER
        credentials, _ = self._identity.assume_role(
            role_arn, "SageMaker", lifetime, account=account, holder=str(container.root)
        )
        cores = str(usable_cores())
        environment = {
            "LANG": "C.UTF-8",
            "OMP_NUM_THREADS": cores,
            # Idle threads that spin take the cores from those that work.
            "OMP_WAIT_POLICY": "PASSIVE",
            **{key: value for key, value in os.environ.items() if _INHERITED.fullmatch(key)},
            **client_environment(self._settings.home, self._settings.url, region, credentials),
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(container.root / "tmp"),
            **{key: container.relocate(value) for key, value in own.items()},
        }
        programs = [str(self._programs), str(Path(sys.executable).parent)]
        environment["PATH"] = _joined(
            *programs, own.get("PATH"), os.environ.get("PATH", os.defpath)
        )
        environment["PYTHONPATH"] = _joined(
            *map(str, python_path), str(self._packages), own.get("PYTHONPATH")
        )
        return environment


class Container:
    """A private folder without spaces in its path, laid out as /opt/ml is, and its processes.

    Parameters
    ----------
    root
        The folder that plays /opt/ml.
    identity
        Issued the keys that it holds.
    """

    def __init__(self, root: Path, identity: Identity) -> None:
        self.root = root
        self._identity = identity

    def relocate(self, text: str) -> str:
        """Return a text with /opt/ml replaced by this container's folder."""
        return _ROOT_PATH.sub(str(self.root), text)

    def inside(self, path: str) -> Path:
        """Return where a path below /opt/ml is; ``ValueError`` for any other path."""
        relative = os.path.relpath(os.path.normpath(path), ROOT)
        if relative.startswith(".."):
            raise ValueError(f"{path} is not below {ROOT}")
        return self.root / relative

    def start(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        on_output: Callable[[bytes], None],
        on_exit: Callable[[Exit], None] | None = None,
    ) -> SupervisedProcess:
        """Start a command; see `SupervisedProcess`."""
        return SupervisedProcess(
            command,
            environment=environment,
            directory=directory,
            marker=str(self.root),
            on_output=on_output,
            on_exit=on_exit,
        )

    def remove(self) -> None:
        """Remove the folder, whatever permissions were set inside it; end the keys given to it."""
        _remove(self.root)
        try:
            self._identity.revoke(str(self.root))
        except sqlite3.Error:
            # On a full disk, or at the server's end. The next start ends them.
            _LOG.warning("the keys of %s are not revoked yet", self.root, exc_info=True)


def _joined(*paths: str | None) -> str:
    return os.pathsep.join(path for path in paths if path)


def _remove(folder: Path) -> None:
    for parent, folders, _ in os.walk(folder):
        for name in folders:
            path = Path(parent, name)
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _write_programs(folder: Path) -> None:
    """Provide python, python3, pip and pip3 under a path without spaces.

    A symbolic link would not do: from another folder, Python does not find its virtual
    environment. And a virtual environment may come without pip, which sm_train.sh looks for.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    python = shlex.quote(sys.executable)
    for name, command in {
        "python": python,
        "python3": python,
        "pip": f"{python} -m pip",
        "pip3": f"{python} -m pip",
    }.items():
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        program.chmod(0o700)


def _link_package(folder: Path) -> None:
    """Make `local_sagemaker` importable in jobs, where clients need its botocore plugin.

    The folder above it would do so too, but with everything else that lies there.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    package = Path(__file__).parent.parent
    link = folder / package.name
    link.unlink(missing_ok=True)
    link.symlink_to(package)
