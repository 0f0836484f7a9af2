"""The cache on disk against a model of it: whatever happens in whatever order, it holds what was put last."""

import os
import shutil
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import caches
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from coverproxy.cache.budget import UNBOUNDED, DiskBounds, DiskBudget
from coverproxy.cache.disk import DiskCache
from coverproxy.cache.evict import Evictor
from coverproxy.cache.last_use import DAY, LastUse
from coverproxy.domain import schemes
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import Identifier, Spec

# A JPEG and a WebP in all that the cache looks at: a frame header of 200x300, then room for filler.
JPEG = bytes.fromhex("ffd8ffe000100000000000000000000000000000ffc0000b08012c00c8010111")
WEBP = b"WEBPVP8 " + bytes(10) + (200).to_bytes(2, "little") + (300).to_bytes(2, "little")

SIZES = ("medium", "small")
REVISIONS = ("0000000001", "0000000002")
# two books of one shard, one of another, and one that has no ISBN-10
ISBNS = ("9780545010221", "9781545010228", "9780141439556", "9791026900948")
IDENTIFIERS = st.sampled_from([Identifier("isbn", value) for value in ISBNS])
SPECS = st.builds(Spec, IDENTIFIERS, st.sampled_from(SIZES), st.sampled_from([Format.JPEG, Format.WEBP]))

At = tuple[str, Spec]
"""Where the model keeps a derivative: a revision of its size, and its spec."""


def derivative(form: Format, length: int, mtime: int) -> Derivative:
    """A whole picture of that format with *length* bytes of filler."""
    riff = WEBP + bytes(length)
    webp = b"RIFF" + len(riff).to_bytes(4, "little") + riff
    body = JPEG + bytes(length) + b"\xff\xd9" if form is Format.JPEG else webp
    return Derivative(body, form, mtime, (200, 300), None)


def used(root: Path) -> int:
    """What `du` says of a folder: every inode once."""
    paths = [root, *root.rglob("*")]
    stats = {stat.st_ino: stat for stat in (path.lstat() for path in paths)}
    return sum(stat.st_blocks * 512 for stat in stats.values())


class CacheMachine(RuleBasedStateMachine):
    """A cache folder, and what it must hold."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.model: dict[At, Derivative] = {}
        self.torn: set[At] = set()
        self.revisions = dict.fromkeys(SIZES, REVISIONS[0])
        self.reopen()
        self.survey()

    def reopen(self) -> None:
        layout = caches.layout(self.root, dict(self.revisions))
        self.cache = DiskCache(layout, room=DiskBudget(layout, UNBOUNDED))
        self.cache.open()

    def survey(self, bounds: DiskBounds = UNBOUNDED) -> int:
        """Walk as upkeep does, which sets the estimate right; return how many files were evicted."""
        outcome = Evictor(self.cache.layout, self.cache.room, LastUse.ATIME).run(threading.Event(), bounds)
        self.is_exact, self.uncounted = True, 0
        return outcome.files

    def at(self, spec: Spec) -> At:
        return self.revisions[spec.size], spec

    def path(self, at: At) -> Path:
        return caches.layout(self.root, {at[1].size: at[0]}).paths(at[1])[0]

    @rule(spec=SPECS, length=st.integers(0, 9000), mtime=st.integers(1, 2_000_000_000))
    def put(self, spec: Spec, length: int, mtime: int) -> None:
        """Put a derivative, over another where there is one."""
        self.put_into_both(spec, derivative(spec.format, length, mtime))

    def put_into_both(self, spec: Spec, picture: Derivative) -> None:
        self.is_exact &= self.at(spec) not in self.model  # what it replaces is counted until the next walk
        self.model[self.at(spec)] = picture
        self.torn.discard(self.at(spec))
        self.cache.put(spec, picture)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), mtime=st.integers(1, 2_000_000_000))
    def put_again(self, data: st.DataObject, mtime: int) -> None:
        """Put the same picture with another time, as after an import that changed nothing else."""
        at = data.draw(st.sampled_from(list(self.model)))
        self.put_into_both(at[1], replace(self.model[at], mtime=mtime))

    @rule(identifier=IDENTIFIERS)
    def purge(self, identifier: Identifier) -> None:
        """Purge a book, in all sizes, formats and revisions."""
        gone = [at for at in self.model if at[1].identifier == identifier]
        assert self.cache.purge(identifier) == len(gone)
        for at in gone:
            self.forget(at)

    def is_lone(self, at: At) -> bool:
        """Whether one of its two names was removed."""
        return len(schemes.stems(at[1].identifier)) == 2 and self.path(at).stat().st_nlink == 1

    def forget(self, at: At) -> None:
        del self.model[at]
        self.torn.discard(at)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), part=st.floats(0, 0.99))
    def tear(self, data: st.DataObject, part: float) -> None:
        """Cut a file short, as a crash of the machine does."""
        at = data.draw(st.sampled_from(list(self.model)))
        os.truncate(self.path(at), int(len(self.model[at].body) * part))
        self.torn.add(at)
        self.is_exact = False

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove_second_spelling(self, data: st.DataObject) -> None:
        """Somebody removes the ISBN-10's name: the canonical one still finds the file."""
        revision, spec = data.draw(st.sampled_from(list(self.model)))
        for other in caches.layout(self.root, {spec.size: revision}).paths(spec)[1:]:
            other.unlink(missing_ok=True)

    @rule(spec=SPECS)
    def find(self, spec: Spec) -> None:
        """Look for one: exactly what was put last, or None where it was torn, and then its names are gone."""
        found = self.cache.find(spec)
        if self.at(spec) in self.torn:
            assert found is None
            assert not any(path.exists() for path in self.cache.layout.paths(spec))
            self.forget(self.at(spec))
        assert found == self.model.get(self.at(spec))

    @rule(size=st.sampled_from(SIZES), revision=st.sampled_from(REVISIONS))
    def change_settings(self, size: str, revision: str) -> None:
        """Start again with other settings for a size, or with those of before: its covers are there again."""
        self.revisions[size] = revision
        before = used(self.root)
        self.reopen()
        self.uncounted += used(self.root) - before  # a new revision's folder: the next walk counts it

    @rule(count=st.integers(1, 3))
    def sweep(self, count: int) -> None:
        """Start after writers died: what they left half-written goes, and nothing else does."""
        for number in range(count):  # above any process id, so nobody lives who could still write it
            (self.cache.layout.temporary / f"99999999{number}-0123456789abcdef").write_bytes(bytes(100))
        assert self.cache.open() == count

    @precondition(lambda self: self.model)
    @rule(data=st.data(), days=st.integers(1, 400))
    def leave_unused(self, data: st.DataObject, days: int) -> None:
        """Nobody asks for one for some days."""
        path = self.path(data.draw(st.sampled_from(list(self.model))))
        os.utime(path, (time.time() - days * DAY, path.stat().st_mtime))

    @rule(part=st.floats(0.1, 1.2))
    def evict(self, part: float) -> None:
        """Evict down to a part of what is held: the longest unused first, and whole files only."""
        before = {at for at in self.model if self.path(at).exists()}
        ages = {
            at: (int(self.path(at).stat().st_atime) // DAY, self.revisions[at[1].size] == at[0])
            for at in before
        }
        files = self.survey(DiskBounds(max(int(used(self.root) * part), 1), 0))
        gone = {at for at in before if not self.path(at).exists()}
        assert len(gone) == files
        assert all(
            age <= kept
            for age in map(ages.__getitem__, gone)
            for kept in map(ages.__getitem__, before - gone)
        )
        for at in gone:
            self.forget(at)

    @rule()
    def walk(self) -> None:
        """Walk through all of it without evicting anything."""
        assert self.survey() == 0

    @invariant()
    def everything_is_as_it_was_put(self) -> None:
        for spec in {at[1] for at in self.model if at not in self.torn}:
            if self.at(spec) not in self.torn:
                assert self.cache.find(spec) == self.model.get(self.at(spec))

    @invariant()
    def names_are_those_of_the_model(self) -> None:
        """No name is left of what is gone, and spellings that are there are one file."""
        names = set()
        for revision, spec in self.model:
            canonical, *others = caches.layout(self.root, {spec.size: revision}).paths(spec)
            names |= {canonical, *(path for path in others if path.exists())}
            assert all(path.samefile(canonical) for path in others if path.exists())
        assert {path for path in self.cache.layout.images.rglob("*") if path.is_file()} == names

    @invariant()
    def nothing_is_half_written(self) -> None:
        assert not list(self.cache.layout.temporary.iterdir())

    @invariant()
    def what_is_held_is_what_it_takes(self) -> None:
        """The estimate is what `du` says, or more where a file was replaced or cut since the last walk."""
        held, taken = self.cache.room.held() + self.uncounted, used(self.root)
        assert held == taken if self.is_exact else held >= taken

    def teardown(self) -> None:
        self.cache.room.close()
        shutil.rmtree(self.root)


CacheMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestTheCacheAgainstItsModel = CacheMachine.TestCase
