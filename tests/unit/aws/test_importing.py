"""Importing botocore."""

from __future__ import annotations

import os
import subprocess
import sys


def test_botocore_does_not_import_awscrt_unless_a_profile_of_aws_login_needs_it(tmp_path):
    code = (
        "import sys; from labelctl.aws.clients import Aws; Aws().s3;"
        "from botocore.compat import HAS_CRT; print(HAS_CRT, '_awscrt' in sys.modules);"
        "import awscrt.s3"
    )
    config = tmp_path / "config"
    said = []
    for text in ("[default]\nregion = us-east-1\n", "[profile a]\nlogin_session = b\n"):
        config.write_text(text)
        env = {**os.environ, "AWS_CONFIG_FILE": str(config)}
        run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
        said.append(run.stdout.strip() or run.stderr)
    assert said == ["False False", "True True"]
