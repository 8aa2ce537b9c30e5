"""The deployed stack, as one value: its state, its settings, and the names of what it made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from labelctl.aws import code_of, is_missing
from labelctl.errors import NotDeployedError, RefusedError, UsageError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_s3 import S3Client


SETTINGS = (
    *("MinConfidence", "MaxLabels", "Concurrency", "ImageProperties", "LogRetention"),
    *("AlarmEmail", "AlarmAge"),
)
"""The template's parameters that `Settings` stand for."""

ALARM_AGE = 12 * 3600
"""The template's default of AlarmAge, in seconds."""


@dataclass(frozen=True)
class Settings:
    """What can be chosen at a deploy; None keeps what is deployed (at first: the template's default).

    `min_confidence` is 0 to 100; `concurrency` is the event source mapping's, 2 to 1,000;
    `log_retention` is in days. `alarm_email` "" means no alarms; `alarm_age` is how many seconds a
    photo may wait, 300 to 1,123,200. `tags` are added to those there are.
    """

    min_confidence: float | None = None
    max_labels: int | None = None
    concurrency: int | None = None
    image_properties: bool | None = None
    log_retention: int | None = None
    alarm_email: str | None = None
    alarm_age: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def parameters(self) -> dict[str, str]:
        """The template's parameters for the settings that were given."""
        given = (
            self.min_confidence,
            self.max_labels,
            self.concurrency,
            self.image_properties,
            self.log_retention,
            self.alarm_email,
            self.alarm_age,
        )
        return {
            name: _parameter(value)
            for name, value in zip(SETTINGS, given, strict=True)
            if value is not None
        }

    def as_json(self) -> dict[str, Any]:
        """The settings under the names of the options."""
        return {
            **asdict(self),
            "alarm_email": self.alarm_email or None,
            "tags": dict(self.tags),
        }


def _parameter(value: float | str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Stack:
    """A stack as CloudFormation describes it, `outputs` and `parameters` by the template's names."""

    name: str
    id: str
    status: str
    reason: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    tags: Mapping[str, str]
    protected: bool
    created: datetime
    updated: datetime | None
    description: str = ""

    @property
    def ours(self) -> bool:
        """Whether labelctl's templates made it. One that was only planned holds nothing of anyone."""
        return (
            self.tags.get("application") == "labelctl"
            or self.description.startswith("labelctl ")
            or {"PhotosBucket", "DeadLetterQueue"} <= self.outputs.keys()
            or self.status == "REVIEW_IN_PROGRESS"
        )

    @property
    def bucket(self) -> str:
        return self.outputs["PhotosBucket"]

    @property
    def table(self) -> str:
        """The table with one item per photo."""
        return self.outputs["Table"]

    @property
    def labels_table(self) -> str:
        """The table with the index of the labels."""
        return self.outputs["LabelsTable"]

    @property
    def queue(self) -> str:
        """The queue's URL."""
        return self.outputs["Queue"]

    @property
    def dead_letters(self) -> str:
        """The dead-letter queue's URL."""
        return self.outputs["DeadLetterQueue"]

    @property
    def alarm_email(self) -> str:
        """Who is mailed when something is amiss; "" is nobody."""
        return self.parameters.get("AlarmEmail", "")

    @property
    def alarm_topic(self) -> str | None:
        """The ARN of the topic that alarms are sent to; None without alarms."""
        return self.outputs.get("AlarmTopic")

    @property
    def log_group(self) -> str:
        return self.outputs["LogGroup"]

    @property
    def alarm_age(self) -> int:
        """How many seconds a photo may wait before that is worth a warning."""
        return int(self.parameters.get("AlarmAge", ALARM_AGE))  # an older labelctl knew of none

    @property
    def settings(self) -> Settings:
        """The settings it was deployed with."""
        return Settings(
            min_confidence=float(self.parameters["MinConfidence"]),
            max_labels=int(self.parameters["MaxLabels"]),
            concurrency=int(self.parameters["Concurrency"]),
            image_properties=self.parameters["ImageProperties"] == "true",
            log_retention=int(self.parameters["LogRetention"]),
            alarm_email=self.alarm_email,
            alarm_age=self.alarm_age,
            tags=self.tags,
        )


def artifacts_name(name: str) -> str:
    """The name of the small stack that holds this stack's zips."""
    return f"{name}-artifacts"


def find(cloudformation: CloudFormationClient, name: str) -> Stack | None:
    """The stack of that name or id, or None. A deleted stack is found by its id only."""
    from botocore.exceptions import ClientError

    try:
        answer = cloudformation.describe_stacks(StackName=name)
    except ClientError as error:
        message = error.response.get("Error", {}).get("Message", "")
        if code_of(error) == "ValidationError" and "does not exist" in message:
            return None
        if code_of(error) == "ValidationError" and "stackName" in message:
            raise UsageError(
                f'"{name}" cannot be a stack\'s name.',
                "Letters, digits and hyphens, a letter first, at most 128.",
            ) from error
        raise
    return _parse(answer["Stacks"][0])


def refuse_if_foreign(stack: Stack) -> None:
    """Raise RefusedError for a stack of somebody else's, which is not to be changed or deleted."""
    if not stack.ours:
        raise RefusedError(
            f'The stack "{stack.name}" is not one of labelctl\'s.',
            "Choose another name with --stack.",
        )


def require(cloudformation: CloudFormationClient, name: str, local: bool = False) -> Stack:
    """The stack, complete with its outputs. Raises NotDeployedError for anything less."""
    stack = find(cloudformation, name)
    place = "in the local cloud" if local else f"in {cloudformation.meta.region_name}"
    if stack is None:
        raise NotDeployedError(
            f'There is no stack "{name}" {place}.', "Deploy it first: labelctl deploy"
        )
    if "PhotosBucket" not in stack.outputs or "Table" not in stack.outputs:
        if stack.status.endswith("_COMPLETE") and not stack.status.startswith(("ROLLBACK", "DEL")):
            raise NotDeployedError(
                f'The stack "{name}" {place} is not one of labelctl\'s.',
                "Choose another name with --stack.",
            )
        wait = "Wait until that has ended." if stack.status.endswith("_IN_PROGRESS") else ""
        raise NotDeployedError(
            f'The stack "{name}" {place} is not ready: it is in {stack.status}.',
            wait or "Deploy it again, which says why it failed: labelctl deploy",
        )
    if "LabelsTable" not in stack.outputs:
        raise NotDeployedError(
            f'The stack "{name}" {place} was deployed by an earlier labelctl.',
            "Update it, then label its photos again: labelctl deploy && labelctl verify --repair",
        )
    return stack


def takes_photos(s3: S3Client, bucket: str) -> bool:
    """Whether the bucket is there and notifies the queue: what `destroy` undoes before all else."""
    from botocore.exceptions import ClientError

    try:
        told = s3.get_bucket_notification_configuration(Bucket=bucket)
    except ClientError as error:
        if is_missing(error):
            return False
        raise
    return bool(told.get("QueueConfigurations"))


def _parse(described: Any) -> Stack:
    return Stack(
        name=described["StackName"],
        id=described["StackId"],
        status=described["StackStatus"],
        reason=described.get("StackStatusReason", ""),
        parameters={
            parameter["ParameterKey"]: parameter.get("ParameterValue", "")
            for parameter in described.get("Parameters", ())
        },
        outputs={
            output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", ())
        },
        tags={tag["Key"]: tag["Value"] for tag in described.get("Tags", ())},
        protected=described.get("EnableTerminationProtection", False),
        created=described["CreationTime"],
        updated=described.get("LastUpdatedTime"),
        description=described.get("Description", ""),
    )
