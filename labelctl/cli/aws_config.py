"""Profiles and regions in the files of the AWS CLI, read without boto3, which takes long to import.

The files: https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-files.html
"""

from __future__ import annotations

import os
from configparser import RawConfigParser
from pathlib import Path


def profiles() -> list[str]:
    """The names of all profiles."""
    names = [name.removeprefix("profile ").strip() for name in _config() if _is_profile(name)]
    credentials = _sections("AWS_SHARED_CREDENTIALS_FILE", "credentials")
    return list(dict.fromkeys([*names, *credentials]))


def regions() -> list[str]:
    """The regions that any profile uses."""
    used = (section.get("region", "") for section in _config().values())
    return list(dict.fromkeys(filter(None, used)))


def _config() -> dict[str, dict[str, str]]:
    return _sections("AWS_CONFIG_FILE", "config")


def _is_profile(section: str) -> bool:
    return section == "default" or section.startswith("profile ")


def _sections(variable: str, name: str) -> dict[str, dict[str, str]]:
    path = Path(os.environ.get(variable) or f"~/.aws/{name}").expanduser()
    parser = RawConfigParser(strict=False, allow_no_value=True)
    parser.read(path, encoding="utf-8")
    return {section: dict(parser.items(section)) for section in parser.sections()}
