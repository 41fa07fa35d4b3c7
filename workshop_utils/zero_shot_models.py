"""Which zero-shot model the lab uses: BART where it can be had, and our bi-encoder where not.

It knows the two models and what they are; it must not know what they are asked.
"""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

from workshop_utils import jumpstart, models
from workshop_utils.estimators import SCRIPTS
from workshop_utils.hub_models import JumpStartError
from workshop_utils.jumpstart import Model, WeightsMissing
from workshop_utils.session import Session
from workshop_utils.transform_jobs import Records

BI_ENCODER = "huggingface-zstc-minilm-bi-encoder"
"""The workshop's own entry in the local hub; AWS's hub has none of this id."""
AUTO = "auto"
_SCRIPT = SCRIPTS / "zero_shot" / "build.py"
_ABOUT = {
    "name": "MiniLM bi-encoder (this workshop's)",
    "description": "Zero-shot text classification by a sentence encoder: all-MiniLM-L6-v2 compares "
    "the text with each label. It is no NLI model.",
    "license": "Apache-2.0",
}


def build(session: Session, model_id: str = AUTO, **options: Any) -> Model:
    """Make a SageMaker model of a zero-shot model.

    Parameters
    ----------
    session
        Where and as whom.
    model_id
        An id of the hub. ``auto`` is BART (1.6 GB; on AWS it is always there) or, where its
        weights cannot be had and the hub is a local one, the bi-encoder; a line says which and
        why. Nothing else ever answers in a model's place.
    **options
        As `jumpstart.build` takes them: ``security``, ``tags``, ``instance_type`` and so on.

    Raises
    ------
    JumpStartError, WeightsMissing
        As `jumpstart.build` does.
    """
    if model_id == BI_ENCODER:
        publish(session)
    if model_id != AUTO:
        return jumpstart.build(session, model_id, **options)
    try:
        return jumpstart.build(session, jumpstart.BART, **options)
    except WeightsMissing as error:
        print(f"{jumpstart.BART} cannot be had here: {error}")
        if not publish(session):
            raise
        print(f"So {BI_ENCODER} is used instead: {_ABOUT['description']}")
    return jumpstart.build(session, BI_ENCODER, **options)


def records(model: Model) -> Records:
    """Return what a transform job may send it at a time.

    Our bi-encoder reads many lines at once; the containers of AWS's models read one request.
    """
    return "many" if model.about.model_id == BI_ENCODER else "one"


def publish(session: Session) -> bool:
    """Put the bi-encoder into the local hub, if it is not there; return whether the hub has it.

    On AWS this does nothing.

    Raises
    ------
    JumpStartError
        When it cannot be built.
    """
    return session.publish(BI_ENCODER, _made_of(), _build, _ABOUT)


def _build(scratch: Path) -> Path:
    folder = scratch / "model"
    print("Building the bi-encoder of the weights that came with the installation")
    done = subprocess.run(
        [sys.executable, _SCRIPT, "--model", models.local_copy(), "--output", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise JumpStartError(f"The bi-encoder cannot be built: {done.stderr.strip()}")
    return folder


def _made_of() -> str:
    total = hashlib.sha256()
    # The code that serves the encoder is shared with the few-shot lab.
    for folder in (_SCRIPT.parent, SCRIPTS / "few_shot", models.local_copy()):
        files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
        for path in sorted(files):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            total.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return total.hexdigest()[:16]
