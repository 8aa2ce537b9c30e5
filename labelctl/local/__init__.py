"""The local cloud: the emulator behind our gateway, and the recogniser that stands in for Rekognition.

It must not know the commands: they meet at AWS's variables.

In the command's process:

    engine.py          start, stop, look at and reset the two processes
    environment.py     the variables that point AWS's tools at them
    folder.py          the data folder: whose it is, and the record in it
    credentials.py     the data folder's access key, which signs every request
    health.py          a health check in which both sides prove that they know the secret
    processes.py       processes and ports, as the operating system sees them
    requirements.py    what has to be installed
    repair.py          what a start puts right
    watch.py           tells a command at work that the local cloud has stopped answering

emulator/ runs in the emulator's process, on what persistence/ keeps. rekognition/ has a process of its
own, and worker processes.
"""
