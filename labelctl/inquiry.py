"""The closer look at the photos in doubt: whether each is well, waits, was given up, or is amiss.

Photos come and go meanwhile, and the function works, so the order matters: first how many messages
the queue holds, then the dead letters, then a photo's rows, and the object last. So what was in the
queue by then and is done has its result, and an object that came after its rows were read is too
young to be missed. Of some nothing tells how young they are: a photo that was removed together with
all its versions, one that was uploaded in parts (S3 dates it by when that began). Those are set aside,
and looked at again when they cannot be young any more. What is told of whom this module does not know.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from labelctl import dead_letters, inventory, queues, reads, requests, rows, verdict
from labelctl.inventory import Doubt, Inventory, There
from labelctl.verdict import Finding
from labelctl.words import span

if TYPE_CHECKING:
    from labelctl.aws import Aws
    from labelctl.contract import PhotoEvent
    from labelctl.dead_letters import DeadLetter, Held
    from labelctl.rows import Header, Stored
    from labelctl.stack import Stack

YOUNG = 120
"""Seconds for which a photo may be without a message: S3 takes its time to tell, and SQS to count.
[S3 User Guide, Event notifications: "typically in seconds but can sometimes take a minute or longer";
SQS API, GetQueueAttributes: right "at least 1 minute after the producers stop sending"]"""

_COUNTS = 3  # the queue's counts are approximate: empty is what is empty so often in a row
_LOOKS = 5  # a photo that changes while it is looked at so often is being worked on
_WORKERS = 8


@dataclass(frozen=True)
class _Look:
    """What a closer look found: what is amiss, the letter that mends it, and as what it counts.

    `aside`: how the photo stood, where nothing tells whether it is too young to be missed.
    """

    finding: Finding | None
    counts: tuple[str, ...] = ()
    letter: DeadLetter | None = None
    aside: There | None = None


class Inquiry:
    """Two looks at what is in doubt, the second one only where it is needed.

    What comes of it is counted in `tally`: photos, labelled, failed, waiting, cleanups, unclear, lost,
    repaired, and the findings by their kinds. `listed` is when the listing of `photos` had ended, and
    `now` the time by the same clock, S3's.
    """

    def __init__(
        self,
        aws: Aws,
        stack: Stack,
        photos: Inventory,
        *,
        prefix: str,
        overdue: float,
        listed: float,
        now: Callable[[], float],
        sleep: Callable[[float], None],
        repair: bool,
        tally: Counter[str],
    ) -> None:
        self._aws, self._stack, self._photos, self._prefix = aws, stack, photos, prefix
        self._overdue, self._repair, self._tally = overdue, repair, tally
        self._now, self._sleep = now, sleep
        self._known = listed  # by then the doubts stood as they are told
        self._aside_at = listed
        self._again = False
        self._messages, self._counted = 0, 0.0
        self._letters: dict[str, list[tuple[PhotoEvent, DeadLetter]]] = {}
        self._all_letters = True
        self._aside: Counter[str] = Counter()

    @property
    def messages(self) -> int:
        """How many messages the queue holds, by the last count."""
        return self._messages

    @property
    def unfinished(self) -> int:
        """How many photos need a second look: none, if the queue has a message for each of them."""
        aside = self._aside["looks"]
        return aside if aside > self._messages else 0

    def look(self) -> Iterator[tuple[int, list[Finding]]]:
        """How many photos were looked at, and what is amiss with them, a few at a time."""
        yield from self._look_at_all()
        if not self.unfinished:
            self._tally.update(self._aside)

    def wait(self) -> Iterator[float]:
        """Wait until none of those set aside is young; tells how many seconds are left."""
        left = min(YOUNG, self._overdue) - (self._now() - self._aside_at)
        left += 1  # S3 tells whole seconds
        while left > 0:
            yield left
            self._sleep(min(left, 1.0))
            left -= 1.0

    def look_again(self) -> Iterator[tuple[int, list[Finding]]]:
        """The same for those that were set aside, once they are not young any more."""
        self._again, self._known = True, self._aside_at
        yield from self._look_at_all()

    def _look_at_all(self) -> Iterator[tuple[int, list[Finding]]]:
        sqs, prefix, again = self._aws.sqs, self._prefix, self._again
        self._messages, self._counted = self._depth(enough=1), self._now()
        self._letters = defaultdict(list)
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="look") as pool:
            # Those with a dead letter first, as these are hidden from others meanwhile.
            before = queues.depth(sqs, self._stack.dead_letters)
            with dead_letters.held(sqs, self._stack.dead_letters) as held:
                for letter in held:
                    for event in letter.events:
                        if event.key.startswith(prefix):
                            self._letters[event.key].append((event, letter))
                self._all_letters = not held.unseen(before)
                told = sorted(self._letters)
                for start in range(0, len(told), reads.BATCH):
                    among = told[start : start + reads.BATCH]
                    doubts = self._photos.doubtful_among(among, again=again)
                    yield len(doubts), self._batch(pool, doubts, held)
            for doubts in self._photos.doubtful(reads.BATCH, again=again):
                doubts = [doubt for doubt in doubts if doubt.image not in self._letters]
                yield len(doubts), self._batch(pool, doubts, None)
        self._count_lost()

    def _depth(self, enough: int) -> int:
        """How many messages the work queue holds, in whatever state; asked again if below `enough`."""
        most = 0
        for count in range(_COUNTS):
            if count:
                self._sleep(0.5)
            most = max(most, queues.depth(self._aws.sqs, self._stack.queue).depth)
            if most >= enough:
                break
        return most

    def _count_lost(self) -> None:
        """Each photo that waits had its message in the queue when that was counted, or is lost."""
        old = self._tally.pop("old", 0)
        if self._all_letters and old > self._messages:
            self._messages = max(self._messages, self._depth(enough=old))
            self._tally["lost"] += max(old - self._messages, 0)

    def _batch(
        self, pool: ThreadPoolExecutor, doubts: Sequence[Doubt], held: Held | None
    ) -> list[Finding]:
        images = [doubt.image for doubt in doubts]
        at_a_glance = () if self._again else images
        fresh = rows.headers(self._aws.dynamodb, self._stack.table, at_a_glance)
        looks, closer = [], []
        for doubt in doubts:
            if look := self._at_a_glance(doubt, fresh.get(doubt.image)):
                looks.append((doubt.image, look))
            else:
                closer.append(doubt)
        looks += zip((doubt.image for doubt in closer), pool.map(self._look, closer), strict=True)
        self._photos.set_aside([(image, look.aside) for image, look in looks if look.aside])
        for _, look in looks:
            if look.aside:
                self._aside_at = self._now()
                self._aside.update((*look.counts, "looks"))
            else:
                self._tally.update(look.counts)
        amiss = [look for _, look in looks if look.finding]
        findings = self._mend(amiss, held) if self._repair else _findings(amiss)
        for finding in findings:
            self._tally[finding.kind] += 1
            self._tally["repaired"] += finding.repaired
        return findings

    def _at_a_glance(self, doubt: Doubt, header: Header | None) -> _Look | None:
        """As what a photo counts, where its header as it is now tells, or where it may wait."""
        if doubt.rows or self._again:
            return None
        # The rows that a header tells of are written before it.
        stored = rows.Stored(doubt.image, header, {header.version: header.labels} if header else {})
        if header and doubt.there.exists and verdict.judge(doubt.there, stored) is None:
            return _Look(None, ("photos", header.status))
        if not doubt.there.exists and (header is None or header.removed):
            return _Look(None, ("gone",))
        if doubt.image in self._letters:
            return None
        return self._patience(doubt.there, self._since(doubt, doubt.there))

    def _look(self, doubt: Doubt) -> _Look:
        image = doubt.image
        for _ in range(_LOOKS):
            stored = self._stored(image)
            there = inventory.look(self._aws.s3, self._stack.bucket, image)
            finding = verdict.judge(there, stored)
            counts = ("photos", stored.header.status) if there.exists and stored.header else ()
            if finding is None:
                return _Look(None, counts)
            if finding.kind not in verdict.OF_ROWS:
                return self._weigh(finding, doubt, there, stored.header)
            # Rows are not read in one moment: it was so only if the header is the same after them.
            again = self._stored(image)
            if again.header == stored.header and verdict.judge(there, again) == finding:
                if finding.kind != "leftovers":
                    return _Look(finding, ("photos",))
                since = self._since(doubt, there) if self._again else self._now()
                if self._messages and (wait := self._patience(There(), since)):
                    return replace(wait, counts=(*counts, *wait.counts), aside=wait.aside and there)
                return _Look(finding, counts)
        return _Look(None, ("photos", "waiting"))

    def _stored(self, image: str) -> Stored:
        return rows.read(self._aws.dynamodb, self._stack.table, image)

    def _since(self, doubt: Doubt, there: There) -> float:
        """When it came to be so, or by when it surely was so."""
        if there.dated and there.since is not None:
            return there.since
        return self._known if there == doubt.there else self._now()

    def _patience(self, there: There, since: float) -> _Look | None:
        """As what it counts while a message for it may be in the queue, or on its way there."""
        now = self._now()
        waited = now - (since if there.since is None else there.since)
        if max(waited, 0) >= self._overdue or (not self._messages and now - since >= YOUNG):
            return None
        counts: tuple[str, ...] = ("cleanups",)
        if there.exists:
            counts = ("photos", "waiting" if self._all_letters else "unclear")
        if self._counted - since >= YOUNG:
            return _Look(None, (*counts, "old"))
        return _Look(None, counts, aside=None if there.dated or self._again else there)

    def _weigh(self, finding: Finding, doubt: Doubt, there: There, header: Header | None) -> _Look:
        """Whether a photo without its result waits, or was given up, or is amiss as it seems."""
        known = header.sequencer if header else ""
        counts = ("photos",) if there.exists else ()
        for event, letter in self._letters.get(finding.image, ()):
            if event.sequencer > known and verdict.leads_to(event, there):
                detail = ": ".join(filter(None, (letter.error, letter.reason)))
                given_up = replace(finding, kind="dead_letter", detail=f"Given up. {detail}")
                return _Look(given_up, counts, letter)
        since = self._since(doubt, there)
        if wait := self._patience(there, since):
            return wait
        if finding.kind == "missing" and (self._messages or not self._all_letters):
            waited = span(self._now() - (since if there.since is None else there.since))
            finding = replace(finding, detail=f"It has had no result for {waited}.")
        return _Look(finding, counts)

    def _mend(self, looks: Iterable[_Look], held: Held | None) -> list[Finding]:
        """Put what is amiss into the queue; the findings, with what was mended marked."""
        findings, wanted = [], []
        letters: dict[str, DeadLetter] = {}
        for look in looks:
            if look.finding is None:
                continue
            if look.letter:
                letters[look.letter.message_id] = look.letter
            elif look.finding.sequencer:
                wanted.append(requests.Wanted(look.finding.image, look.finding.sequencer))
            mended = bool(look.letter or look.finding.sequencer)
            findings.append(replace(look.finding, repaired=mended))
        at = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds")
        at = at.replace("+00:00", "Z")
        queue, bucket = self._stack.queue, self._stack.bucket
        for _ in requests.send(self._aws.sqs, queue, bucket, wanted, at):
            pass
        if held and letters:
            held.move(letters.values(), queue)
        return findings


def _findings(looks: Iterable[_Look]) -> list[Finding]:
    return [look.finding for look in looks if look.finding]
