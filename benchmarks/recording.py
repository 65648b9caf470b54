"""What a recording of an episode costs: its film while it is driven, its files afterwards.

    python benchmarks/recording.py [--episodes N] [--json PATH]

Episodes of 60 s of the suite ``lfv``, driven to their end by the town expert, with ten pictures a second. Medians of
processor time over the episodes; the film's is the difference of the same drive with and without it.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from rilaas.evaluate.driving import World, read_suite, rollout, score_episode
from rilaas.evaluate.driving.playback.mcap_file import write_mcap
from rilaas.evaluate.driving.playback.recording import Origin, record
from rilaas.evaluate.driving.playback.rerun_file import write_rrd
from rilaas.learn import TownExpertPolicy
from rilaas.report import provenance
from rilaas.report.playback import to_page, write_recording

FILM_HZ = 10.0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=6, help="default 6")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    suite = read_suite("lfv")
    origin = Origin("town expert", suite, "none", None, provenance([]))
    step = max(1, len(suite.scenarios) // options.episodes)
    rows = [measure(scenario, origin) for scenario in suite.scenarios[::step][: options.episodes]]
    for name in rows[0]:
        values = [row[name] for row in rows]
        print(f"{name:24} median {statistics.median(values):8.3f}   {min(values):.3f} to {max(values):.3f}")
    if options.json:
        options.json.write_text(json.dumps(rows))


def measure(scenario, origin):
    """Sizes [MB] and processor times [s] of one episode."""
    world = World(scenario)
    policy = TownExpertPolicy(world)
    _, bare_s = timed(lambda: rollout(policy, scenario, simulator=world))
    result, filmed_s = timed(lambda: rollout(policy, scenario, simulator=world, film_hz=FILM_HZ))
    episode = score_episode(result)
    (recording, file), file_s = timed(lambda: (found := record(episode, origin), write_recording(found)))
    page, page_s = timed(lambda: to_page(recording).encode())
    with tempfile.TemporaryDirectory() as folder:
        mcap, rrd = Path(folder) / "a.mcap", Path(folder) / "a.rrd"
        _, mcap_s = timed(lambda: write_mcap(recording, mcap))
        _, rrd_s = timed(lambda: write_rrd(recording, rrd))
        sizes = {"file": len(file), "page": len(page), "MCAP": mcap.stat().st_size, "Rerun": rrd.stat().st_size}
    times = {
        "drive": bare_s,
        "film": filmed_s - bare_s,
        "file": file_s,
        "page": page_s,
        "MCAP": mcap_s,
        "Rerun": rrd_s,
    }
    return {f"{name} [MB]": size / 1e6 for name, size in sizes.items()} | {f"{n} [s]": s for n, s in times.items()}


def timed(call):
    """What a call gives, and its processor time [s]."""
    start = time.process_time()
    found = call()
    return found, time.process_time() - start


if __name__ == "__main__":
    main()
