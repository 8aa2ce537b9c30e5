"""`labelctl gallery`."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl.cli.commands._open_file import open_file
from labelctl.cli.options import Prefix, check_prefix
from labelctl.cli.output import Column, Table
from labelctl.cli.session import Session
from labelctl.errors import RefusedError, UsageError
from labelctl.text import counted, volume

if TYPE_CHECKING:
    from labelctl.render.gallery.build import Chosen, Tile
    from labelctl.render.gallery.single_file import OneFile
    from labelctl.render.gallery.thumbnails import Folder

_PLACE = "labelctl-gallery"
_LIMIT = 5000  # photos
_COUNTED_ON = 1000  # photos beyond the limit that are counted, and not more: it costs requests
_TOLD = 3  # photos without a picture that are named
_MAIL = 18_000_000
"""Bytes of a file that fit into a mail of 25 MB, the limit of many services, as mail encodes them."""


def gallery(
    context: typer.Context,
    place: Annotated[
        Path | None,
        typer.Option(
            "-o",
            metavar="DIR",
            help=f"Where to; with --embed a file. [default: {_PLACE}, {_PLACE}.html]",
            show_default=False,
        ),
    ] = None,
    prefix: Prefix = "",
    search: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL",
            help="Only what `labelctl search LABEL` finds; given several times, with all of them.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, metavar="COUNT", help="At most so many photos.")
    ] = _LIMIT,
    embed: Annotated[
        bool, typer.Option("--embed", help="Put all into one file, to send to somebody.")
    ] = False,
    presign: Annotated[
        str | None,
        typer.Option(
            metavar="AGE",
            help="Link originals in S3, for 12h or at most 7d, instead of copying them.",
        ),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Make a page to look through photos and their labels.

    It needs no server and no network. Each photo is fetched from S3 once (a GET request, and AWS asks
    a price for what leaves it) to make small copies, of 1,600 pixels; later runs into the same folder
    fetch what is new, and take away the copies of photos that are not on the page any more.
    """
    from labelctl.render.gallery import presigned_links, thumbnails
    from labelctl.render.gallery.single_file import OneFile

    check_prefix(prefix)
    session = Session.of(context)
    age = None if presign is None else timedelta(seconds=presigned_links.seconds(presign))
    target = place or Path(f"{_PLACE}.html" if embed else _PLACE)
    if str(target) == "-":
        raise UsageError(
            "A gallery cannot be written to the standard output.",
            f"Name a {'file, such as gallery.html' if embed else 'folder'}, or leave -o out.",
        )
    one_file = OneFile(target) if embed else None
    chosen, more, nothing = _choose(session, prefix, search or [], limit)
    if not chosen:  # what an earlier run has made stays: a typing error must not empty it
        session.view.show(_value(None, [], False, 0, None))
        session.view.note(nothing)
        return
    now = datetime.now(UTC)
    about = _about(session, now, search or [], prefix, more)
    root = one_file.workshop if one_file else target
    with thumbnails.open_folder(root, thumbs_only=bool(age)) as folder:
        try:
            tiles = _make(session, chosen, folder, age, one_file)
        except KeyboardInterrupt:
            session.view.note("Interrupted. The same command goes on with the rest.")
            raise
        except RefusedError:
            if one_file and one_file.too_large:
                folder.remove()  # nothing can go on with it
            raise
        path, removed = _write(chosen, tiles, about, folder, one_file)
    _tell(session, path, tiles, bool(more), removed, now + age if age else None)
    if open_:
        open_file(session, path)


def make(session: Session, target: Path, prefix: str) -> Path | None:
    """Make the page of the photos under `prefix` in the folder `target`, and print no result.

    The page's path, or None where there are no photos.
    """
    from labelctl.render.gallery import thumbnails

    chosen, more, _ = _choose(session, prefix, [], _LIMIT)
    if not chosen:
        return None
    about = _about(session, datetime.now(UTC), [], prefix, more)
    with thumbnails.open_folder(target, thumbs_only=False) as folder:
        tiles = _make(session, chosen, folder, None, None)
        return _write(chosen, tiles, about, folder, None)[0]


def _about(
    session: Session, now: datetime, search: list[str], prefix: str, more: int
) -> dict[str, Any]:
    return {
        "title": "labelctl",
        "stack": session.stack.name,
        "made_at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "query": ", ".join(search) if search else None,
        "prefix": prefix or None,
        "more": more,
    }


def _choose(
    session: Session, prefix: str, search: list[str], limit: int
) -> tuple[list[Chosen], int, str]:
    """The photos to be shown, how many more there are, at the least, and what to say of none."""
    from labelctl.labels.search.query import plan
    from labelctl.labels.search.vocabulary import Vocabulary
    from labelctl.render.gallery import build

    stack, aws, view, reader = session.stack, session.aws, session.view, session.reader
    if search:
        query = plan(Vocabulary(reader), build.Filter(search, prefix=prefix))
        some = build.searched(reader, aws.s3, stack.bucket, query, limit + _COUNTED_ON)
        where = f' under "{prefix}"' if prefix else ""
        nothing = f"No photo{where} shows {' and '.join(each.name for each in query.groups)}."
    else:
        some = build.listed(aws.s3, stack.bucket, prefix)
        nothing = f"There are no photos yet. Next: {session.command('upload PATH')}"
        if prefix:
            nothing = f'There is no photo whose key begins with "{prefix}".'
    found: list[Chosen] = []
    with view.meter("Looking for photos") as meter:
        for each in islice(some, limit):
            found.append(each)
            meter.update(len(found))
        more = sum(1 for _ in islice(some, _COUNTED_ON))
    if search and session.options.verbose:
        view.note(f"Read: {reader.spent}.")
    return found, more, nothing


def _make(
    session: Session,
    chosen: list[Chosen],
    folder: Folder,
    age: timedelta | None,
    one_file: OneFile | None,
) -> list[Tile]:
    """Fetch what is missing, and tell so before."""
    from labelctl.render.gallery import build, presigned_links

    stack, aws, view = session.stack, session.aws, session.view
    link = None
    if age:
        link = presigned_links.linker(aws.signer, stack.bucket, int(age.total_seconds()))
        if aws.credentials_end:
            view.warn("Your credentials are temporary: when they end, so do the links.")
    tiles: list[Tile] = []
    with view.meter("Making the gallery") as meter:
        if missing := build.missing(chosen, folder):
            size = volume(sum(each.size or 0 for each in missing))
            view.note(f"Fetching {counted(len(missing), 'photo')} from S3, {size}.")
        meter.update(0, total=len(chosen))
        for tile in build.tiles(aws.s3, stack.bucket, session.reader, chosen, folder, link):
            tiles.append(tile)
            if one_file:
                one_file.weigh(folder, tile.pictures, len(tiles), len(chosen))
            meter.update(len(tiles), total=len(chosen), words=tile.photo.image)
    return tiles


def _write(
    chosen: list[Chosen],
    tiles: list[Tile],
    about: dict[str, Any],
    folder: Folder,
    one_file: OneFile | None,
) -> tuple[Path, int]:
    """Write the page; its place, and of how many photos that are gone the pictures were removed."""
    from labelctl.atomic_file import atomic_write
    from labelctl.render.gallery import build, page, presigned_links

    hosts = sorted({presigned_links.host(tile.link) for tile in tiles if tile.link})
    if one_file:
        one_file.write(folder, build.data(tiles, about, one_file.place), hosts)
        folder.remove()
        return one_file.path, 0
    pieces = page.pieces(build.data(tiles, about), image_hosts=hosts)
    path = folder.root / "index.html"
    with atomic_write(path) as file:
        file.stream.writelines(piece.encode() for piece in pieces)
    return path, folder.sweep({each.name for each in chosen})


def _tell(
    session: Session,
    path: Path,
    tiles: list[Tile],
    more: bool,
    removed: int,
    links_end: datetime | None,
) -> None:
    """The result: in a pipe the page's place alone."""
    view = session.view
    rows: list[tuple[str, ...]] = [(str(path),)]
    if view.mode == "table":
        states = Counter(tile.photo.status for tile in tiles)
        rows = [("Page", str(path)), ("Photos", _sum(len(tiles), states))]
        if fetched := [tile.fetched for tile in tiles if tile.fetched is not None]:
            rows.append(("Fetched", f"{len(fetched):,}, {volume(sum(fetched))}"))
    value = _value(path, tiles, more, removed, links_end)
    view.show(value, Table((Column("", style="bold"), Column("")), rows))
    bare = [tile for tile in tiles if tile.pictures is None]
    _note(session, path, bare, more, removed, links_end)


def _value(
    path: Path | None, tiles: list[Tile], more: bool, removed: int, links_end: datetime | None
) -> dict[str, Any]:
    """The result as JSON.

    `path` of the page, null where nothing was found and none made; how many `photos` it has, and
    of these `labelled`, `failed`, `pending`; `without_picture` [{image, reason}]; `more`: whether
    there are photos beyond the limit; `fetched` photos and `fetched_bytes`; of how many others
    pictures were `removed`; `links_end_at` or null.
    """
    states = Counter(tile.photo.status for tile in tiles)
    fetched = [tile.fetched for tile in tiles if tile.fetched is not None]
    bare = [tile for tile in tiles if tile.pictures is None]
    return {
        "path": path and str(path),
        "photos": len(tiles),
        **{state: states[state] for state in _STATES},
        "without_picture": [{"image": each.photo.image, "reason": each.reason} for each in bare],
        "more": more,
        "fetched": len(fetched),
        "fetched_bytes": sum(fetched),
        "removed": removed,
        "links_end_at": links_end and f"{links_end:%Y-%m-%dT%H:%M:%SZ}",
    }


_STATES = {"labelled": "labelled", "failed": "failed", "pending": "waiting"}


def _sum(count: int, states: Counter[str]) -> str:
    parts = [f"{states[state]:,} {word}" for state, word in _STATES.items() if states[state]]
    return f"{count:,} ({', '.join(parts)})"


def _note(
    session: Session,
    path: Path,
    bare: list[Tile],
    more: bool,
    removed: int,
    links_end: datetime | None,
) -> None:
    view = session.view
    for tile in bare[:_TOLD]:
        view.note(f'No picture of "{tile.photo.image}": {tile.reason}')
    if len(bare) > _TOLD:
        view.note(f"… and of {counted(len(bare) - _TOLD, 'more photo')}.")
    if removed:
        others = "other photos" if removed > 1 else "another photo"
        view.note(
            f"{counted(removed, 'picture')} of {others} removed: the folder holds what the page shows,"
            " and -o DIR makes another."
        )
    if more:
        view.note("There are more photos: --limit COUNT takes them.")
    if links_end:
        view.note(
            f"The links end on {links_end.astimezone():%Y-%m-%d at %H:%M}. Until then whoever has the"
            " page sees the originals, with all that they tell of places and cameras."
        )
    size = path.stat().st_size
    if size > _MAIL:
        view.warn(f'"{path}" has {volume(size)}: more than most mail takes.')
