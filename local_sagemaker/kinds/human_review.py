"""People who answer, and what they see: the rows are explained in `local_sagemaker.kinds.kind`."""

import hashlib
from collections.abc import Mapping
from typing import Any

from local_sagemaker.kinds.kind import Override, Parent


def _template_digest(request: Mapping[str, Any]) -> dict[str, Any]:
    content: str = request["UiTemplate"]["Content"]
    return {"UiTemplate": {"ContentSha256": hashlib.sha256(content.encode()).hexdigest()}}


_WORKFORCE = Parent("Workforce", ("WorkforceName",), shown_as="WorkforceArn")

ROWS: dict[str, Override] = {
    "FlowDefinition": Override(status="Initializing"),
    "HumanTaskUi": Override(status="Active", invented=_template_digest, kept=("UiTemplate",)),
    # Those that people of one's own are in, as all are that the API makes.
    "Workforce": Override(slug="workforce/private-crowd", label="workforce", status="Active"),
    "Workteam": Override(
        slug="workteam/private-crowd",
        label="workteam",
        parents=(_WORKFORCE,),
        ignored=("WorkforceName",),
        descending=False,
    ),
}
