"""The web page where people answer the tasks of human review.

It is HTTP, HTML, CSS and JavaScript; who may do which task, and what becomes of an answer, is
`local_sagemaker.human_review`'s.
"""
