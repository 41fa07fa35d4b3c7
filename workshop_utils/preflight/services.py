"""Whether services beside SageMaker's own can be had: people who review, and the Hugging Face hub.

It must not know what a lab does with them.
"""

import os
from collections.abc import Sequence

import httpx

from workshop_utils import review_service
from workshop_utils.preflight.finding import Finding, ok, warning
from workshop_utils.session import Session

_HUB = "https://huggingface.co"
_HUB_SECONDS = 4.0
_WITHOUT_HUB = {
    1: "Lab 1 trains on the encoder that came with the installation, and a small model that is "
    "built on the spot stands in for the language model, which is then never measured",
    2: "Lab 2 takes BART from JumpStart where the account is AWS's, and our bi-encoder, under its "
    "own name, in local mode",
    3: "Lab 3 trains on the encoder that came with the installation",
}


def reviews(session: Session, _: Sequence[int]) -> list[Finding]:
    """Find out which service would ask people."""
    area = "human review"
    found, reason = review_service.available(session)
    if found is not None:
        return [ok(area, f"{found.name}: {found.why}.")]
    return [
        warning(
            area,
            f"Amazon A2I cannot be used: {reason}.",
            "Amazon A2I is closed to new customers, and needs a private team of workers.",
            "Nothing has to be done: Lab 3 starts the review service that comes along, which "
            "speaks the same API and puts the answers into your bucket. To use A2I, make a private "
            "workforce in the SageMaker console (Ground Truth, Labeling workforces).",
        )
    ]


def hugging_face(_: Session, labs: Sequence[int]) -> list[Finding]:
    """Find out whether the Hugging Face hub can be reached from this machine."""
    area = "Hugging Face"
    place = os.environ.get("HF_ENDPOINT") or _HUB
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        what = "HF_HUB_OFFLINE is set: the hub is not asked."
    else:
        try:
            answer = httpx.head(place, timeout=_HUB_SECONDS)
            if answer.status_code < 500:
                return [ok(area, f"{place} answers.")]
            what = f"{place} answers with {answer.status_code}."
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            what = f"{place} cannot be reached: {type(error).__name__} {error}".rstrip()
    fallbacks = "; ".join(_WITHOUT_HUB[lab] for lab in labs)
    return [
        warning(
            area,
            what,
            f"Without it: {fallbacks}.",
            "Nothing has to be done. To use the hub, let this machine reach it, or set "
            "HF_ENDPOINT to a mirror.",
        )
    ]
