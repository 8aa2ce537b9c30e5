"""What a command works with: the user's options, the view, the AWS clients, and the stack."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from labelctl.cli.options import Options

if TYPE_CHECKING:
    import typer

    from labelctl.aws.clients import Aws
    from labelctl.cli.known_names import KnownNames
    from labelctl.cli.output import View
    from labelctl.deploy.stack import Stack
    from labelctl.labels.reader import Reader


class Session:
    """One run of one command. View, AWS clients and stack are created at first use."""

    def __init__(self, options: Options) -> None:
        self.options = options

    @classmethod
    def of(cls, context: typer.Context) -> Session:
        """The session of a command's run. Raises UsageError for invalid common options."""
        session: Session = context.find_root().obj
        session.options.check()
        return session

    @cached_property
    def view(self) -> View:
        """The output of this run, created after the command line has been parsed."""
        from labelctl.cli.output import View

        return View(self.options.output, quiet=self.options.quiet, flags=self.options.flags)

    @cached_property
    def aws(self) -> Aws:
        """The AWS clients. With --local, starts the local cloud if needed and connects to it."""
        from labelctl.aws.clients import Aws

        if self.options.local:
            self._use_local_cloud()
        trace = self.view.note if self.options.verbose else None
        return Aws(self.options.profile, self.options.region, trace)

    @cached_property
    def stack(self) -> Stack:
        """The deployed stack. Raises NotDeployedError."""
        from labelctl.deploy import stack

        return stack.require(self.aws.cloudformation, self.options.stack, self.options.local)

    @cached_property
    def reader(self) -> Reader:
        """The reader of the stack's tables."""
        from labelctl.labels.reader import Reader

        return Reader(self.aws.dynamodb, self.stack.table, self.stack.labels_table)

    @cached_property
    def names(self) -> KnownNames:
        """The photos and labels that completion in a shell offers."""
        from labelctl.cli.known_names import KnownNames

        return KnownNames(self.options)

    def save_names(self) -> None:
        """Save the names that the command has seen, for completion."""
        if "names" in vars(self) and "stack" in vars(self):
            self.names.save(self.stack.id)

    def _use_local_cloud(self) -> None:
        from labelctl.local import engine, environment, watch

        cloud = engine.status()
        if cloud is None:
            with self.view.meter("Starting the local cloud"):
                cloud = engine.start()
            self.view.note(f"Started the local cloud ({cloud.endpoint}).", style="dim")
        if cloud.notice:
            self.view.warn(cloud.notice, wrap=False)  # it may have commands
        watch.Watch(cloud.home, self.view.warn).start()
        # boto3 reads these variables; nothing else distinguishes the local cloud from AWS.
        for name in environment.interfering(os.environ):
            del os.environ[name]
        os.environ.update(environment.bypass_proxy(os.environ))
        files = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
        os.environ.update(environment.variables(cloud) | files)
