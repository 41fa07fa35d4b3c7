"""Experiments and lineage: what a kind's row says is in `local_sagemaker.kinds.kind`."""

from local_sagemaker.kinds.kind import Override

# Messages as the service's users quote them; ARN forms, here and in the other tables, from the
# "Actions, resources, and condition keys for Amazon SageMaker" page of AWS's Service
# Authorization Reference and the patterns of botocore's model; orders from its texts.
ROWS: dict[str, Override] = {
    "Action": Override(exists_code="ValidationException"),
    "Artifact": Override(name_key="ArtifactArn"),
    "Context": Override(exists_code="ValidationException"),
    "Experiment": Override(
        exists="Experiment names must be unique within an AWS account and region. Experiment with "
        "name ({name}) already exists.",
        exists_code="ValidationException",
    ),
    "Trial": Override(
        slug="experiment-trial",
        exists="Trial names must be unique within an AWS account and region. Trial with name "
        "({name}) already exists.",
        exists_code="ValidationException",
    ),
    "TrialComponent": Override(
        slug="experiment-trial-component",
        exists="Trial component names must be unique within an AWS account and region. Trial "
        "component with name ({name}) already exists.",
        exists_code="ValidationException",
    ),
}
