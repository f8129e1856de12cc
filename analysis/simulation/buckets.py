"""Which calibrated bucket, and which of its runs, a file of pseudo-data or run-dependent simulation is of."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.conditions.buckets import Bucket
from analysis.errors import ConfigurationError

Runs = tuple[tuple[int, int], ...]


def share(buckets: Sequence[Bucket], chunk: int, files: int) -> tuple[Bucket, Runs]:
    """Return the bucket of a file and its (experiment, run): files take the buckets in turn, and share their runs out.

    Parameters
    ----------
    buckets
        At least one.
    chunk, files
        Number of the file, and how many there are.

    Raises
    ------
    ConfigurationError
        There are more buckets than files, or a bucket has fewer runs than files.
    """
    turn = chunk % len(buckets)
    bucket, members = buckets[turn], range(turn, files, len(buckets))
    runs = tuple((iov.first_experiment, run) for iov in bucket.runs for run in range(iov.first_run, iov.final_run + 1))
    if files < len(buckets) or len(runs) < len(members):
        raise ConfigurationError(
            "The calibrated buckets do not go with the number of files.",
            where="simulation.files, conditions.buckets",
            found=f"{files} files, {len(buckets)} buckets; {bucket.bucket} has {len(runs)} runs",
            expected="a file for each bucket, and a run for each file",
            remedy="change `simulation: files:`",
        )
    return bucket, runs[members.index(chunk) :: len(members)]
