"""A SageMaker that runs on a laptop: its API over HTTP, with jobs and endpoints as processes."""
