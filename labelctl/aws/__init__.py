"""AWS: clients, errors in words, and reading and writing that goes on where a single call ends.

It is the only package that imports boto3. It knows services, pages, batches and throttling. It must not
know photos or labels, a stack of labelctl's, or whether AWS is the local cloud.
"""
