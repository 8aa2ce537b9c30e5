"""AWS access: clients, error messages, pagination, batches, and retries when throttled.

Only this package imports boto3. It must not depend on photos, labels or labelctl's stacks, nor on
whether it talks to AWS or to the local cloud.
"""
