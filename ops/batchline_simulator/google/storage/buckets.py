"""Which buckets there are, where they lie, and who may write to them.

Three kinds differ: a bucket that is there, one that is there and denied to
every caller, and one that callers use freely while jobs may not write to it.
"""

from dataclasses import dataclass

from batchline_simulator.config import SimulatorConfig
from batchline_simulator.database import Database

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS google_buckets (name TEXT PRIMARY KEY, location TEXT NOT NULL,"
    " created_us INTEGER NOT NULL)"
)
_CONTINENTS = frozenset({"US", "EU", "ASIA"})
_PAIRS = frozenset({"ASIA1", "EUR4", "EUR5", "EUR7", "EUR8", "NAM4"})


@dataclass(frozen=True)
class Bucket:
    """One bucket."""

    name: str
    location: str
    """Upper case, as Cloud Storage shows it, whatever its creator wrote."""
    created_us: int
    """Microseconds since 1970."""

    @property
    def location_type(self) -> str:
        """Whether the location is one region, two, or a continent."""
        if self.location in _CONTINENTS:
            return "multi-region"
        return "dual-region" if self.location in _PAIRS else "region"


class Buckets:
    """Every bucket; those of the settings are there from the start."""

    def __init__(self, database: Database, config: SimulatorConfig, *, now_us: int) -> None:
        self._database = database
        self._denied = config.denied_buckets
        self._output_denied = config.output_denied_buckets
        database.run(_SCHEMA)
        for name, location in config.buckets.items():
            if self.get(name) is None:
                self.create(name, location, now_us=now_us)

    def get(self, name: str) -> Bucket | None:
        """Return one bucket, or None where there is none of that name."""
        rows = self._database.rows("SELECT * FROM google_buckets WHERE name = ?", (name,))
        return Bucket(**dict(rows[0])) if rows else None

    def create(self, name: str, location: str, *, now_us: int) -> Bucket:
        """Make a bucket; the name must be free."""
        bucket = Bucket(name, location.upper(), now_us)
        self._database.run(
            "INSERT INTO google_buckets VALUES (?, ?, ?)", (bucket.name, bucket.location, bucket.created_us)
        )
        return bucket

    def denied(self, name: str) -> bool:
        """Say whether every call on the bucket is refused."""
        return name in self._denied

    def writable_by_jobs(self, name: str) -> bool:
        """Say whether a job may write its output there."""
        return name not in self._denied | self._output_denied
