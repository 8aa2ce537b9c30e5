"""A pipeline without labelctl's template: bucket, queue, function, table."""

from __future__ import annotations

import io
import json
import zipfile

from labelctl.local import engine
from tests.e2e.engine.conftest import client

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)

FUNCTION = """
import json, os, time, urllib.parse, boto3
rows = boto3.client("dynamodb")
def handler(event, context):
    for record in event["Records"]:
        for photo in json.loads(record["body"]).get("Records", []):
            key = urllib.parse.unquote_plus(photo["s3"]["object"]["key"])
            time.sleep(float(os.environ["PAUSE"]))
            for label in range(3):
                item = {"image": {"S": key}, "label": {"N": str(label)}}
                rows.put_item(TableName="labels", Item=item)
"""


def make_pipeline(cloud: engine.Cloud, pause: str) -> None:
    """Bucket → queue → function → table, with only the necessary permissions."""
    rows, queues, s3 = (client(cloud, name) for name in ("dynamodb", "sqs", "s3"))
    rows.create_table(
        TableName="labels",
        KeySchema=[
            {"AttributeName": "image", "KeyType": "HASH"},
            {"AttributeName": "label", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "image", "AttributeType": "S"},
            {"AttributeName": "label", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    queue_arn = "arn:aws:sqs:us-east-1:000000000000:work"
    policy = {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue_arn,
            }
        ]
    }
    queues.create_queue(
        QueueName="work", Attributes={"VisibilityTimeout": "300", "Policy": json.dumps(policy)}
    )
    s3.create_bucket(Bucket="photos")
    s3.put_bucket_notification_configuration(
        Bucket="photos",
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": queue_arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    role = client(cloud, "iam").create_role(RoleName="worker", AssumeRolePolicyDocument=TRUST)
    rights = {"Statement": [{"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": "*"}]}
    client(cloud, "iam").put_role_policy(
        RoleName="worker", PolicyName="rows", PolicyDocument=json.dumps(rights)
    )
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("work.py", FUNCTION)
    functions = client(cloud, "lambda")
    functions.create_function(
        FunctionName="worker",
        Runtime="python3.13",
        Role=role["Role"]["Arn"],
        Handler="work.handler",
        Timeout=60,
        Code={"ZipFile": code.getvalue()},
        Environment={"Variables": {"PAUSE": pause}},
    )
    functions.create_event_source_mapping(
        FunctionName="worker", EventSourceArn=queue_arn, BatchSize=5
    )
