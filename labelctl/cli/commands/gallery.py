"""`labelctl gallery`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl import times
from labelctl.cli.commands._open_file import open_file
from labelctl.cli.commands._prefix import note_similar_prefix
from labelctl.cli.options import Prefix, check_prefix, no_photos
from labelctl.cli.session import Session
from labelctl.cli.tables import Column, Table
from labelctl.cli.values import count
from labelctl.errors import Command, RefusedError, UsageError
from labelctl.text import counted, volume

if TYPE_CHECKING:
    from labelctl.photos.versions import ObjectVersion
    from labelctl.render.gallery.build import Tile
    from labelctl.render.gallery.single_file import OneFile
    from labelctl.render.gallery.thumbnails import Folder

_DEFAULT_TARGET = "labelctl-gallery"
_LIMIT = 5000  # photos
_MAX_EXTRA = 1000  # photos beyond the limit to count; counting more costs more requests
_NAMED = 3  # photos without a picture that are named
_EMAIL_LIMIT = 18_000_000
"""The largest file, in bytes, that fits into an email of 25 MB (a common limit) in base64."""


def gallery(
    context: typer.Context,
    target: Annotated[
        Path | None,
        typer.Option(
            "-o",
            metavar="DIR",
            help="Output folder; with --embed, output file."
            f" [default: {_DEFAULT_TARGET}, {_DEFAULT_TARGET}.html]",
            show_default=False,
        ),
    ] = None,
    prefix: Prefix = "",
    search: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL",
            help="Only photos that `labelctl search LABEL` finds. Repeat to require several labels.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(parser=count(), metavar="N", help="Maximum number of photos.")
    ] = _LIMIT,
    embed: Annotated[
        bool, typer.Option("--embed", help="Write a single HTML file that contains everything.")
    ] = False,
    presign: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Link to the originals in S3 instead of copying them. The links expire after this"
            " time (12h; at most 7d).",
        ),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Build a browsable web page of your photos and labels.

    The page needs no server and no network. Each photo is downloaded from S3 once, to make copies of
    at most 1,600 pixels (AWS charges for GET requests and data transfer out). Later runs into the
    same folder download only new photos, and remove the copies of photos that are no longer shown.
    """
    from labelctl.render.gallery import presigned_links, thumbnails
    from labelctl.render.gallery.single_file import OneFile

    check_prefix(prefix)
    session = Session.of(context)
    age = None if presign is None else timedelta(seconds=presigned_links.seconds(presign))
    target = target or Path(f"{_DEFAULT_TARGET}.html" if embed else _DEFAULT_TARGET)
    if str(target) == "-":
        raise UsageError(
            "A gallery cannot be written to stdout.",
            f"Name a {'file, such as gallery.html' if embed else 'folder'}, or leave out -o.",
        )
    one_file = OneFile(target) if embed else None
    chosen, more, empty_message = _choose(session, prefix, search or [], limit)
    if not chosen:  # keeps an existing gallery: a typo must not empty it
        session.view.show(_value(None, [], False, 0, None))
        session.view.note(*empty_message)
        if not search:
            note_similar_prefix(session, prefix)
        return
    now = datetime.now(UTC)
    about = _about(session, now, search or [], prefix, more)
    root = one_file.temporary_folder if one_file else target
    with thumbnails.open_folder(root, thumbs_only=bool(age)) as folder:
        try:
            tiles = _make_tiles(session, chosen, folder, age, one_file)
        except KeyboardInterrupt:
            session.view.note("Interrupted. Run the same command to resume.")
            raise
        except RefusedError:
            if one_file and one_file.too_large:
                folder.remove()  # a later run could not use it either
            raise
        path, removed = _write(chosen, tiles, about, folder, one_file)
    _print_result(session, path, tiles, bool(more), removed, now + age if age else None)
    if open_:
        open_file(session, path)


def build_gallery(session: Session, target: Path, prefix: str) -> Path | None:
    """Build the page of the photos under `prefix` in the folder `target`, without printing a result.

    Returns the page's path, or None if there are no photos.
    """
    from labelctl.render.gallery import thumbnails

    chosen, more, _ = _choose(session, prefix, [], _LIMIT)
    if not chosen:
        return None
    about = _about(session, datetime.now(UTC), [], prefix, more)
    with thumbnails.open_folder(target, thumbs_only=False) as folder:
        tiles = _make_tiles(session, chosen, folder, None, None)
        return _write(chosen, tiles, about, folder, None)[0]


def _about(
    session: Session, now: datetime, search: list[str], prefix: str, more: int
) -> dict[str, Any]:
    return {
        "title": "labelctl",
        "stack": session.stack.name,
        "made_at": times.utc(now),
        "query": ", ".join(search) if search else None,
        "prefix": prefix or None,
        "more": more,
    }


def _choose(
    session: Session, prefix: str, search: list[str], limit: int
) -> tuple[list[ObjectVersion], int, Sequence[str | Command]]:
    """The photos to show, how many more exist (counted to `_MAX_EXTRA`), and the message for none."""
    from labelctl.labels.search.query import plan
    from labelctl.labels.search.vocabulary import Vocabulary
    from labelctl.render.gallery import build

    stack, aws, view, reader = session.stack, session.aws, session.view, session.reader
    if search:
        query = plan(Vocabulary(reader), build.Filter(search, prefix=prefix))
        photos = build.search_photos(reader, aws.s3, stack.bucket, query, limit + _MAX_EXTRA)
        where = f' under "{prefix}"' if prefix else ""
        names = " and ".join(group.name for group in query.groups)
        empty_message: Sequence[str | Command] = (f"No photo{where} shows {names}.",)
    else:
        photos = build.list_photos(aws.s3, stack.bucket, prefix)
        empty_message = no_photos(prefix)
    found: list[ObjectVersion] = []
    with view.meter("Finding photos") as meter:
        for photo in islice(photos, limit):
            found.append(photo)
            meter.update(len(found))
        more = sum(1 for _ in islice(photos, _MAX_EXTRA))
    if search and session.options.verbose:
        view.note(f"Read: {reader.spent}.")
    return found, more, empty_message


def _make_tiles(
    session: Session,
    chosen: list[ObjectVersion],
    folder: Folder,
    age: timedelta | None,
    one_file: OneFile | None,
) -> list[Tile]:
    """Download the missing photos and make their pictures, after saying how much it is."""
    from labelctl.render.gallery import build, presigned_links

    stack, aws, view = session.stack, session.aws, session.view
    link = None
    if age:
        link = presigned_links.linker(aws.presigning_s3, stack.bucket, int(age.total_seconds()))
        if aws.has_temporary_credentials:
            view.warn("Your credentials are temporary. When they expire, the links do too.")
    tiles: list[Tile] = []
    with view.meter("Building the gallery") as meter:
        if missing := build.without_pictures(chosen, folder):
            size = volume(sum(photo.size or 0 for photo in missing))
            view.note(f"Downloading {counted(len(missing), 'photo')} from S3 ({size}).")
        to_fetch, fetched = sum(photo.size or 0 for photo in missing), 0
        meter.update(0, total=len(chosen))
        for tile in build.build_tiles(aws.s3, stack.bucket, session.reader, chosen, folder, link):
            tiles.append(tile)
            photo = tile.photo
            session.names.add(keys=[photo.image], labels=(label.name for label in photo.labels))
            if one_file:
                one_file.add_size(folder, tile.pictures, len(tiles), len(chosen))
            fetched += tile.fetched or 0
            if fetched < to_fetch:  # what takes the time
                meter.update(fetched, total=to_fetch, detail=tile.photo.image, unit="bytes")
            else:
                meter.update(len(tiles), total=len(chosen), detail=tile.photo.image)
    return tiles


def _write(
    chosen: list[ObjectVersion],
    tiles: list[Tile],
    about: dict[str, Any],
    folder: Folder,
    one_file: OneFile | None,
) -> tuple[Path, int]:
    """Write the page. Returns its path, and how many other photos' pictures were removed."""
    from labelctl.atomic_file import atomic_write
    from labelctl.render.gallery import build, page, presigned_links

    hosts = sorted({presigned_links.host(tile.link) for tile in tiles if tile.link})
    if one_file:
        one_file.write(folder, build.page_data(tiles, about, one_file.reference), hosts)
        folder.remove()
        return one_file.path, 0
    pieces = page.pieces(build.page_data(tiles, about), image_hosts=hosts)
    path = folder.root / "index.html"
    with atomic_write(path) as file:
        file.stream.writelines(piece.encode() for piece in pieces)
    return path, folder.sweep({build.name_of(photo) for photo in chosen})


def _print_result(
    session: Session,
    path: Path,
    tiles: list[Tile],
    more: bool,
    removed: int,
    links_end: datetime | None,
) -> None:
    """Print the result: in a pipe only the page's path."""
    view = session.view
    table = Table((Column("File"),), [(str(path),)])
    if view.mode == "table":
        states = Counter(tile.photo.status for tile in tiles)
        rows = [("Page", str(path)), ("Photos", _photo_counts(len(tiles), states))]
        if fetched := [tile.fetched for tile in tiles if tile.fetched is not None]:
            rows.append(("Downloaded", f"{len(fetched):,} ({volume(sum(fetched))})"))
        table = Table((Column("", style="bold"), Column("")), rows)
    value = _value(path, tiles, more, removed, links_end)
    view.show(value, table)
    without_picture = [tile for tile in tiles if tile.pictures is None]
    _print_notes(session, path, without_picture, more, removed, links_end)


def _value(
    path: Path | None, tiles: list[Tile], more: bool, removed: int, links_end: datetime | None
) -> dict[str, Any]:
    """The result as JSON.

    `path` of the page, null if no photos were found. `photos` on the page, of which `labelled`,
    `failed` and `waiting`. `without_picture`: [{image, reason}]. `more`: whether there are photos
    beyond the limit. `fetched`: photos downloaded, of `fetched_bytes`. `removed`: other photos whose
    pictures were removed. `links_end_at`: when presigned links expire, or null.
    """
    states = Counter(tile.photo.status for tile in tiles)
    fetched = [tile.fetched for tile in tiles if tile.fetched is not None]
    without_picture = [tile for tile in tiles if tile.pictures is None]
    return {
        "path": path and str(path),
        "photos": len(tiles),
        **{state: states[state] for state in _STATES},
        "without_picture": [
            {"image": tile.photo.image, "reason": tile.reason} for tile in without_picture
        ],
        "more": more,
        "fetched": len(fetched),
        "fetched_bytes": sum(fetched),
        "removed": removed,
        "links_end_at": links_end and times.utc(links_end),
    }


_STATES = ("labelled", "failed", "waiting")


def _photo_counts(count: int, states: Counter[str]) -> str:
    parts = [f"{states[state]:,} {state}" for state in _STATES if states[state]]
    return f"{count:,} ({', '.join(parts)})"


def _print_notes(
    session: Session,
    path: Path,
    without_picture: list[Tile],
    more: bool,
    removed: int,
    links_end: datetime | None,
) -> None:
    view = session.view
    for tile in without_picture[:_NAMED]:
        view.note(f'No picture of "{tile.photo.image}": {tile.reason}')
    if len(without_picture) > _NAMED:
        view.note(f"No picture of {counted(len(without_picture) - _NAMED, 'more photo')}.")
    if removed:
        others = "other photos" if removed > 1 else "another photo"
        view.note(
            f"{counted(removed, 'picture')} of {others} removed. The folder only keeps what the page"
            " shows; use -o DIR for a second gallery."
        )
    if more:
        view.note("There are more photos: raise --limit.")
    if links_end:
        view.note(
            f"The links expire on {links_end.astimezone():%Y-%m-%d at %H:%M}. Until then, anyone with"
            " the page can open the originals, which may contain location and camera data."
        )
    size = path.stat().st_size
    if size > _EMAIL_LIMIT:
        view.warn(f'"{path}" has {volume(size)}, which is too large for most email services.')
