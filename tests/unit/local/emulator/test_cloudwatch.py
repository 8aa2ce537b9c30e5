"""The metrics of the queues in the local cloud's CloudWatch, and alarms on them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from labelctl.local.emulator import cloudwatch

NOW = 1_000_000.0


def message(age: float, receives: int = 0, hidden: float = 0) -> dict[str, float]:
    return {"sent_at": NOW - age, "receive_count": receives, "visible_at": NOW + hidden}


def values(*messages: dict[str, float]) -> dict[str, float]:
    answer = cloudwatch.metrics({"messages": list(messages)}, NOW)
    return {name.removeprefix("Approximate"): value for name, (value, _) in answer.items()}


def test_an_empty_queue_is_all_zeros() -> None:
    assert set(values().values()) == {0.0}


def test_messages_are_counted_by_state() -> None:
    answer = values(
        message(5), message(5, receives=1), message(5, receives=1, hidden=9), message(5, hidden=9)
    )
    assert answer["NumberOfMessagesVisible"] == 2
    assert answer["NumberOfMessagesNotVisible"] == 1
    assert answer["NumberOfMessagesDelayed"] == 1


def test_the_oldest_message_may_be_in_flight() -> None:
    assert values(message(5), message(70.9, receives=2, hidden=9))["AgeOfOldestMessage"] == 70


def test_a_message_received_too_often_does_not_count_as_the_oldest() -> None:
    assert values(message(5), message(70, receives=3))["AgeOfOldestMessage"] == 5
    assert values(message(70, receives=3))["AgeOfOldestMessage"] == 0


PROGRAM = """
import asyncio, json, time
from ministack.services import cloudwatch, sqs
from labelctl.local.emulator import cloudwatch as queue_metrics

def call(service, target, **body):
    headers = {"x-amz-target": target, "content-type": "application/x-amz-json-1.0"}
    work = service.handle_request("POST", "/", headers, json.dumps(body).encode(), {})
    status, _, answer = asyncio.run(work)
    assert status == 200, answer
    return json.loads(answer) if answer else None

def ask(action, **body):
    return call(cloudwatch, "GraniteServiceVersion20100801." + action, **body)

def states():
    return {a["AlarmName"]: a["StateValue"] for a in ask("DescribeAlarms")["MetricAlarms"]}

def alarm(name, namespace, metric, dimension, of, statistic, periods, points, missing):
    ask("PutMetricAlarm", AlarmName=name, Namespace=namespace, MetricName=metric,
        Dimensions=[{"Name": dimension, "Value": of}], Statistic=statistic, Period=300,
        EvaluationPeriods=periods, DatapointsToAlarm=points, Threshold=1.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold", TreatMissingData=missing)

def alarm_of(queue):
    alarm(queue, "AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue, "Maximum",
          1, 1, "notBreaching")

for queue in ("work", "dead"):
    call(sqs, "AmazonSQS.CreateQueue", QueueName=queue)
    alarm_of(queue)
alarm_of("none")
alarm("errors", "AWS/Lambda", "Errors", "FunctionName", "mine", "Sum", 12, 3, "missing")

metrics_before = ask("ListMetrics")["Metrics"]
queue_metrics.publish()
assert metrics_before == []
assert {m["Namespace"] for m in ask("ListMetrics")["Metrics"]} == {"AWS/SQS"}
assert states() == {"work": "OK", "dead": "OK", "none": "OK", "errors": "INSUFFICIENT_DATA"}

url = "http://localhost:4566/000000000000/dead"
call(sqs, "AmazonSQS.SendMessage", QueueUrl=url, MessageBody="x")
assert states()["dead"] == "ALARM"
assert states()["work"] == "OK"  # each alarm only depends on its own queue
call(sqs, "AmazonSQS.PurgeQueue", QueueUrl=url)
assert states()["dead"] == "OK"
history = ask("DescribeAlarmHistory", AlarmName="dead")["AlarmHistoryItems"]
assert [item["HistorySummary"] for item in history if "to ALARM" in item["HistorySummary"]]

def crash(ago, function="mine"):
    point = {"Timestamp": time.time() - ago, "Value": 1.0, "Unit": "Count", "Dimensions": {}}
    key = ("AWS/Lambda", "Errors", "FunctionName=" + function)
    cloudwatch._metric_bucket(key).append(point)

for ago in (0, 0, 0, 400):
    crash(ago)
for ago in (0, 400, 800, 1200):
    crash(ago, "another")
assert states()["errors"] == "OK"  # in two periods of three
crash(1200)
assert states()["errors"] == "ALARM"

kept = {key[0] for key, _ in cloudwatch._metrics.items()}
assert kept == {"AWS/Lambda"}, kept  # the queues' metrics are not kept
print("done")
"""


def test_cloudwatch_has_queue_metrics_and_evaluates_alarms(tmp_path: Path) -> None:
    pytest.importorskip("ministack")
    clean = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    clean |= {"STATE_DIR": str(tmp_path), "LOG_LEVEL": "ERROR"}
    program = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    done = subprocess.run(program, env=clean, capture_output=True, text=True, check=False)
    assert done.stdout == "done\n", done.stderr
