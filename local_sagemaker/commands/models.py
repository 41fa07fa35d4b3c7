"""``python -m local_sagemaker publish``, ``models`` and ``unpublish``: the models of the hub."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from local_sagemaker.commands.running import running_server
from local_sagemaker.commands.status import size
from local_sagemaker.home import Home, HomeError
from local_sagemaker.jumpstart import client
from local_sagemaker.jumpstart.entry import INSTANCE_TYPE, Entry, check_task
from local_sagemaker.jumpstart.published import PublishedModel, PublishError

_PUBLISH = """\
Put a model of one's own into the JumpStart hub, where SageMaker's SDK finds it by its id. The
model is a folder, or a tar archive of one: what a Hugging Face container serves, by
code/inference.py where there is one, else by the pipeline of its task. A zero-shot model (zstc)
without a script gets one that understands JumpStart's requests. Publishing the same again changes
nothing; other contents become a new version.
"""
_EXAMPLES = """\
examples:
  publish ./my-nli --model-id huggingface-zstc-my-nli --name "My NLI" --license MIT
  publish model.tar.gz --model-id huggingface-tc-mine --instance-type ml.m5.large
  publish ./code-only --model-id huggingface-zstc-hub --env HF_MODEL_ID=facebook/bart-large-mnli
"""


def add_model_commands(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the commands to the command line.

    Parameters
    ----------
    commands
        The subparsers of the command line.
    shared
        The options that all commands have.
    """
    command = commands.add_parser(
        "publish",
        help="put a model of one's own into the JumpStart hub",
        description=_PUBLISH,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[shared],
    )
    command.add_argument("model", metavar="MODEL", type=Path, help="its folder or tar archive")
    command.add_argument(
        "--model-id",
        metavar="ID",
        required=True,
        help="<framework>-<task>-<name>, such as huggingface-zstc-my-model",
    )
    command.add_argument("--task", help="the task, to be sure that it is the one in the id")
    command.add_argument("--name", default="", help="what people call it (default: the id)")
    command.add_argument("--description", default="", metavar="TEXT", help="one line")
    command.add_argument("--license", default="", help="such as MIT or Apache-2.0")
    command.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a variable of its container; may be repeated",
    )
    command.add_argument(
        "--instance-type",
        default=INSTANCE_TYPE,
        metavar="TYPE",
        help="what it is deployed to when nothing else is asked for (default: %(default)s)",
    )
    command.add_argument(
        "--version", metavar="VERSION", help="such as 1.2.0 (default: the one after the newest)"
    )
    command.set_defaults(run=_publish)
    command = commands.add_parser(
        "models", parents=[shared], help="list the models of the JumpStart hub"
    )
    command.add_argument("--task", help="only models of this task, such as zstc")
    command.add_argument("--all-versions", action="store_true", help="older versions as well")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(run=_list)
    command = commands.add_parser(
        "unpublish", parents=[shared], help="remove a published model from the JumpStart hub"
    )
    command.add_argument("model_id", metavar="ID", help="as `models` shows it")
    command.add_argument("--version", help="only this version")
    command.set_defaults(run=_remove)


def _publish(options: argparse.Namespace) -> int:
    server = running_server(Home(options.home))
    try:
        check_task(options.model_id, options.task)
        entry = Entry(
            model_id=options.model_id,
            name=options.name,
            description=options.description,
            license=options.license,
            environment=_variables(options.env),
            instance_type=options.instance_type,
        )
        model = client.publish(server, options.model, entry, options.version, _tell)
    except PublishError as error:
        raise HomeError(str(error)) from None
    word = "is published" if model.created else "was there already, with the same contents"
    print(f"{model.model_id} {model.version} {word} ({_size(model.size)}).")
    print(f"{model.model_data}")
    return 0


def _list(options: argparse.Namespace) -> int:
    every = client.models(running_server(Home(options.home)))
    models = every if options.all_versions else client.newest(every)
    if options.task is not None:
        models = [model for model in models if model.task == options.task]
    if options.json:
        print(json.dumps([client.to_dict(model) for model in models], indent=2))
        return 0
    if not models:
        tasks = ", ".join(sorted({model.task for model in every}))
        print(f"There is no model of the task {options.task}; there are: {tasks}.")
        return 0
    for line in _table(models):
        print(line)
    if any(model.aws for model in models):
        print("The weights of AWS's models come from the Hugging Face hub or its cache.")
    return 0


def _remove(options: argparse.Namespace) -> int:
    server = running_server(Home(options.home))
    try:
        gone = client.remove(server, options.model_id, options.version)
    except PublishError as error:
        raise HomeError(str(error)) from None
    for model in gone:
        print(f"{model.model_id} {model.version} is removed.")
    return 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _variables(given: list[str]) -> dict[str, str]:
    variables = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise PublishError(f"--env {text}: it must be NAME=VALUE")
        variables[name] = value
    return variables


def _size(count: int) -> str:
    return size(count) if count >= 1e6 else f"{count / 1e3:.0f} kB"


def _table(models: list[PublishedModel]) -> list[str]:
    head = ("MODEL ID", "VERSION", "SIZE", "LICENSE", "INSTANCE TYPE", "FROM")
    rows = [
        (
            model.model_id,
            model.version,
            _size(model.size),
            model.license or "not said",
            model.instance_type,
            "AWS" if model.aws else "this machine",
        )
        for model in models
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
