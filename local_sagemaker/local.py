"""`LocalSageMaker`: the local server as a context manager, for notebooks and tests."""

import html
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from local_sagemaker import daemon
from local_sagemaker.botocore_plugin import redirect_without_plugins
from local_sagemaker.client_caches import forget_clients, forget_models
from local_sagemaker.control import ask
from local_sagemaker.faults.client import FaultClient
from local_sagemaker.faults.words import describe
from local_sagemaker.home import Home, HomeError, ServerInfo
from local_sagemaker.jumpstart import client
from local_sagemaker.jumpstart.entry import INSTANCE_TYPE, Entry, check_task
from local_sagemaker.jumpstart.published import PublishedModel
from local_sagemaker.settings import ACCOUNT, REGION, misleading


class LocalSageMaker:
    """A local SageMaker for as long as a ``with`` block lasts, or until `close`.

    Entering starts the server of the home or attaches to the one that runs, and points this
    process's environment at it, so that ``boto3.client("sagemaker")`` talks to it. Leaving puts
    the environment back, and stops the server only if this object started it. Blocks of one
    object may be nested: the outermost one counts.

    Parameters
    ----------
    home
        The folder of its state; ``$LOCAL_SAGEMAKER_HOME`` or ``.local_sagemaker`` below the
        working directory if None.
    port
        The TCP port on 127.0.0.1; chosen once and kept if None.

    Raises
    ------
    StartError, HomeError
        On entering, with the reason and the remedy.
    """

    def __init__(self, home: Path | str | None = None, port: int | None = None) -> None:
        self._home = Home(home)
        self._port = port
        self._info: ServerInfo | None = None
        self._fresh = False
        self._depth = 0
        self._saved: dict[str, str | None] = {}

    @property
    def url(self) -> str:
        """The endpoint of the running server."""
        return self._running().url

    @property
    def home(self) -> Path:
        """The folder of its state."""
        return self._home.path

    @property
    def portal_url(self) -> str:
        """The link that opens the review portal; it carries the access code."""
        return str(self.status()["review"]["url"])

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point a client at the running server."""
        return self._home.environment(self.url)

    @property
    def faults(self) -> FaultClient:
        """What goes wrong on purpose: ``faults.add("CreateTrainingJob", "InternalFailure")``."""
        return FaultClient(self._running)

    def start(self) -> "LocalSageMaker":
        """Start or attach, and point this process's environment at the server."""
        started = daemon.start(self._home, self._port)
        self._info = started.info
        self._fresh = self._fresh or started.fresh
        try:
            environment = self.environment
        except HomeError:
            self.close()
            raise
        loose = misleading(os.environ)
        for name in (*environment, *loose):
            self._saved.setdefault(name, os.environ.get(name))
        for name in loose:
            del os.environ[name]
        os.environ.update(environment)
        redirect_without_plugins()
        forget_clients()
        return self

    def close(self) -> None:
        """Put the environment back; stop the server if this object started it."""
        for name, value in self._saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._saved.clear()
        forget_clients()
        fresh, self._info, self._fresh = self._fresh, None, False
        if fresh:
            daemon.stop(self._home)

    def status(self) -> dict[str, Any]:
        """Return the server's state: its jobs, endpoints, and where it keeps them."""
        return daemon.status(self._running())

    def grant_quota(
        self, quota: str, value: float, *, account: str = ACCOUNT, region: str = REGION
    ) -> dict[str, Any]:
        """Set a service quota of an account, as AWS does when it approves a request.

        Parameters
        ----------
        quota
            Its name, as ``ml.g5.xlarge for endpoint usage``, or its code.
        value
            The new value.
        account, region
            Whose and where.

        Returns
        -------
        dict
            ``name``, ``code``, ``value`` and how many requests were ``approved``.

        Raises
        ------
        ControlError
            When there is no such quota, or the value is none.
        """
        asked = {"account": account, "region": region, "quota": quota, "value": value}
        return ask(self._running(), "POST", "/_local/quotas", asked)

    def publish_model(
        self,
        source: Path | str,
        model_id: str,
        *,
        task: str | None = None,
        name: str | None = None,
        description: str = "",
        license: str = "",
        environment: Mapping[str, str] | None = None,
        instance_type: str = INSTANCE_TYPE,
        version: str | None = None,
        report: Callable[[str], None] | None = None,
    ) -> PublishedModel:
        """Put a model of one's own into the JumpStart hub, where the SDK finds it by its id.

        Afterwards ``ModelBuilder.from_jumpstart_config(JumpStartConfig(model_id=model_id))``
        deploys it. Publishing the same contents again changes nothing; other contents become a
        new version.

        Parameters
        ----------
        source
            The model's folder, or a tar archive of it. It is served as by a Hugging Face
            container: by ``code/inference.py`` where there is one, else by the pipeline of its
            task. A zero-shot model (``zstc``) without a script gets one that understands
            JumpStart's requests (``sequences``, ``candidate_labels``, ``multi_class``).
        model_id
            ``<framework>-<task>-<name>``, for instance ``huggingface-zstc-my-model``: the SDK
            reads a model's framework and task off its id.
        task
            The task; the one in the id if None.
        name, description, license
            What people read about it; the name is the id if None.
        environment
            Variables of its container.
        instance_type
            What it is deployed to when nothing else is asked for.
        version
            For instance ``1.2.0``; the one after the newest if None.
        report
            Called with a line of text for each step, and every two seconds of a long one.

        Returns
        -------
        PublishedModel
            The version that is in the hub now; its ``created`` tells whether this call made it.

        Raises
        ------
        PublishError
            When the id, a value or the archive cannot be used, with what would be right; when
            this version is there with other contents; when it is an id of AWS's own.
        """
        check_task(model_id, task)
        entry = Entry(model_id, name or "", description, license, environment or {}, instance_type)
        source = Path(source).expanduser()
        try:
            return client.publish(self._running(), source, entry, version, report or _quiet)
        finally:
            forget_models()

    def published_models(self) -> list[PublishedModel]:
        """Return the newest version of every model in the JumpStart hub, by id."""
        return client.newest(client.models(self._running()))

    def remove_model(self, model_id: str, version: str | None = None) -> list[PublishedModel]:
        """Remove a published model, or one version of it, and return what was removed.

        Raises
        ------
        PublishError
            When there is none of this id and version, or when it is an id of AWS's own.
        """
        try:
            return client.remove(self._running(), model_id, version)
        finally:
            forget_models()

    def __enter__(self) -> "LocalSageMaker":
        self.start()
        self._depth += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._depth -= 1
        if not self._depth:
            self.close()

    def __repr__(self) -> str:
        state = self._info.url if self._info else "not started"
        return f"<LocalSageMaker {state} home={str(self._home.path)!r}>"

    def _repr_html_(self) -> str:
        rows = {"Home": str(self._home.path), "State": "not started"}
        if self._info is not None:
            state = self.status()
            rows |= {
                "State": "running",
                "Endpoint URL": self._info.url,
                "Account": f"{state['account']} ({state['region']})",
                "Jobs": _counted(state["jobs"]),
                "Endpoints": _counted(state["endpoints"]),
                "Tasks for people": f"{state['review']['available']} waiting",
            }
            if state["faults"]:
                rows["Faults on purpose"] = "; ".join(map(describe, state["faults"]))
        cells = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
            for name, value in rows.items()
        )
        return f"<table><caption>Local SageMaker</caption>{cells}</table>"

    def _running(self) -> ServerInfo:
        if self._info is None:
            raise RuntimeError("this LocalSageMaker is not started: use it in a `with` block")
        return self._info


def _quiet(line: str) -> None:
    del line


def _counted(items: list[dict[str, Any]]) -> str:
    states: dict[str, int] = {}
    for item in items:
        states[item["status"]] = states.get(item["status"], 0) + 1
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none"
