"""The local cloud: the emulator behind our gateway, and the recogniser that stands in for Rekognition.

It must not import the commands: the only interface between them is AWS's environment variables.

In the command's process:

    engine.py          start, stop, check and reset the two processes
    environment.py     the variables that point AWS tools at them
    folder.py          the data folder: owner, lock and record
    credentials.py     the data folder's access key, which signs every request
    health.py          a health check with mutual authentication
    processes.py       operating system processes and ports
    requirements.py    what must be installed
    repair.py          repairs at startup
    watch.py           warns a running command when the local cloud stops answering

emulator/ runs in the emulator's process and stores its state with persistence/. rekognition/ runs in
its own process, with worker processes.
"""
