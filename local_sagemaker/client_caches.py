"""Makes the AWS clients that this process keeps forget whom they talked to, and as whom.

boto3 and SageMaker's SDK keep the first session or client that they made, with the credentials and
the endpoint of that moment. Whoever changes the environment calls `forget_clients`. It must import
neither library: what is not loaded has kept nothing.
"""

import sys

# Private: up to SDK 3.12 both are singletons without a way to drop them; since then the first one
# has `reset`, which does the same as below.
_SDK_CACHES = (
    ("sagemaker.core.utils.utils", "SageMakerClient"),
    ("sagemaker.core.utils.logs", "CloudWatchLogsClient"),
)


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
