"""Makes the AWS clients that this process keeps forget whom they talked to, as whom, and what of.

boto3 and SageMaker's SDK keep the first session or client that they made, with the credentials and
the endpoint of that moment. Whoever changes the environment calls `forget_clients`. The SDK also
keeps for hours which models JumpStart has: whoever changes those calls `forget_models`. It must
import neither library: what is not loaded has kept nothing.
"""

import sys
from typing import Any

# Private: up to SDK 3.12 both are singletons without a way to drop them; since then the first one
# has `reset`, which does the same as below.
_SDK_CACHES = (
    ("sagemaker.core.utils.utils", "SageMakerClient"),
    ("sagemaker.core.utils.logs", "CloudWatchLogsClient"),
)
_JUMPSTART = "sagemaker.core.jumpstart"


def forget_clients() -> None:
    """Drop boto3's default session and the default clients of SageMaker's SDK."""
    boto3 = sys.modules.get("boto3")
    if boto3 is not None:
        vars(boto3)["DEFAULT_SESSION"] = None
    for module, name in _SDK_CACHES:
        client = getattr(sys.modules.get(module), name, None)
        instances = getattr(type(client), "_instances", None)
        if isinstance(instances, dict):
            instances.pop(client, None)
    _renew_jumpstart_session()
    forget_models()


def forget_models() -> None:
    """Drop what SageMaker's SDK has read of JumpStart's models."""
    accessors = sys.modules.get(f"{_JUMPSTART}.accessors")
    if accessors is not None:
        accessors.JumpStartModelsAccessor._cache = None
        accessors.JumpStartS3PayloadAccessor.clear_cache()
    document = sys.modules.get(f"{_JUMPSTART}.document")
    if document is not None:
        document.get_hub_content_and_document.cache_clear()


def _renew_jumpstart_session() -> None:
    """Have JumpStart's default session make its clients anew, when it is next used.

    Functions hold it as the default of a parameter, so it is changed and not replaced.
    """
    constants: Any = sys.modules.get(f"{_JUMPSTART}.constants")
    session: Any = getattr(constants, "DEFAULT_JUMPSTART_SAGEMAKER_SESSION", None)
    kind = type(session)
    if hasattr(kind, "_resolved"):
        kind._resolved = False
    elif session is not None and vars(session):
        # Up to SDK 3.12 it is made on import, which takes too long to be done for nobody.
        def make(self: Any, name: str) -> Any:
            self.__class__ = kind
            kind.__init__(
                self, constants.boto3.Session(region_name=constants.JUMPSTART_DEFAULT_REGION_NAME)
            )
            return getattr(self, name)

        vars(session).clear()
        session.__class__ = type(kind.__name__, (kind,), {"__getattr__": make})
