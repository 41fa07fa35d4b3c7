"""From a processing job's request to a container that is ready to start: files and a command.

It knows the layout of /opt/ml/processing; it must not know a job's states.
"""

import json
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from local_sagemaker.containers.container import Container
from local_sagemaker.jobs import script_mode
from local_sagemaker.jobs.channels import ChannelError, stage
from local_sagemaker.processing import request as asked
from local_sagemaker.processing.code import Code, CodeError
from local_sagemaker.s3.objects import Objects

# Where images have their Python; the server's own takes its place.
_PYTHONS = ("python", "python3", "pip", "pip3")


class LaunchError(Exception):
    """The job cannot be started; the message is its failure reason."""


def prepare(
    container: Container,
    objects: Objects,
    account: str,
    arn: str,
    request: dict[str, Any],
    say: Callable[[str], None],
) -> list[str]:
    """Lay out the container of a processing job.

    Parameters
    ----------
    container
        An empty one.
    objects, account
        Where the request's objects are, and whose.
    arn, request
        The job's, and the parameters of CreateProcessingJob.
    say
        Takes sentences for the job's log.

    Returns
    -------
    list of str
        The command.

    Raises
    ------
    LaunchError
        When something the request names is not there or cannot be used.
    """
    for name in ("processing", "config", "output", "work"):
        (container.root / name).mkdir(exist_ok=True)
    if request.get("NetworkConfig", {}).get("EnableNetworkIsolation"):
        say("WARNING: EnableNetworkIsolation is recorded, but the network is not cut off locally")
    application = request["AppSpecification"]
    entrypoint, arguments = (
        application["ContainerEntrypoint"],
        application.get("ContainerArguments", []),
    )
    folders = []
    try:
        for one in asked.inputs(request):
            folders.append(container.inside(one.path))
            stage(objects, account, one.channel, folders[-1])
        code = Code(container, folders, say)
        code.rewrite(entrypoint, arguments, request.get("Environment", {}).get("PYTHONPATH", ""))
    except (ChannelError, CodeError) as error:
        raise LaunchError(str(error)) from error
    _write_configuration(container, arn, request)
    program, *words = [container.relocate(word) for word in (*entrypoint, *arguments)]
    return [_here(program), *words]


def working_directory(container: Container) -> Path:
    """Return where a job's command runs: an empty folder, as an image's often is."""
    return container.root / "work"


def _write_configuration(container: Container, arn: str, request: dict[str, Any]) -> None:
    """Write what tells a container about its job, with the paths that are true here."""
    resources = script_mode.resource_config(asked.instance_type(request))
    shown = {key: value for key, value in request.items() if key != "Tags"}
    for name, content in {
        "processingjobconfig": {"ProcessingJobArn": arn, **shown},
        "resourceconfig": resources,
    }.items():
        path = container.root / "config" / f"{name}.json"
        path.write_text(container.relocate(json.dumps(content)))


def _here(program: str) -> str:
    name = PurePosixPath(program).name
    return name if name in _PYTHONS else program
