"""The pipeline's stacks: what is deployed, how it is changed and deleted, and the function's zip.

It must not know what the pipeline is used for: no photos, no labels, no messages.
"""
