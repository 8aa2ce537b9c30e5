"""The Lambda function, which labels the photos in the queue.

It knows Rekognition, the bucket, the tables and the queues, and of labelctl only `labelctl.contract`.
It uses boto3, which Lambda provides, and no other library.
"""
