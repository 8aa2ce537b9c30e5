"""How many test files run at once, and botocore without awscrt, as labelctl imports it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labelctl.aws.importing import import_botocore

import_botocore()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Two per processor, because end-to-end tests often wait for other processes.

    For a single file, none: a file runs in one of them, and they take seconds to start.
    """
    files = {argument.partition("::")[0] for argument in config.args}
    if len(files) == 1 and Path(*files).is_file():
        return 0
    return 2 * (os.cpu_count() or 1)
