"""`labelctl package`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from labelctl.cli.session import Session
from labelctl.cli.tables import Column, Table
from labelctl.errors import RefusedError


def package(
    context: typer.Context,
    output_dir: Annotated[
        Path,
        typer.Option("--output-dir", metavar="DIR", help="Output directory, created if missing."),
    ],
) -> None:
    """Write the zip and template for other deployment tools."""
    from labelctl.atomic_file import atomic_write
    from labelctl.deploy import assets, package

    session = Session.of(context)
    zipped = package.build()
    zip_file, template = output_dir / zipped.name, output_dir / "template.yaml"
    text = assets.template("template.yaml")
    try:
        if template.exists() and not _is_ours(template, text):
            raise RefusedError(
                f'"{template}" already exists and is not a labelctl template.',
                "Choose another folder with --output-dir.",
            )
        output_dir.mkdir(parents=True, exist_ok=True)
        for path, content in ((zip_file, zipped.content), (template, text.encode())):
            with atomic_write(path) as file:
                file.stream.write(content)
    except OSError as error:
        raise RefusedError(
            f'"{error.filename or output_dir}" cannot be written: {error.strerror}.',
            "Choose another folder with --output-dir.",
        ) from error
    session.view.show(
        {"zip": str(zip_file), "sha256": zipped.digest, "template": str(template)},
        Table(
            columns=(Column("Kind", style="bold"), Column("File")),
            rows=[("zip", str(zip_file)), ("template", str(template))],
        ),
    )
    if session.view.mode == "json":
        return
    session.view.note("To deploy them, use one of your buckets in the same region:")
    for line in (
        f"aws s3 cp {shlex.quote(str(zip_file))} s3://BUCKET/{zipped.name}",
        f"aws cloudformation deploy --template-file {shlex.quote(str(template))}"
        f" --stack-name {session.options.stack} --capabilities CAPABILITY_IAM"
        f" --parameter-overrides CodeBucket=BUCKET CodeKey={zipped.name}",
    ):
        session.view.command(line, lead="  ")


def _is_ours(template: Path, text: str) -> bool:
    """Whether the existing file is a labelctl template, of any version."""
    header = text[: text.index("\n\n")]
    return template.read_text(encoding="utf-8", errors="replace").startswith(header)
