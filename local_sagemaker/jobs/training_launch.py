"""From a training job's request to a container that is ready to start: files and a command.

There are three ways in: ModelTrainer's drivers, an explicit ContainerEntrypoint, and script mode.
It knows the layout of /opt/ml; it must not know a job's states.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_sagemaker import archives
from local_sagemaker.containers import requirements_check
from local_sagemaker.containers.container import ROOT, Container
from local_sagemaker.errors import AWSError
from local_sagemaker.jobs import profiler_rules, script_mode
from local_sagemaker.jobs.channels import ChannelError, stage
from local_sagemaker.jobs.s3_locations import S3Location
from local_sagemaker.s3.objects import Objects

_DRIVERS = "sm_drivers"
# The SDK's script that puts inference code into a model, between the steps of a pipeline.
_REPACK = "_repack_model.py"
_WHAT_RUNS = (
    "It runs the code that a request brings along: the source_code of SDK v3's ModelTrainer, a "
    "ContainerEntrypoint, or script mode (hyperparameters sagemaker_program and "
    "sagemaker_submit_directory)."
)


class LaunchError(Exception):
    """The job cannot be started; the message is its failure reason."""


@dataclass(frozen=True)
class Launch:
    """What to start.

    Attributes
    ----------
    command
        Program and arguments.
    directory
        Its working directory.
    variables
        Those that the platform or the training toolkit sets.
    python_path
        Folders from which Python imports first.
    script
        The script's command line where the toolkit would run it, or None.
    """

    command: list[str]
    directory: Path
    variables: dict[str, str]
    python_path: tuple[Path, ...] = ()
    script: str | None = None


def refusal(request: dict[str, Any]) -> str | None:
    """Return why a request asks for something that is not run locally, or None.

    Parameters
    ----------
    request
        The parameters of CreateTrainingJob.
    """
    algorithm = request.get("AlgorithmSpecification", {})
    resources = request.get("ResourceConfig", {})
    groups = resources.get("InstanceGroups", [])
    instances = sum(group["InstanceCount"] for group in groups) or resources.get("InstanceCount", 1)
    checkpoints = request.get("CheckpointConfig", {}).get("LocalPath", ROOT)
    if "ServerlessJobConfig" in request:
        return "ServerlessJobConfig is given"
    if "AlgorithmName" in algorithm:
        return f"AlgorithmName {algorithm['AlgorithmName']} is given"
    if instances > 1:
        return f"the job has InstanceCount {instances}"
    if profiler_rules.needed(request):
        return "debugger or profiler rules are given"
    if not f"{checkpoints}/".startswith(f"{ROOT}/"):
        return f"checkpoints have the LocalPath {checkpoints}, which is not below {ROOT}"
    hyperparameters = script_mode.Hyperparameters.decode(
        request.get("HyperParameters", {}), request.get("Environment", {})
    )
    if "ContainerEntrypoint" in algorithm:
        return None
    if hyperparameters.launcher is not None:
        return f"{hyperparameters.launcher} asks for a distributed launcher"
    if hyperparameters.program is not None:
        return None
    image = algorithm.get("TrainingImage", "none")
    return f"there is no code but that of the image, {image}. {_WHAT_RUNS}"


def prepare(
    container: Container,
    objects: Objects,
    account: str,
    request: dict[str, Any],
    say: Callable[[str], None],
) -> Launch:
    """Lay out the container of a training job.

    Parameters
    ----------
    container
        An empty one.
    objects, account
        Where the request's objects are, and whose.
    request
        The parameters of CreateTrainingJob.
    say
        Takes sentences for the job's log.

    Raises
    ------
    LaunchError
        When something the request names is not there or cannot be used.
    """
    root = container.root
    for name in ("input/config", "input/data", "model", "output/data", "output/intermediate"):
        (root / name).mkdir(parents=True)
    for name in ("checkpoints", "code"):
        (root / name).mkdir()
    if request.get("EnableNetworkIsolation"):
        say("WARNING: EnableNetworkIsolation is recorded, but the network is not cut off locally")
    configuration = _Configuration(container, request)
    configuration.write()
    try:
        for channel in request.get("InputDataConfig", []):
            stage(objects, account, channel, root / "input" / "data" / channel["ChannelName"])
    except ChannelError as error:
        raise LaunchError(str(error)) from error
    _restore_checkpoints(container, objects, account, request)
    _rewrite_drivers(container)
    algorithm = request["AlgorithmSpecification"]
    if "ContainerEntrypoint" in algorithm:
        words = [*algorithm["ContainerEntrypoint"], *algorithm.get("ContainerArguments", [])]
        drivers = (root / "input" / "data" / _DRIVERS).exists()
        return Launch(
            [container.relocate(word) for word in words],
            root / "code",
            # SDK v3's drivers set these variables themselves, in their own way.
            {} if drivers else configuration.variables(),
        )
    return _script(container, objects, account, configuration, say)


class _Configuration:
    """The three files below ``input/config``, and the variables that follow from them."""

    def __init__(self, container: Container, request: dict[str, Any]) -> None:
        self._root = container.root
        self._job = request["TrainingJobName"]
        strings = request.get("HyperParameters", {})
        self._strings = {key: container.relocate(value) for key, value in strings.items()}
        self._resources = script_mode.resource_config(_instance_type(request))
        self._inputs = script_mode.input_data_config(
            request.get("InputDataConfig", []),
            request["AlgorithmSpecification"].get("TrainingInputMode", "File"),
        )
        self.hyperparameters = script_mode.Hyperparameters.decode(
            self._strings, request.get("Environment", {})
        )

    def write(self) -> None:
        for name, content in {
            "hyperparameters": self._strings,
            "resourceconfig": self._resources,
            "inputdataconfig": self._inputs,
        }.items():
            path = self._root / "input" / "config" / f"{name}.json"
            path.write_text(json.dumps(content))

    def variables(self) -> dict[str, str]:
        return script_mode.variables(
            self._root,
            job_name=self._job,
            hyperparameters=self.hyperparameters,
            resources=self._resources,
            inputs=self._inputs,
        )


def _instance_type(request: dict[str, Any]) -> str:
    resources = request.get("ResourceConfig", {})
    groups = resources.get("InstanceGroups") or [{}]
    return str(resources.get("InstanceType") or groups[0].get("InstanceType", "local"))


def _restore_checkpoints(
    container: Container, objects: Objects, account: str, request: dict[str, Any]
) -> None:
    config = request.get("CheckpointConfig")
    if config is None:
        return
    folder = checkpoint_folder(container, request)
    channel = {
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3Uri": config["S3Uri"].rstrip("/") + "/",
            }
        }
    }
    try:
        stage(objects, account, channel, folder)
    except (ChannelError, AWSError) as error:
        raise LaunchError(f"cannot restore checkpoints: {error}") from error


def checkpoint_folder(container: Container, request: dict[str, Any]) -> Path:
    """Return where a job's checkpoints are."""
    return container.inside(request["CheckpointConfig"].get("LocalPath", f"{ROOT}/checkpoints"))


def _rewrite_drivers(container: Container) -> None:
    """Point SDK v3's own scripts at this container; the user's code is left alone.

    They name /opt/ml in many places (``sagemaker.train.templates``, ``container_drivers``), and
    one of them runs ``pip install``, in whose place the requirements are checked.
    """
    data = container.root / "input" / "data"
    drivers = data / _DRIVERS
    if not drivers.exists():
        return
    for path in drivers.rglob("*"):
        _relocate(container, path)
    _relocate(container, data / "code" / _REPACK)
    installer = drivers / "scripts" / "install_requirements.py"
    if installer.exists():
        shutil.copyfile(requirements_check.__file__, installer)


def _relocate(container: Container, path: Path) -> None:
    """Let a text file name this container's folder where it names /opt/ml."""
    if not path.is_file():
        return
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    path.write_text(container.relocate(text), encoding="utf-8")


def _script(
    container: Container,
    objects: Objects,
    account: str,
    configuration: _Configuration,
    say: Callable[[str], None],
) -> Launch:
    hyperparameters = configuration.hyperparameters
    if hyperparameters.program is None:
        raise LaunchError(f"there is no entry point. {_WHAT_RUNS}")
    code = container.root / "code"
    if hyperparameters.submit_directory is not None:
        code = _source(container, objects, account, hyperparameters.submit_directory)
        _relocate(container, code / _REPACK)
    requirements = code / "requirements.txt"
    if requirements.exists():
        report = requirements_check.check(requirements)
        for warning in report.warnings:
            say(f"WARNING: {warning}")
        if report.missing:
            raise LaunchError(report.failure)
    try:
        command = script_mode.command(hyperparameters.program, hyperparameters.arguments(), code)
    except script_mode.EntryPointError as error:
        raise LaunchError(str(error)) from error
    return Launch(command, code, configuration.variables(), (code,), " ".join(command))


def _source(container: Container, objects: Objects, account: str, address: str) -> Path:
    """Unpack the archive of the source code; a folder in the container is taken as it is."""
    code = container.root / "code"
    try:
        if address.startswith("s3://"):
            location = S3Location.parse(address)
            archive = container.root / "tmp" / "sourcedir.tar.gz"
            objects.download(account, location.bucket, location.key, archive)
        else:
            archive = container.root / Path(address).relative_to(container.root)
            if archive.is_dir():
                return archive
        archives.extract(archive, code)
    except (AWSError, archives.ArchiveError, ValueError, OSError) as error:
        reason = error.message if isinstance(error, AWSError) else error
        raise LaunchError(f"cannot use the source code in {address}: {reason}") from error
    return code
