"""The deployed stack: its status, its settings, and the names of its resources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from labelctl.aws.errors import error_code
from labelctl.errors import Command, NotDeployedError, RefusedError, UsageError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient


SETTINGS = (
    *("MinConfidence", "MaxLabels", "Concurrency", "ImageProperties", "LogRetention"),
    *("AlarmEmail", "AlarmAge"),
)
"""The template parameters that correspond to the fields of `Settings`, in the same order."""

QUOTA = "CallsPerSecond"
"""The template parameter with Rekognition's quota. It is no setting: `deploy` reads it from AWS."""

OUTPUTS = {
    *("PhotosBucket", "Table", "LabelsTable", "Queue", "DeadLetterQueue", "Function", "LogGroup"),
}
"""The template's outputs that commands need."""

PIPELINE = "labelctl - labels for photos"
ARTIFACTS = "labelctl - the bucket "
"""How the descriptions of the two templates begin, of this and earlier versions.

Only a description says what kind of stack this is: any stack can have a tag, and a stack whose
creation failed has no outputs.
"""

ALARM_AGE = 12 * 3600
"""The template's default for AlarmAge, in seconds."""

_OTHER_NAME = "Choose another name with --stack."


@dataclass(frozen=True)
class Settings:
    """The settings of a deploy. None keeps the deployed value, or the template's default.

    `min_confidence` is 0 to 100; `concurrency` is that of the event source mapping, 2 to 1,000;
    `log_retention` is in days. An empty `alarm_email` turns alarms off; `alarm_age` is the seconds a
    photo may wait, 300 to 1,123,200. `tags` are added to existing tags.
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
        """Return the template parameters for the settings that are not None."""
        values = (
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
            for name, value in zip(SETTINGS, values, strict=True)
            if value is not None
        }

    def as_json(self) -> dict[str, Any]:
        """Return the settings as JSON, named like the options of `labelctl deploy`."""
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
    """A stack in CloudFormation; the keys of `outputs` and `parameters` are the template's names."""

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

    def is_kind(self, kind: str) -> bool:
        """Whether its template is labelctl's for `kind`, PIPELINE or ARTIFACTS.

        True also for a stack that was planned but never deployed, and may not have a template yet.
        """
        if self.status == "REVIEW_IN_PROGRESS" and not self.description:
            return True
        return self.description.startswith(kind)

    @property
    def region(self) -> str:
        """The stack's region, which its ARN contains."""
        return self.id.split(":")[3]

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
    def queue_arn(self) -> str:
        """The queue's ARN: partition, region and account are those of the stack's own ARN."""
        _, partition, _, region, account, *_ = self.id.split(":")
        return f"arn:{partition}:sqs:{region}:{account}:{self.queue.rpartition('/')[2]}"

    @property
    def dead_letter_queue(self) -> str:
        """The dead-letter queue's URL."""
        return self.outputs["DeadLetterQueue"]

    @property
    def alarm_email(self) -> str:
        """The address that alarms are mailed to, or ""."""
        return self.parameters.get("AlarmEmail", "")

    @property
    def alarm_topic(self) -> str | None:
        """The ARN of the topic that alarms are sent to, or None."""
        return self.outputs.get("AlarmTopic")

    @property
    def log_group(self) -> str:
        return self.outputs["LogGroup"]

    @property
    def alarm_age(self) -> int:
        """The seconds that a photo may wait before an alarm or warning."""
        return int(self.parameters.get("AlarmAge", ALARM_AGE))  # older templates lack it

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
    """Return the name of the stack that holds the function's zips of a stack."""
    return f"{name}-artifacts"


def find(cloudformation: CloudFormationClient, name: str) -> Stack | None:
    """Return the stack with this name or id, or None. A deleted stack is found only by its id.

    Raises UsageError if the name is invalid.
    """
    from botocore.exceptions import ClientError

    from labelctl.aws.calls import IncompleteResponseError

    try:
        response = cloudformation.describe_stacks(StackName=name)
    except ClientError as error:
        message = error.response.get("Error", {}).get("Message", "")
        if error_code(error) == "ValidationError" and "does not exist" in message:
            return None
        if error_code(error) == "ValidationError" and "stackName" in message:
            raise UsageError(
                f'"{name}" is not a valid stack name.',
                "Use up to 128 letters, digits and hyphens, starting with a letter.",
            ) from error
        raise
    try:
        return _parse(response["Stacks"][0])
    except (IndexError, KeyError) as error:
        raise IncompleteResponseError(operation="DescribeStacks") from error


def refuse_if_foreign(stack: Stack, kind: str) -> None:
    """Raise RefusedError for a stack that is not of this kind, PIPELINE or ARTIFACTS."""
    if stack.is_kind(kind):
        return
    message = _not_a_pipeline(stack)
    if kind == ARTIFACTS:
        message = (
            f'labelctl needs the stack name "{stack.name}" for the function\'s zip, but another stack'
            " has it."
        )
    raise RefusedError(message, _OTHER_NAME)


def _not_a_pipeline(stack: Stack, place: str = "") -> str:
    subject = " ".join(filter(None, (f'The stack "{stack.name}"', place)))
    if stack.is_kind(ARTIFACTS):
        return f"{subject} is not a pipeline: it holds the zip of another stack's function."
    return f"{subject} was not created by labelctl."


def require(cloudformation: CloudFormationClient, name: str, local: bool = False) -> Stack:
    """Return a stack that has all its outputs. Raises NotDeployedError if it does not."""
    stack = find(cloudformation, name)
    place = "in the local cloud" if local else f"in {cloudformation.meta.region_name}"
    if stack is None:
        raise NotDeployedError(
            f'There is no stack "{name}" {place}.', "Deploy it first: ", Command("deploy")
        )
    if not stack.is_kind(PIPELINE):
        raise NotDeployedError(_not_a_pipeline(stack, place), _OTHER_NAME)
    missing = OUTPUTS - stack.outputs.keys()
    if missing & {"PhotosBucket", "Table"}:
        message = f'The stack "{name}" {place} is not ready (status: {stack.status}).'
        if stack.status.endswith("_IN_PROGRESS"):
            raise NotDeployedError(message, "Wait until it has finished.")
        raise NotDeployedError(
            message, "Run `", Command("deploy"), "`: it shows why the last deploy failed."
        )
    if missing:
        hint: list[str | Command] = ["Update it: ", Command("deploy")]
        if "LabelsTable" in missing:
            hint[0] = "Update it, then label its photos again: "
            hint += [" && ", Command("verify", "--repair")]
        message = f'The stack "{name}" {place} was deployed by an earlier labelctl.'
        raise NotDeployedError(message, *hint)
    return stack


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
