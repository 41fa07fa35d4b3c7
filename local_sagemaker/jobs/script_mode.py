"""Script mode: how hyperparameters become a command line and ``SM_*`` variables.

The rules are those of the SageMaker training toolkit (sagemaker-training 5.1.4: ``mapping``,
``environment`` and ``params``), which AWS's framework images run. It knows names and formats; it
must not know folders or processes beyond the paths it is given.
"""

import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_sagemaker.containers.machine import gpu_count, loopback_interface, usable_cores

HOST = "algo-1"
GROUP = "homogeneousCluster"

_PREFIX = "sagemaker_"
_PROGRAM = "sagemaker_program"
_SUBMIT_DIRECTORY = "sagemaker_submit_directory"
# Those with the prefix that are the toolkit's own; the others are the framework's.
_TOOLKIT = {
    _PROGRAM,
    _SUBMIT_DIRECTORY,
    "sagemaker_enable_cloudwatch_metrics",
    "sagemaker_region",
    "sagemaker_container_log_level",
    "sagemaker_job_name",
    "default_user_module_name",
    "_tuning_objective_metric",
    "sagemaker_s3_output",
}
_ENTRY_POINT = re.compile(r"[A-Za-z0-9._+][A-Za-z0-9._+-]*(/[A-Za-z0-9._+-]+)*")


class EntryPointError(Exception):
    """The name of the script to run cannot be used."""


@dataclass(frozen=True)
class Hyperparameters:
    """A job's hyperparameters, decoded, and told apart.

    Attributes
    ----------
    user
        What the script gets.
    framework
        Those with the prefix ``sagemaker_`` that are not the toolkit's own.
    program
        The script to run, or None.
    submit_directory
        Where its folder is: an S3 address or a path below /opt/ml; or None.
    log_level
        20 if not given.
    """

    user: dict[str, Any]
    framework: dict[str, Any]
    program: str | None
    submit_directory: str | None
    log_level: int

    @classmethod
    def decode(
        cls, strings: Mapping[str, str], environment: Mapping[str, str]
    ) -> "Hyperparameters":
        """Decode the request's strings: each is JSON, or, where it is not, the string itself.

        Parameters
        ----------
        strings
            ``HyperParameters`` of the request.
        environment
            ``Environment`` of the request: ``SAGEMAKER_PROGRAM`` and
            ``SAGEMAKER_SUBMIT_DIRECTORY`` count when no hyperparameter says otherwise.
        """
        decoded = {key: _decoded(value) for key, value in strings.items()}
        own = {key for key in decoded if key in _TOOLKIT or key.startswith(_PREFIX)}
        level = decoded.get("sagemaker_container_log_level", 20)
        program = decoded.get(_PROGRAM) or environment.get("SAGEMAKER_PROGRAM")
        directory = decoded.get(_SUBMIT_DIRECTORY) or environment.get("SAGEMAKER_SUBMIT_DIRECTORY")
        return cls(
            user={key: value for key, value in decoded.items() if key not in own},
            framework={key: decoded[key] for key in own if key not in _TOOLKIT},
            program=None if program is None else str(program),
            submit_directory=None if directory is None else str(directory),
            log_level=level if isinstance(level, int) else 20,
        )

    @property
    def launcher(self) -> str | None:
        """The name of the hyperparameter that asks for a distributed launcher, or None."""
        for name, value in self.framework.items():
            if name.endswith("_enabled") and value is True:
                return name
        return None

    def arguments(self) -> list[str]:
        """Return the script's arguments, sorted by name."""
        arguments: list[str] = []
        for name in sorted(self.user):
            dashes = "-" if len(name) == 1 else "--"
            arguments += [dashes + name if name else "", _argument(self.user[name])]
        return arguments


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _argument(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return ",".join(f"{key}={item}" for key, item in sorted(value.items()))
    return str(value)


def command(program: str, arguments: Sequence[str], folder: Path) -> list[str]:
    """Return the command that runs a script in its folder.

    A ``.py`` file is run by Python, or, in a folder with a ``setup.py``, as a module; anything
    else by the shell.

    Raises
    ------
    EntryPointError
        When the name is not that of a file in the folder.
    """
    if not _ENTRY_POINT.fullmatch(program) or {".", ".."} & set(program.split("/")):
        raise EntryPointError(
            f"the entry point {program!r} is not a relative path of letters, digits and . _ + - /"
        )
    path = folder / program
    if (folder / "setup.py").exists() and not program.endswith(".sh"):
        return [sys.executable, "-m", program.removesuffix(".py"), *arguments]
    if not path.is_file():
        there = ", ".join(sorted(entry.name for entry in folder.iterdir())) or "nothing"
        raise EntryPointError(f"there is no {program!r} in the source directory: it has {there}")
    if program.endswith(".py"):
        return [sys.executable, program, *arguments]
    path.chmod(0o700)
    return ["/bin/sh", "-c", f"./{shlex.quote(program)} {shlex.join(arguments)}"]


def resource_config(instance_type: str) -> dict[str, Any]:
    """Return the content of ``resourceconfig.json`` for a single host."""
    return {
        "current_host": HOST,
        "current_instance_type": instance_type,
        "current_group_name": GROUP,
        "hosts": [HOST],
        "instance_groups": [
            {"instance_group_name": GROUP, "instance_type": instance_type, "hosts": [HOST]}
        ],
        "network_interface_name": loopback_interface(),
    }


def input_data_config(channels: Sequence[dict[str, Any]], default_mode: str) -> dict[str, Any]:
    """Return the content of ``inputdataconfig.json``."""
    config = {}
    for channel in channels:
        source = channel["DataSource"].get("S3DataSource", {})
        entry = {
            "TrainingInputMode": channel.get("InputMode", default_mode),
            "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
        }
        if "ContentType" in channel:
            entry["ContentType"] = channel["ContentType"]
        config[channel["ChannelName"]] = entry
    return config


def variables(
    root: Path,
    *,
    job_name: str,
    hyperparameters: Hyperparameters,
    resources: dict[str, Any],
    inputs: dict[str, Any],
) -> dict[str, str]:
    """Return the ``SM_*`` variables of a job.

    Parameters
    ----------
    root
        The folder that plays /opt/ml.
    job_name
        The job's.
    hyperparameters
        The job's, decoded.
    resources, inputs
        The contents of ``resourceconfig.json`` and ``inputdataconfig.json``.
    """
    channels = {name: str(root / "input" / "data" / name) for name in inputs}
    group = resources["instance_groups"][0]
    program = hyperparameters.program
    facts: dict[str, Any] = {
        "channel_input_dirs": channels,
        "current_host": resources["current_host"],
        "current_instance_group": GROUP,
        "current_instance_group_hosts": group["hosts"],
        "current_instance_type": resources["current_instance_type"],
        "distribution_instance_groups": [],
        "framework_module": None,
        "hosts": resources["hosts"],
        "input_config_dir": str(root / "input" / "config"),
        "input_data_config": inputs,
        "input_dir": str(root / "input"),
        "instance_groups": [GROUP],
        "instance_groups_dict": {GROUP: group},
        "is_hetero": False,
        "log_level": hyperparameters.log_level,
        "model_dir": str(root / "model"),
        "module_dir": hyperparameters.submit_directory or str(root / "code"),
        "module_name": None if program is None else program.removesuffix(".py"),
        "network_interface_name": resources["network_interface_name"],
        "num_cpus": usable_cores(),
        "num_gpus": gpu_count(),
        "num_neurons": 0,
        "output_data_dir": str(root / "output" / "data"),
        "output_dir": str(root / "output"),
        "output_intermediate_dir": str(root / "output" / "intermediate"),
        "resource_config": resources,
        "user_entry_point": program,
    }
    training_env = {
        **facts,
        "additional_framework_parameters": hyperparameters.framework,
        "distribution_hosts": [],
        "hyperparameters": hyperparameters.user,
        "is_master": True,
        "is_modelparallel_enabled": None,
        "is_smddpmprun_installed": False,
        "is_smddprun_installed": False,
        "job_name": job_name,
        "master_hostname": resources["current_host"],
        "topology": [],
    }
    shown = {
        **{key: value for key, value in facts.items() if key != "channel_input_dirs"},
        "channels": sorted(channels),
        "framework_params": hyperparameters.framework,
        "hps": hyperparameters.user,
        "training_env": training_env,
        "user_args": hyperparameters.arguments(),
        **{f"channel_{name}": path for name, path in channels.items()},
        **{f"hp_{name}": value for name, value in hyperparameters.user.items()},
    }
    return {f"SM_{name.upper()}": _variable(value) for name, value in shown.items() if name}


def _variable(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
