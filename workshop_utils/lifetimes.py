"""Until when an endpoint is needed: said on it and on what hangs off it, and said anew.

It knows which resources belong to an endpoint; it must not know who deletes them.
"""

from workshop_utils.marks import HOURS, expiry_tag
from workshop_utils.session import Session


def renew(session: Session, endpoint: str, hours: float = HOURS) -> None:
    """Say that an endpoint, its configuration and its models are needed for some hours from now.

    Parameters
    ----------
    session
        Where it is.
    endpoint
        Its name.
    hours
        See `marks.expiry_tag`.
    """
    client = session.client("sagemaker")
    state = client.describe_endpoint(EndpointName=endpoint)
    config = client.describe_endpoint_config(EndpointConfigName=state["EndpointConfigName"])
    models = [
        client.describe_model(ModelName=variant["ModelName"])["ModelArn"]
        for variant in config["ProductionVariants"]
    ]
    tag = expiry_tag(hours)
    for arn in (state["EndpointArn"], config["EndpointConfigArn"], *models):
        client.add_tags(ResourceArn=arn, Tags=[tag])
