"""Running the pipeline: status, logs and failures; retrying photos, and repairing inconsistencies.

It knows the queues and their messages, the log and the alarms. It must not print or prompt.
"""
