"""Running the pipeline: its state and log, what failed, and putting photos back to work.

It knows the queues and their messages, the log and the alarms. It must not print or ask.
"""
