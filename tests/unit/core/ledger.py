"""Independent books of promises 1 to 4: they see what goes in and which traffic comes out, and nothing else."""

from dataclasses import dataclass, field

GOOD, BAD, SILENT = "h", "b", "?"


@dataclass
class Ledger:
    """What is known from outside about one ModelDeployment.

    worked: revisions that have been the stable one. banned: failed ones that may not have traffic.
    row: breaches in a row of the revision `of`.
    """

    worked: set[str] = field(default_factory=set)
    banned: set[str] = field(default_factory=set)
    of: str | None = None
    row: int = 0

    def spec_changed(self):
        """Another revision is wanted: everything may be tried again."""
        self.banned.clear()

    def count(self, subject, verdict, threshold):
        """One evaluated tick; whether it must roll back."""
        if subject != self.of:
            self.of, self.row = subject, 0
        if verdict == SILENT:
            return False
        self.row = self.row + 1 if verdict == BAD else 0
        return verdict == BAD and self.row >= threshold

    def traffic_moved(self, before, after, declared, *, first):
        """Promise 1 and 4: nobody gets more than the next declared step, except what has worked before."""
        assert all(0 < share <= 100 for share in after.values()), after
        assert not after or sum(after.values()) == 100, after
        assert not set(after) & self.banned, f"traffic for a version that failed: {after}, {self.banned}"
        for revision, share in after.items():
            had = before.get(revision, 0)
            if share <= had or (first and share == 100):
                continue
            steps = [weight for weight in declared if weight > had]
            back = revision in self.worked and any(before.get(other, 0) > now for other, now in _others(after, before))
            assert back or (steps and share == steps[0]), f"{revision} went from {had} to {share}, declared {declared}"


def _others(after, before):
    return [(revision, after.get(revision, 0)) for revision in before]
