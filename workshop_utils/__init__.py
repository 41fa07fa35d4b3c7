"""What the workshop's notebooks call: one module per noun that a lab speaks of.

Everything here goes through the SageMaker SDK and boto3, so it works the same against AWS and
against a local SageMaker.
"""

__version__ = "0.1.0"
