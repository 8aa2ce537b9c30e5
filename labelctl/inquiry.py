"""The closer look at the photos in doubt: whether each is well, waits, was given up, or is amiss.

Photos come and go meanwhile, and the function works, so the order matters: first how many messages
the queue holds, then the dead letters, then the queue once more (for those that `retry` moved back in
between), then a photo's rows, and the object last. So what was in the queue by then and is done has
its result, and an object that came after its rows were read is too young to be missed.

Some are set aside. Of a photo that was removed together with all its versions, or was uploaded in
parts (S3 dates it by when that began), nothing tells how young it is: those are looked at again when
they cannot be young any more. And one that has waited for very long may be lost, or the queue be that
long: only when all were looked at is it known whether there are as many messages as photos that wait.
What is told of whom this module does not know.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from labelctl import contract, dead_letters, inventory, queues, reads, requests, rows, verdict
from labelctl.inventory import Doubt, Inventory, There
from labelctl.threads import pool
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

_CLOCKS = 60  # seconds by which the function's clock may be behind S3's
_COUNTS = 3  # the queue's counts are approximate: empty is what is empty so often in a row
_LOOKS = 5  # a photo that changes while it is looked at so often is being worked on
_WORKERS = 8


@dataclass(frozen=True)
class _Look:
    """What a closer look found: what is amiss, the letter that mends it, and as what it counts.

    `aside`: how the photo stood, where it is not decided yet.
    """

    finding: Finding | None
    counts: tuple[str, ...] = ()
    letter: DeadLetter | None = None
    aside: There | None = None


class Inquiry:
    """Two looks at what is in doubt, the second one only where it is needed.

    What comes of it is counted in `tally`: photos, labelled, failed, waiting, cleanups, late, unclear,
    lost, repaired, and the findings by their kinds. What has waited for `overdue` seconds is amiss; if
    that is None, it is late after the stack's alarm age, and amiss once the queue holds nothing. The
    listing of `photos` took from `began` to `listed`, and `now` is the time by the same clock, S3's.
    """

    def __init__(
        self,
        aws: Aws,
        stack: Stack,
        photos: Inventory,
        *,
        prefix: str,
        overdue: float | None,
        began: float,
        listed: float,
        now: Callable[[], float],
        sleep: Callable[[float], None],
        repair: bool,
        tally: Counter[str],
    ) -> None:
        self._aws, self._stack, self._photos, self._prefix = aws, stack, photos, prefix
        self._overdue = stack.alarm_age if overdue is None else overdue
        self._is_told, self._repair, self._tally = overdue is not None, repair, tally
        self._now, self._sleep = now, sleep
        self._since_then = _iso(began - _CLOCKS)
        self._known = listed  # by then the doubts stood as they are told
        self._aside_at = listed
        self._again = False
        self._messages, self._counted, self._old = 0, 0.0, 0
        self._letters: dict[str, list[tuple[PhotoEvent, DeadLetter]]] = {}
        self._all_letters = True
        self._aside: Counter[str] = Counter()

    @property
    def messages(self) -> int:
        """How many messages the queue holds, by the last count."""
        return self._messages

    @property
    def unfinished(self) -> int:
        """How many photos need a second look: none, if the queue has a message for each of them.

        Nor if only some of those that are late can have none, and nothing is to be mended: nobody can
        tell which.
        """
        aside, late = self._aside["looks"], self._aside["late"]
        short = self._repair and late and self._old + late > self._messages
        return aside if short or aside - late > self._messages else 0

    def look(self) -> Iterator[tuple[int, list[Finding]]]:
        """How many photos were looked at, and what is amiss with them, a few at a time."""
        yield from self._look_at_all()
        if not self.unfinished:
            self._tally.update(self._aside)

    def wait(self) -> Iterator[float]:
        """Wait until none of those set aside is young; tells how many seconds are left."""
        if self._aside["looks"] == self._aside["late"]:
            return
        left = min(YOUNG, self._overdue) - (self._now() - self._aside_at)
        left += 1  # S3 tells whole seconds
        while left > 0:
            yield left
            self._sleep(min(left, 1.0))
            left -= 1.0

    def look_again(self) -> Iterator[tuple[int, list[Finding]]]:
        """The same for those that were set aside, once they are not young any more."""
        self._again, self._known = True, self._aside_at
        self._aside.clear()
        yield from self._look_at_all()

    def _look_at_all(self) -> Iterator[tuple[int, list[Finding]]]:
        sqs, prefix, again = self._aws.sqs, self._prefix, self._again
        self._messages, self._counted = queues.depth(sqs, self._stack.queue).depth, self._now()
        self._letters = defaultdict(list)
        with pool(_WORKERS, "look") as workers:
            # Those with a dead letter first, as these are hidden from others meanwhile.
            before = queues.depth(sqs, self._stack.dead_letters)
            with dead_letters.held(sqs, self._stack.dead_letters) as held:
                for letter in held:
                    for event in letter.events:
                        if event.key.startswith(prefix):
                            self._letters[event.key].append((event, letter))
                self._all_letters = not held.unseen(before)
                self._messages = max(self._messages, self._depth(enough=1))
                told = sorted(self._letters)
                for start in range(0, len(told), reads.BATCH):
                    among = told[start : start + reads.BATCH]
                    doubts = self._photos.doubtful_among(among, again=again)
                    yield len(doubts), self._batch(workers, doubts, held)
            for doubts in self._photos.doubtful(reads.BATCH, again=again):
                doubts = [doubt for doubt in doubts if doubt.image not in self._letters]
                yield len(doubts), self._batch(workers, doubts, None)
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
        self._old, late = self._tally.pop("old", 0), self._aside["late"]
        if self._all_letters and (waiting := self._old + late) > self._messages:
            self._messages = max(self._messages, self._depth(enough=waiting))
            waiting -= late if self.unfinished else 0
            self._tally["lost"] += max(waiting - self._messages, 0)

    def _batch(
        self, workers: ThreadPoolExecutor, doubts: Sequence[Doubt], held: Held | None
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
        looks += zip(
            (doubt.image for doubt in closer), workers.map(self._look, closer), strict=True
        )
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
        if header and header.done_at >= self._since_then:
            return None  # the photo may well be another by now, too
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
        late = self._waited(there, since) >= self._overdue
        if late and (self._is_told or self._again):
            return None
        if not self._messages and self._now() - since >= YOUNG:
            return None
        counts: tuple[str, ...] = ("cleanups",)
        if there.exists:
            counts = ("photos", "waiting" if self._all_letters else "unclear")
        if late and self._messages:
            # Where not all letters were read, a second look would tell no more.
            if not self._all_letters:
                return _Look(None, counts)
            return _Look(None, (*counts, "late"), aside=there)
        if self._counted - since >= YOUNG:
            return _Look(None, (*counts, "old"))
        return _Look(None, counts, aside=None if there.dated or self._again else there)

    def _waited(self, there: There, since: float) -> float:
        return max(self._now() - (since if there.since is None else there.since), 0)

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
        waited = self._waited(there, since)
        is_overdue = self._is_told and waited >= self._overdue
        if there.exists and not self._all_letters and not is_overdue:
            return _Look(None, (*counts, "unclear"))
        if finding.kind == "missing" and (self._messages or not self._all_letters):
            finding = replace(finding, detail=f"It has had no result for {span(waited)}.")
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
        queue, bucket = self._stack.queue, self._stack.bucket
        for _ in requests.send(self._aws.sqs, queue, bucket, wanted, _iso(self._now())):
            pass
        if held and letters:
            held.move(letters.values(), queue)
        return findings


def _iso(seconds: float) -> str:
    return contract.iso(datetime.fromtimestamp(seconds, UTC))


def _findings(looks: Iterable[_Look]) -> list[Finding]:
    return [look.finding for look in looks if look.finding]
