"""Run the emulator as anybody may: `python -m tests.e2e.bare_emulator`.

It lacks one thing that AWS and labelctl need: a stack's description.
"""

import runpy

from labelctl.local.emulator import patches

if __name__ == "__main__":
    patches.describe_stacks_with_their_templates_description()
    runpy.run_module("ministack.app", run_name="__main__")
