"""Language models to prompt: real GPT-Neo where it can be had, a small stand-in where not.

It knows where weights come from and how they get behind an endpoint; it must not know of prompts.
"""

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from workshop_utils import datasets, endpoints, estimators, instances, jumpstart, models
from workshop_utils.completions import EndpointModel
from workshop_utils.session import Session

GPT_NEO = "EleutherAI/gpt-neo-125m"
JUMPSTART_GPT_NEO = "huggingface-textgeneration1-gpt-neo-125m"
_STAND_IN = "Without internet, prompt the stand-in: language_models.stand_in(session)."
_SCRIPTS = estimators.SCRIPTS / "prompting"
_SERVING = ("inference.py", "causal_model.py", "generation_request.py")
# What a causal model of the hub is loaded from; other frameworks' weights stay behind.
_WANTED = ["*.json", "*.safetensors", "merges.txt", "vocab.*", "tokenizer.model", "LICENSE*"]


def stand_in(
    session: Session, *, steps: int = 300, instance_type: str = instances.CPU, wait: bool = True
) -> EndpointModel:
    """Deploy a GPT-Neo of one million parameters that has read the workshop's slice only.

    It shows how prompts, temperatures and end sequences work where no real model can be had, and
    tells nothing about how well a real one answers. It is trained once, where this runs, in less
    than a minute: a job's machine would take longer to start. Later calls take it from S3.

    Parameters
    ----------
    session
        Where to.
    steps
        How long to train; with fewer it writes gibberish.
    instance_type
        What serves it.
    wait
        False returns while the endpoint is coming up; its `Endpoint.wait` waits.

    Raises
    ------
    ModelError
        When it cannot be trained, with what the script said.
    """
    archive = _trained_stand_in(session, steps)
    endpoint = endpoints.deploy(
        session, archive, instance_type=instance_type, name="gpt-neo-stand-in", wait=wait
    )
    return EndpointModel(endpoint)


def from_hub(
    session: Session,
    model_id: str = GPT_NEO,
    *,
    instance_type: str = instances.CPU,
    wait: bool = True,
) -> EndpointModel:
    """Deploy a causal language model of the Hugging Face hub.

    The weights go from here to S3 and from there to the endpoint, so the endpoint itself needs
    no internet.

    Parameters
    ----------
    session
        Where to.
    model_id
        A model with weights as safetensors, small enough for the instance's memory.
    instance_type
        What serves it.
    wait
        See `stand_in`.

    Raises
    ------
    ModelError
        When the hub cannot be reached or does not have the model.
    """
    folder = _hub_copy(model_id)
    digest = _digest([folder, _SCRIPTS])
    parts = ("models", f"{model_id.replace('/', '--')}-{digest}", "model.tar.gz")
    if not _exists(session, session.uri(*parts)):
        print(f"Packing {model_id} and sending it to S3")
        with tempfile.TemporaryDirectory() as scratch:
            archive = Path(scratch) / "model.tar.gz"
            _pack(folder, archive)
            session.upload(archive, *parts)
    endpoint = endpoints.deploy(
        session, session.uri(*parts), instance_type=instance_type, name="gpt-neo", wait=wait
    )
    return EndpointModel(endpoint)


def from_container(
    session: Session, model_id: str = GPT_NEO, *, instance_type: str = instances.CPU
) -> EndpointModel:
    """Deploy a causal language model that the Hugging Face container fetches by itself.

    The container has internet access on AWS, and downloads the weights each time it starts; it
    needs no script and no data in S3. It knows neither seeds nor end sequences.

    Parameters
    ----------
    session
        Where to.
    model_id
        Of the Hugging Face hub.
    instance_type
        What serves it.

    Raises
    ------
    ModelError
        When the weights cannot be had.
    """
    try:
        endpoint = endpoints.deploy(
            session,
            None,
            instance_type=instance_type,
            environment={"HF_MODEL_ID": model_id, "HF_TASK": "text-generation"},
            name="gpt-neo-container",
        )
    except ClientError as error:
        said = str(error.response["Error"]["Message"])
        # The local SageMaker's words; on AWS the container only finds out when it starts.
        if "the weights of" not in said:
            raise
        raise models.ModelError(f"{said} {_STAND_IN}") from error
    return EndpointModel(endpoint, "pipeline")


def from_jumpstart(
    session: Session, model_id: str = JUMPSTART_GPT_NEO, *, instance_type: str = instances.AUTO
) -> EndpointModel:
    """Deploy a text generation model of JumpStart, by its id alone.

    Parameters
    ----------
    session
        Where to.
    model_id
        Of JumpStart's task ``textgeneration1``, whose containers run Text Generation Inference.
    instance_type
        What serves it; ``auto`` takes the publisher's default if the account may start one.

    Raises
    ------
    ModelError
        When the weights cannot be had.
    JumpStartError
        When the hub has no such model, or the service refuses it.
    """
    try:
        model = jumpstart.build(session, model_id, instance_type=instance_type)
    except jumpstart.WeightsMissing as error:
        raise models.ModelError(f"{error} {_STAND_IN}") from error
    return EndpointModel(jumpstart.deploy(model), "tgi")


def _trained_stand_in(session: Session, steps: int) -> str:
    """Return the S3 URI of the trained archive, which is named after what it was made from."""
    table = datasets.DATA / "train.csv"
    digest = hashlib.sha256(table.read_bytes() + _digest([_SCRIPTS]).encode()).hexdigest()[:12]
    parts = ("models", f"gpt-neo-stand-in-{steps}-steps-{digest}", "model.tar.gz")
    if _exists(session, session.uri(*parts)):
        return session.uri(*parts)
    print("Training the stand-in for GPT-Neo; this happens once")
    with tempfile.TemporaryDirectory() as scratch:
        folder, archive = Path(scratch) / "model", Path(scratch) / "model.tar.gz"
        _run_script(["--train", table.parent, "--model-dir", folder, "--steps", steps])
        _pack(folder, archive)
        return session.upload(archive, *parts)


def _run_script(arguments: list[Any]) -> None:
    """Run the script that trains the stand-in, and show what it says."""
    command = [sys.executable, str(_SCRIPTS / "train.py"), *map(str, arguments)]
    said = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                said.append(line)
                print(f"    {line}", end="")
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise models.ModelError(
            f"The stand-in cannot be trained: {''.join(said[-5:]).strip() or process.returncode}"
        )


def _hub_copy(model_id: str) -> Path:
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(model_id, allow_patterns=_WANTED))
    except Exception as error:
        # The hub's client raises whatever its many layers raise; all of it means "no weights".
        raise models.ModelError(
            f"The weights of {model_id} cannot be had from the Hugging Face hub "
            f"({type(error).__name__}: {error}). {_STAND_IN}"
        ) from error


def _pack(folder: Path, archive: Path) -> None:
    """Write a model's files and the code that serves it as ``model.tar.gz``."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        member.mode = 0o644
        return member

    # Weights hardly shrink; the fastest level halves the time.
    with tarfile.open(archive, "w:gz", compresslevel=1, dereference=True) as tar:
        for path in _files(folder):
            name = path.relative_to(folder).as_posix()
            # What serves it comes from here.
            if not name.startswith("code/"):
                tar.add(path, name, filter=plain)
        for name in _SERVING:
            content = (_SCRIPTS / name).read_bytes()
            member = tarfile.TarInfo(f"code/{name}")
            member.size = len(content)
            tar.addfile(plain(member), io.BytesIO(content))


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith((".", "__")) for part in path.parts[-2:])
    )


def _digest(folders: list[Path]) -> str:
    total = hashlib.sha256()
    for folder in folders:
        for path in _files(folder):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            total.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return total.hexdigest()[:12]


def _exists(session: Session, uri: str) -> bool:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    client: Any = session.client("s3")
    try:
        client.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
            return False
        raise
    return True
