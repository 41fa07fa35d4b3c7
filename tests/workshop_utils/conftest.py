"""A workshop session on the local SageMaker."""

import pytest

from local_sagemaker import LocalSageMaker
from workshop_utils.session import Session, start


@pytest.fixture(scope="session")
def ws(local: LocalSageMaker) -> Session:
    """Return a session that talks to the shared server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCAL_SAGEMAKER_HOME", str(local.home))
        return start("few-shot")
