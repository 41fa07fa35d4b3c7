"""Jobs that run here: what a kind's row says is in `local_sagemaker.kinds.kind`."""

from local_sagemaker.kinds.kind import Override

ROWS: dict[str, Override] = {
    "AIWorkloadConfig": Override(),
    "ProcessingJob": Override(
        exists="Job name must be unique within an AWS account and region, and a job with this "
        "name already exists ({arn})",
        missing="Could not find requested job with name: {name}",
        missing_code="ValidationException",
        descending=False,
    ),
    "TrainingJob": Override(
        exists="Training job names must be unique within an AWS account and region, and a "
        "training job with this name already exists ({arn})",
        missing="Requested resource not found.",
        # The model says ResourceNotFound: https://github.com/aws/aws-sdk/issues/165
        missing_code="ValidationException",
        aliases={
            "WarmPoolStatusEquals": "WarmPoolStatus.Status",
            "TrainingPlanArnEquals": "ResourceConfig.TrainingPlanArn",
            "TrainingPlanArn": "ResourceConfig.TrainingPlanArn",
        },
        descending=False,
    ),
    "TrainingSession": Override(status="Failed"),
    "TransformJob": Override(
        exists="Job name must be unique within an AWS account and region, and a job with this "
        "name already exists ({arn})",
        missing='Could not find transform job "{arn}".',
        missing_code="ValidationException",
    ),
}
