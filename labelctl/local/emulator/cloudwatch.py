"""CloudWatch's numbers of the queues, and alarms on them: the emulator has the service without either.

The numbers are made when somebody asks CloudWatch for anything, and are gone when it has answered:
the emulator does nothing for them in between, and there is nothing to save. So each is of this very
moment, where AWS would tell one a minute. Alarms are judged then, too, each by its own dimensions and
period by period, as AWS does; the emulator itself throws together all metrics of a name. These are
private workings of ministack (pinned exactly), like all of `corrections`.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

NAMESPACE = "AWS/SQS"

_POISON = 3
"""Messages received so often count no longer for the age of the oldest. [SQS, Available CloudWatch
metrics]"""

_STATISTICS = ("SampleCount", "Sum", "Average", "Minimum", "Maximum")
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
}


def publish() -> None:
    """Have CloudWatch know the queues' numbers whenever it is asked, and judge alarms by them."""
    from ministack.services import cloudwatch

    handle, judged = cloudwatch.handle_request, cloudwatch._evaluate_alarm

    async def answer(*request: Any) -> Any:
        with _numbers(cloudwatch):
            cloudwatch._evaluate_all_alarms()
            return await handle(*request)

    def judge(alarm: dict[str, Any]) -> None:
        if alarm.get("Statistic") in _STATISTICS and alarm["ComparisonOperator"] in _COMPARISONS:
            _judge(cloudwatch, alarm, time.time())
        else:
            judged(alarm)

    cloudwatch.handle_request = answer
    cloudwatch._evaluate_alarm = judge


@contextmanager
def _numbers(cloudwatch: Any) -> Iterator[None]:
    """While it lasts, the metrics of all queues of the caller's account and region are there.

    The handlers within never wait for anything, so nobody else comes to see them.
    """
    from ministack.services import sqs

    now = time.time()
    keys = []
    with sqs._queues_lock:
        told = {url.rpartition("/")[2]: numbers(queue, now) for url, queue in sqs._queues.items()}
    for name, values in told.items():
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


def numbers(queue: dict[str, Any], now: float) -> dict[str, tuple[float, str]]:
    """What SQS tells CloudWatch of a queue, with the units. The age of the oldest message, in
    seconds, is 0 where none counts.
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
        if message["receive_count"] < _POISON:
            oldest = min(oldest, message.get("enqueued_at", message.get("sent_at", now)))
    return {
        "ApproximateAgeOfOldestMessage": (float(int(now - oldest)), "Seconds"),
        "ApproximateNumberOfMessagesVisible": (float(visible), "Count"),
        "ApproximateNumberOfMessagesNotVisible": (float(in_flight), "Count"),
        "ApproximateNumberOfMessagesDelayed": (float(delayed), "Count"),
    }


def _judge(cloudwatch: Any, alarm: dict[str, Any], now: float) -> None:
    """Put the alarm into the state that its metric's last periods call for."""
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
