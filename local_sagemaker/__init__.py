"""A SageMaker that runs on a laptop: it speaks AWS's API and really runs what it is asked to.

>>> from local_sagemaker import LocalSageMaker
>>> with LocalSageMaker() as local:  # doctest: +SKIP
...     boto3.client("sagemaker").list_training_jobs()
"""

from local_sagemaker.local import LocalSageMaker

__all__ = ["LocalSageMaker"]
__version__ = "0.1.0"
