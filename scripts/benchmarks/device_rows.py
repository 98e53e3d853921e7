"""The rows of scripts/bench about virtio devices."""

from benchmarks.rows import row


def queue_chains(bench):
    """Chains of one descriptor through the queue engine and a device that does nothing with them."""
    measured = bench.probe("queue_probe", bench.count(25))
    samples = {"ember": measured["chains_per_s"], "driver_alone": measured["driver_chains_per_s"]}
    return row("queue_chains_per_s", "1/s", samples)


ROWS = {
    "queue_chains_per_s": queue_chains,
}
