"""What tests leave to chance, and can be had again."""

import os
import random
import time


def seeded_random():
    """Random numbers by EMBER_SEED, or by a seed that is printed."""
    seed = int(os.environ.get("EMBER_SEED", time.time_ns() % 1000000))
    print(f"  EMBER_SEED={seed}", flush=True)
    return random.Random(seed)
