"""The HTTP server inside an endpoint's process: `/ping`, `/invocations` and the user's functions.

It is what AWS's Hugging Face inference toolkit is in a container, and like it knows nothing of
the service around it: it imports no other part of `local_sagemaker` and takes all it needs from
its command line, its environment and the model's folder.
"""
