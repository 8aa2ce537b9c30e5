"""Deploying, changing and destroying the CloudFormation stacks, and building the function's zip.

It must not depend on what the pipeline processes: photos, labels, messages.
"""
