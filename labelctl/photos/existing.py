"""Which of many files are in the bucket already, by listing it instead of asking for each key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelctl.photos.versions import MAX_PAGE, ObjectVersion, of_listing

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PAGE_COST = 12
"""How many HEADs cost as much as a page of a listing. [S3 pricing: 0.4 and 5 USD a million]"""


class Existing:
    """Looks up keys page by page, best in the order of keys.

    A page begins at the first key that no earlier page covers, so gaps are skipped. If pages answer
    fewer than PAGE_COST keys each on average, or may not be listed, HEADs have to answer.
    """

    def __init__(self, s3: S3Client, bucket: str) -> None:
        self._s3, self._bucket = s3, bucket
        self._pages = self._answers = 0
        self._found: dict[str, ObjectVersion] = {}
        self._after: str | None = None  # the page has all keys after this one,
        self._last: str | None = None  # up to this one; None: to the end of the bucket
        self._works = True

    def find(self, key: str) -> ObjectVersion | None:
        """Return the object with this key, one that does not exist, or None if only HEAD can tell."""
        if not self._covers(key) and not self._list(key):
            return None
        self._answers += 1
        return self._found.get(key) or ObjectVersion(key)

    def _covers(self, key: str) -> bool:
        if self._after is None:
            return False
        return self._after < key and (self._last is None or key <= self._last)

    def _list(self, key: str) -> bool:
        """Read the page that begins with a key; returns whether it could be read."""
        if not self._works or self._answers < self._pages * PAGE_COST:
            return False
        start = key[:-1]  # sorts before the key, with hardly any other key between them
        request: dict[str, Any] = {"StartAfter": start} if start else {}
        try:
            page: Any = self._s3.list_objects_v2(Bucket=self._bucket, MaxKeys=MAX_PAGE, **request)
        except Exception:  # HEADs work without this permission, and report any other error
            self._works = False
            return False
        listed = [of_listing(each) for each in page.get("Contents", ())]
        self._found = {each.key: each for each in listed}
        self._after = start
        self._last = listed[-1].key if page.get("IsTruncated") and listed else None
        self._pages += 1
        return self._covers(key)
