"""Which benchmark to run.

startup   how long commands take to start
photo     from `upload` to labels, one photo at a time
album     64 photos of 12 megapixels: how busy the recogniser is, and how much of it is wasted
quota     1,000 photos against a recogniser that allows 50 calls a second
upload    how long `upload` takes, against s5cmd and `aws s3 cp`
chaos     1,000 photos while everything fails and processes are killed; ends with 1 if one is lost
search    what searches read of 100,000 labels, in requests and read units
labels    the labels of one photo, against `aws dynamodb query`
lists     what images, stats and export read
export    how long an export takes, against `aws dynamodb scan`
gallery   how long a gallery's pictures take, against Pillow's `draft` and `thumbnail` alone
million   what stats and verify of a million photos take: seconds and memory
function  how fast the function starts and labels a batch of ten
cost      what a photo costs: write and read units, and USD for a million
scale     a simulation: what limits the pipeline at up to 1,000 photos a second, and what to change
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable

from tests.bench.album import album
from tests.bench.chaos import chaos
from tests.bench.cost import cost
from tests.bench.export import export
from tests.bench.function import function
from tests.bench.gallery import gallery
from tests.bench.labels import labels
from tests.bench.lists import lists
from tests.bench.million import million
from tests.bench.photo import photo
from tests.bench.quota import quota
from tests.bench.scale import scale
from tests.bench.search import search
from tests.bench.startup import startup
from tests.bench.upload import upload


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="name", required=True)
    commands.add_parser("startup").set_defaults(run=startup)
    commands.add_parser("photo").set_defaults(run=photo)
    one = commands.add_parser("album")
    one.add_argument("--photos", type=int, default=64)
    one.set_defaults(run=album)
    one = commands.add_parser("quota")
    one.add_argument("--photos", type=int, default=1000)
    one.add_argument("--calls-per-second", type=int, default=50, help="the recogniser's quota")
    one.add_argument("--latency", type=float, default=0.3, help="seconds an answer takes")
    one.add_argument(
        "--concurrency", type=int, default=4, help="copies of the function, 10 photos each"
    )
    one.add_argument(
        "--counting",
        choices=("sliding", "clock", "bucket"),
        default="bucket",
        help="by tokens, as AWS does; in any second, the strictest; in each second of the clock",
    )
    one.add_argument("--outage", type=float, default=0, help="seconds without any quota at first")
    one.add_argument("--seconds", action="store_true", help="tell each second's calls too")
    one.set_defaults(run=quota)
    one = commands.add_parser("chaos")
    one.add_argument("--photos", type=int, default=1000)
    one.add_argument("--seed", type=int, default=0)
    one.set_defaults(run=chaos)
    one = commands.add_parser("upload")
    one.add_argument("--rounds", type=int, default=5, help="how often each tool runs")
    one.add_argument("--files", dest="only", type=int, help="files of each size")
    one.add_argument("--memory", action="store_true", help="only labelctl, with 100,000 files")
    one.add_argument("--json", dest="as_json", action="store_true", help="print JSON, no table")
    one.set_defaults(run=upload)
    one = commands.add_parser("search")
    one.add_argument("--rows", type=int, default=100_000, help="label rows, 20 a photo")
    one.set_defaults(run=search)
    commands.add_parser("labels").set_defaults(run=labels)
    one = commands.add_parser("lists")
    one.add_argument("--rows", type=int, default=100_000, help="label rows")
    one.set_defaults(run=lists)
    one = commands.add_parser("export")
    one.add_argument("--labels", type=int, default=1_000_000, help="20 of each photo")
    one.set_defaults(run=export)
    one = commands.add_parser("gallery")
    one.add_argument("--photos", type=int, default=40)
    one.add_argument("--rounds", type=int, default=5, help="how often each way runs")
    one.set_defaults(run=gallery)
    one = commands.add_parser("million")
    one.add_argument("--photos", type=int, default=1_000_000)
    one.set_defaults(run=million)
    one = commands.add_parser("function")
    one.add_argument("--latency", type=float, default=0.5, help="seconds of Rekognition's answer")
    one.add_argument("--json", action="store_true", dest="as_json")
    one.set_defaults(run=function)
    commands.add_parser("cost").set_defaults(run=cost)
    one = commands.add_parser("scale")
    one.add_argument("--json", dest="as_json", action="store_true", help="print JSON, no table")
    one.set_defaults(run=scale)
    # Without compiled modules, everything takes several times as long to start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    options = vars(parser.parse_args())
    options.pop("name")
    run: Callable[..., int | None] = options.pop("run")
    return run(**options) or 0


if __name__ == "__main__":
    sys.exit(main())
