"""CloudWatch metrics of the SQS queues, and alarms on them, which the emulator lacks.

The metrics are computed for each request to CloudWatch and discarded afterwards, so nothing runs in
between and nothing has to be saved. Each has a single current data point; AWS has one per minute.
Alarms are evaluated at the same time, each for its own dimensions and period by period, as on AWS; the
emulator would combine all metrics of the same name. This replaces private functions of ministack
(pinned exactly), like patches.py.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

NAMESPACE = "AWS/SQS"

_POISON_RECEIVES = 3
"""A message received this many times no longer counts for the age of the oldest message. [SQS,
Available CloudWatch metrics]"""

_STATISTICS = ("SampleCount", "Sum", "Average", "Minimum", "Maximum")
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
}


def publish() -> None:
    """Add the metrics to every request to CloudWatch, and evaluate alarms with them."""
    from ministack.services import cloudwatch

    handle, evaluate_other = cloudwatch.handle_request, cloudwatch._evaluate_alarm

    async def answer(*request: Any) -> Any:
        with _with_metrics(cloudwatch):
            cloudwatch._evaluate_all_alarms()
            return await handle(*request)

    def evaluate(alarm: dict[str, Any]) -> None:
        if alarm.get("Statistic") in _STATISTICS and alarm["ComparisonOperator"] in _COMPARISONS:
            _evaluate(cloudwatch, alarm, time.time())
        else:
            evaluate_other(alarm)

    cloudwatch.handle_request = answer
    cloudwatch._evaluate_alarm = evaluate


@contextmanager
def _with_metrics(cloudwatch: Any) -> Iterator[None]:
    """Store the metrics of all queues of the caller's account and region during the block.

    The handlers in the block never yield to other requests, so no other request sees the metrics.
    """
    from ministack.services import sqs

    now = time.time()
    keys = []
    with sqs._queues_lock:
        by_queue = {
            url.rpartition("/")[2]: metrics(queue, now) for url, queue in sqs._queues.items()
        }
    for name, values in by_queue.items():
        dimensions = {"QueueName": name}
        for metric, (value, unit) in values.items():
            key = (NAMESPACE, metric, cloudwatch._dims_key(dimensions))
            point = {"Timestamp": now, "Value": value, "Unit": unit, "Dimensions": dimensions}
            cloudwatch._metrics[key] = [point]
            keys.append(key)
    try:
        yield
    finally:
        for key in keys:
            cloudwatch._metrics.pop(key, None)


def metrics(queue: dict[str, Any], now: float) -> dict[str, tuple[float, str]]:
    """The metrics of a queue, by name, each a value with its unit.

    The age of the oldest message is 0 if no message counts.
    """
    visible = delayed = in_flight = 0
    oldest = now
    for message in queue["messages"]:
        if message["visible_at"] <= now:
            visible += 1
        elif message["receive_count"]:
            in_flight += 1
        else:
            delayed += 1
        if message["receive_count"] < _POISON_RECEIVES:
            oldest = min(oldest, message.get("enqueued_at", message.get("sent_at", now)))
    return {
        "ApproximateAgeOfOldestMessage": (float(int(now - oldest)), "Seconds"),
        "ApproximateNumberOfMessagesVisible": (float(visible), "Count"),
        "ApproximateNumberOfMessagesNotVisible": (float(in_flight), "Count"),
        "ApproximateNumberOfMessagesDelayed": (float(delayed), "Count"),
    }


def _evaluate(cloudwatch: Any, alarm: dict[str, Any], now: float) -> None:
    """Set the alarm's state from the last periods of its metric."""
    state, reason = _state(cloudwatch, alarm, now)
    before = alarm["StateValue"]
    if state == before:
        return
    alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=int(now))
    cloudwatch._record_history(alarm["AlarmName"], before, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def _state(cloudwatch: Any, alarm: dict[str, Any], now: float) -> tuple[str, str]:
    dimensions = {each["Name"]: each["Value"] for each in alarm.get("Dimensions") or ()}
    key = (alarm["Namespace"], alarm["MetricName"], cloudwatch._dims_key(dimensions))
    period, periods = alarm.get("Period", 60), alarm.get("EvaluationPeriods", 1)
    points = defaultdict(list)
    for point in cloudwatch._metrics.get(key) or ():
        ago = int(now // period - point["Timestamp"] // period)
        if ago < periods:
            points[ago].append(point)
    missing = alarm.get("TreatMissingData", "missing")
    if not points and missing in ("missing", "ignore"):
        state = alarm["StateValue"] if missing == "ignore" else "INSUFFICIENT_DATA"
        return state, "No datapoints were received."
    statistic, comparison = alarm["Statistic"], alarm["ComparisonOperator"]
    threshold = alarm.get("Threshold", 0)
    values = [cloudwatch._calc_stats(each)[statistic] for each in points.values()]
    breaching = sum(_COMPARISONS[comparison](value, threshold) for value in values)
    breaching += (periods - len(values)) * (missing == "breaching")
    reason = f"{breaching} of {periods} datapoints: {statistic} {comparison} {threshold:g}"
    return ("ALARM" if breaching >= alarm.get("DatapointsToAlarm", periods) else "OK"), reason
