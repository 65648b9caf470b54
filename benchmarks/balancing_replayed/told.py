"""What was found, as tables for the terminal and for the documentation."""

import numpy as np

from rilaas.report import Table, percent_text

from .agreement import ratio_text

SHORT = {"object-recognition": "OR", "grasp-planning": "GP"}


def policy_table(real, simulated, found):
    """A row per contender, the best first: measured mean latency, and what the simulator said of it."""
    rows = []
    for name in real.standings():
        row = [name]
        for index, model in enumerate(real.cluster.models):
            mean = real.mean(None, name, index)
            p95_s = np.mean([real.percentiles(load.name, name, index).p95 for load in real.loads])
            row += [_interval(mean), round(1e3 * p95_s), _share(real, name, index)]
            row.append(ratio_text(found.ratio(name, model)))
        own = "reference" if name == real.reference else percent_text(real.difference(None, name))
        row += [_interval(real.mean(None, name)), own, f"{1e3 * simulated.mean(None, name).mean:.0f}"]
        rows.append((*row, ratio_text(found.ratio(name))))
    columns = ["policy"]
    for model in real.cluster.models:
        columns += [f"{SHORT[model]} mean [ms]", "p95", "edge [%]", "simulated / real"]
    columns += ["mean of both [ms]", f"against {real.reference}", "simulated [ms]", "simulated / real"]
    note = (
        "Means over the loads, with the 95 % interval over repetitions where there are several. Edge: share of the "
        "requests that the edge answered; the cloud answered the others. Simulated: the same arrivals through the "
        "same policy in the simulator."
    )
    return Table("Real servers, and the simulator", tuple(columns), tuple(rows), note)


def load_table(real, simulated, found):
    """A row per contender, two columns per load: mean of both models, measured and simulated."""
    columns = ["policy", *(f"{load.name} [ms]" for load in real.loads)]
    rows = []
    for name in real.standings():
        row = [name]
        for load in real.loads:
            pair = real.mean(load.name, name), simulated.mean(load.name, name)
            row.append(" / ".join(f"{1e3 * each.mean:.0f}" for each in pair))
        rows.append(tuple(row))
    rows.append(("rank correlation", *(_number(found.orders[load.name]) for load in real.loads)))
    return Table("By load: measured / simulated", tuple(columns), tuple(rows), "Means of both models.")


def calibration_table(calibration):
    """What was measured without load and told to the simulator."""
    rows = [
        (server, model, what, f"{1e3 * mean:.1f}", f"{1e3 * std:.1f}", count)
        for server, model, what, mean, std, count in calibration.rows()
    ]
    columns = ("server", "model", "what", "mean [ms]", "deviation [ms]", "n")
    return Table("Measured while nothing waits", columns, tuple(rows))


def agreement_text(found):
    """The sentences that say how far the simulator can be believed."""
    key, worst = found.worst()
    lines = [
        f"Simulated means differ from measured ones by {100 * found.error:.1f} % on average over all loads, policies "
        f"and models; {100 * found.within(0.05):.0f} % of them by at most 5 %, {100 * found.within(0.1):.0f} % by at "
        "most 10 %.",
        f"Worst: {key[1]} on {key[0]}, {key[2]}: simulated / real = {ratio_text(worst)}.",
        f"Rank correlation of the policies (mean over the loads): {_number(found.orders[''])}.",
    ]
    return "\n".join(lines)


def markdown(table):
    """A table of the documentation."""
    lines = [table.columns, ["---"] * len(table.columns), *table.rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _interval(metric):
    half_ms = 1e3 * (metric.high - metric.low) / 2
    return f"{1e3 * metric.mean:.0f}" + (f" ± {half_ms:.0f}" if metric.n > 1 else "")


def _share(real, name, index):
    edges = real.servers_of("edge")
    return round(100 * float(np.mean([real.share(load.name, name, edges, index) for load in real.loads])))


def _number(value):
    return "-" if np.isnan(value) else f"{value:.2f}"
