"""Which errors of AWS and the network go away by themselves."""

from __future__ import annotations

import botocore.exceptions as boto
import pytest

from labelctl.aws.throttling import is_temporary, poll


def refusal(code, status=400):
    response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto.ClientError(response, "DescribeStackEvents")


URL = {"endpoint_url": "https://cloudformation"}


@pytest.mark.parametrize(
    ("error", "temporary"),
    [
        (refusal("Throttling"), True),
        (refusal("ThrottlingException"), True),
        (refusal("InternalFailure", 500), True),
        (boto.EndpointConnectionError(**URL), True),
        (boto.ConnectionClosedError(**URL), True),
        (boto.ReadTimeoutError(**URL), True),
        (boto.ProxyConnectionError(proxy_url="http://proxy"), True),
        (refusal("AccessDenied", 403), False),
        (refusal("ExpiredToken"), False),
        (boto.SSLError(**URL, error="self-signed"), False),
        (boto.NoCredentialsError(), False),
        (KeyError("StackEvents"), False),
    ],
    ids=str,
)
def test_temporary_errors(error, temporary):
    assert is_temporary(error) is temporary


def test_poll_is_repeated_until_it_succeeds(naps):
    answers = iter([refusal("Throttling"), refusal("Throttling"), "done"])

    def request():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert poll(request, naps) == "done"
    assert naps == [1, 2]


def test_poll_gives_up_after_minutes(naps):
    def request():
        raise refusal("Throttling")

    with pytest.raises(boto.ClientError):
        poll(request, naps)
    assert 180 < sum(naps) < 240
