"""The code that runs in the emulator's process.

gateway.py         authenticates requests, and delays responses until changes are saved
admission.py       refuses requests from web pages, and classifies what a request may change
signature.py       checks Signature Version 4 with botocore's signers
iam.py             secrets and permissions of access keys, looked up in the emulator
callbacks.py       CloudFormation's unsigned callbacks
refusals.py        error codes and messages for refused requests, by service
error_responses.py error responses in the protocol of each service
asgi.py            HTTP over ASGI: request heads, bodies, responses
connections.py     limits on open connections and on slow requests
patches.py         fixes for differences from AWS, with cloudwatch.py and workers.py
hooks.py           hooks for changes that happen without a request

It must not depend on labelctl's pipeline or commands.
"""
