"""What runs in the emulator's process: it lets requests in, answers them, and holds answers back.

gateway.py         lets requests in and holds answers back until what they report is saved
admission.py       who is refused whatever they sign, and what a request may change
signature.py       Signature Version 4, checked with botocore's signers
iam.py             secrets and rights of access keys, asked of the emulator
callbacks.py       CloudFormation's unsigned callbacks
refusals.py        why a request was refused, in the words of each service
error_answers.py   errors in the protocol of each service
asgi.py            HTTP, as ASGI has it
connections.py     how many connections are held, and for how long
patches.py         where the emulator differs from AWS, with cloudwatch.py and workers.py
hooks.py           what changes without a request

It must not know labelctl's pipeline or commands.
"""
