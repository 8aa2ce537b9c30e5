"""The local cloud: the emulator behind our gateway, and the recogniser that stands in for Rekognition.

In the command's process:

    engine.py          start, stop, look at and reset the two processes
    environment.py     the variables that point AWS's tools at them
    folder.py          the data folder: whose it is, and the record in it
    credentials.py     the data folder's access key, which signs every request
    health.py          a health check in which both sides prove that they know the secret
    processes.py       processes and ports, as the operating system sees them
    requirements.py    what has to be installed
    repair.py          what a start puts right, with function_code.py and generations.py
    watch.py           tells a command at work that the local cloud has stopped answering

In the emulator's process:

    gateway.py         lets requests in, answers them, and holds answers back until they are saved
    guard.py           who is refused whatever they sign; what a request may change
    signature.py       Signature Version 4, checked with botocore's signers
    rights.py          secrets and rights of access keys, asked of the emulator
    callbacks.py       CloudFormation's unsigned callbacks
    refusals.py        why a request was refused, in the words of each service
    error_answers.py   errors in the protocol of each service
    asgi.py            HTTP, as ASGI has it
    connections.py     how many connections are held, and for how long
    corrections.py     where the emulator differs from AWS, with metrics.py and workers.py
    hooks.py           what changes without a request
    commit.py          when to save; state.py what, generations.py where; journal.py and halves.py for
                       notifications and objects that were not saved yet
    addresses.py       the emulator's address in a saved state, when the port has changed

recogniser/ has a process of its own, and worker processes.
"""
