"""What the bench measured as a table for people, JSON for programs, and a plot of what a node of a fleet costs."""
import json
import math
import os
from statistics import median

import measure

MIB = 1 << 20

# Rows of the table: name, and what ran. {n} is the number of processors, {level} zstd's level.
BUILDS = {
    "cold": "**mastermold, cold**: the store has the sources, nothing else; three masters, tar.zst merged, cpio.zst split",
    "unchanged": "again, nothing changed",
    "sysctl-machine": "one sysctl of one machine changed, the version kept (`--force`)",
    "sysctl": "one sysctl of all machines changed, the version kept (`--force`)",
    "sysctl-next": "the same, a new version beside the old one",
    "sysctl-layer": "`cpio.zst` alone: one sysctl of all machines changed, the version kept (`--force`)",
    "binary": "one binary changed (runc, {binary:.1f} MiB), a new version",
    "node": "a fourth master, a new version",
    "script": "script: for each node GNU tar and GNU cpio, each piped into zstd -{level} -T{n}, then sha256sum",
    "script-layers": "script that knows of layers: the same archives as mastermold, and sums",
    "floor-after": "floor: zstd -{level} -T{n} over the distinct bytes ({distinct:.0f} MiB), then openssl's SHA-256 in {n} processes; nothing written",
    "floor-beside": "floor: the same, side by side",
    "cold-tar": "**mastermold, cold**, tar.zst alone",
    "tar": "GNU tar, zstd -{level} -T{n}, and sums",
    "mksquashfs": "mksquashfs, zstd {level}, {n} processors, and sums",
    "cold-cpio": "**mastermold, cold**, cpio.zst alone, split",
    "cpio": "GNU cpio, zstd -{level} -T{n}, for each node, and sums",
    "3cpio": "3cpio, zstd -{level} -T0 (it starts zstd(1)), for each node, and sums",
}
READERS = {
    "verify-sums": "`mastermold verify --sums`: signatures and sums",
    "openssl": "openssl dgst -sha256 over the release's files, a process for each processor",
    "verify": "**`mastermold verify`**: in full, with every archive's entries",
    "contents": "the same openssl, then `zstd -dc \\| openssl dgst -sha256` over each archive",
}
BOTH = {
    "diff": "`mastermold diff` of two releases, one sysctl apart",
    "openssl-both": "openssl dgst -sha256 over the files of both",
}
MICRO = {
    "sha256": ("SHA-256", "openssl dgst -sha256"),
    "tar": ("a tar of one file", "GNU tar"),
    "cpio": ("a cpio of one file", "GNU cpio"),
    "tar.zst": ("a tar.zst of one file, all processors", "GNU tar, zstd"),
}
# Ratios: what is divided by what, its goal, and whether the goal is the most or the least.
RATIOS = [
    ("cold", "floor", "most", 1.25),
    ("script", "cold", "least", 4),
    ("script-layers", "cold", None, None),
    ("unchanged", "cold", "most", 0.05),
    ("sysctl-machine", "cold", "most", 0.08),
    ("sysctl-layer", "cold-cpio", "most", 0.08),
    ("sysctl", "cold", "most", 0.08),
    ("sysctl-next", "cold", "most", 0.08),
    ("binary", "cold", None, None),
    ("node", "cold", None, None),
    ("tar", "cold-tar", None, None),
    ("mksquashfs", "cold-tar", None, None),
    ("cpio", "cold-cpio", None, None),
    ("3cpio", "cold-cpio", None, None),
    ("diff", "openssl-both", None, None),
]


# What can be divided by: the clocks' steps, and more than the names of a few files on the disk.
LEAST = {"wall": 1e-4, "cpu": 1e-4, "written": MIB}


def reading(cores):
    """Ratios of those who read a release, on one processor and on all."""
    for threads in sorted({1, cores}):
        yield f"verify-sums-{threads}", f"openssl-{threads}", "most", 1.2
        yield f"verify-{threads}", f"contents-{threads}", "most", 1.2
    if cores > 1:
        for name in ("verify-sums", "verify", "contents"):
            yield f"{name}-1", f"{name}-{cores}", None, None


def ratio(rows, over, under, what):
    """The median of the rounds' ratios; none if one of the two was not measured, or is too little to divide by."""
    def values(name):
        if name == "floor":
            return [min(pair) for pair in zip(values("floor-after"), values("floor-beside"))]
        return [getattr(sample, what) for sample in rows.get(name, [])]

    pairs = [(a, b) for a, b in zip(values(over), values(under)) if b >= LEAST[what]]
    return median(a / b for a, b in pairs) if pairs else None


def met(value, kind, goal):
    """Whether a goal is met; none if there is none, or nothing was measured."""
    if kind is None or value is None:
        return None
    return value <= goal if kind == "most" else value >= goal


def ratios(rows, cores):
    wanted = [*RATIOS[:8], *reading(cores), *RATIOS[8:]]
    wanted += [(f"micro-{what}", f"micro-{what}-theirs", None, None) for what in MICRO if f"micro-{what}" in rows]
    found = []
    for over, under, kind, goal in wanted:
        wall, cpu, disk = (ratio(rows, over, under, what) for what in ("wall", "cpu", "written"))
        found.append({"of": over, "to": under, "wall": wall, "cpu": cpu, "written": disk, "kind": kind, "goal": goal, "met": met(wall, kind, goal)})
    return found


def fleet(rows, sizes):
    """What a node costs beyond the first, in milliseconds of the processors, and how that changes with their number."""
    if not sizes:
        return None
    cpu = {size: measure.of(rows[f"fleet-{size}"], "cpu") for size in sizes}
    memory = {size: measure.of(rows[f"fleet-{size}"], "memory") for size in sizes}
    steps = [1000 * (cpu[high] - cpu[low]) / (high - low) for low, high in zip(sizes, sizes[1:])]
    low, high = sizes[1 if len(sizes) > 2 else 0], max(size for size in sizes if size <= 1000)
    value = 1000 * (cpu[high] - cpu[low]) / (high - low)
    return {
        "sizes": sizes,
        "beyond-first": [1000 * (cpu[size] - cpu[1]) / (size - 1) for size in sizes[1:]],
        "memory-mib": [memory[size] / MIB for size in sizes],
        "per-node": {"from": low, "to": high, "ms": value, "goal": 10, "met": value <= 10},
        "steps-ms": steps,
        # 1 is linear: what a node costs in the last tenfold, by what it costs in the one before.
        "linear": steps[-1] / steps[-2] if len(steps) > 1 else None,
        "memory-growth": memory[high] / memory[low],
        # What a build may take by itself (--memory), however many nodes there are.
        "memory": {"nodes": sizes[-1], "mib": memory[sizes[-1]] / MIB, "goal": 256, "met": memory[sizes[-1]] / MIB <= 256},
        "memory-each-kb": (memory[sizes[-1]] - memory[low]) / (sizes[-1] - low) / 1000 if sizes[-1] > low else None,
    }


def result(bench, machine, versions, sizes, starts):
    """Everything, as it goes into the JSON."""
    def row(samples):
        middle = {what: measure.of(samples, what) for what in ("wall", "cpu", "memory", "written")}
        return dict(middle, runs=[vars(sample) for sample in samples])

    return {
        "machine": machine,
        "own-memory": measure.own_memory(),
        "versions": versions,
        "pairs": bench.given.pairs,
        "tiny": bench.given.tiny,
        "bytes": bench.notes,
        "rows": {name: row(samples) for name, samples in bench.rows.items()},
        "ratios": ratios(bench.rows, machine["cores"]),
        "fleet": fleet(bench.rows, sizes),
        "starts-ms": {name: [1000 * value for value in values] for name, values in starts.items()},
    }


# Markdown.

def number(value):
    return "–" if value is None else f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 100 else f"{value:.0f}"


NUMBERS = {"wall", "processors", "written", "goal", "wall, s", "processors, s", "peak, MiB", "written, MiB", "lower quartile", "median", "upper quartile"}


def table(head, lines):
    yield "| " + " | ".join(head) + " |"
    yield "|" + "|".join("--:" if head[index] in NUMBERS else "---" for index in range(len(head))) + "|"
    for line in lines:
        yield "| " + " | ".join(line) + " |"
    yield ""


COLUMNS = ("", "wall, s", "processors, s", "peak, MiB", "written, MiB")


def measured(found, name, text):
    row, own = found["rows"].get(name), found["own-memory"]
    if row is None:
        return (name, text, "–", "–", "–", "–")
    # What the one that starts them takes itself hides what is smaller.
    memory = f"{row['memory'] / MIB:.0f}" if row["memory"] > own * 1.02 else f"< {own / MIB:.0f}"
    return (name, text, number(row["wall"]), number(row["cpu"]), memory, f"{row['written'] / MIB:.1f}")


def goal(kind, value):
    return "" if kind is None else f"at {kind} {value}"


def told(value):
    return {None: "", True: "met", False: "**not met**"}[value]


def markdown(found):
    machine, cores = found["machine"], found["machine"]["cores"]
    # Of parts that were left out, nothing is known.
    sizes = dict.fromkeys(("binary", "distinct", "release"), 0) | {name: value / MIB for name, value in found["bytes"].items()}
    words = dict(sizes, n=cores, level=9)
    yield (
        f"{cores} processors ({machine['processor']}, {machine['virtual']}), {machine['memory-mib']} MiB, {machine['kernel']}, {machine['file-system']}; "
        f"load {machine['load-before']} before and {machine['load-after']} after; rounds: {found['pairs']}."
    )
    yield "Versions: " + "; ".join(f"{name}: {text}" for name, text in found["versions"].items()) + "."
    if found["tiny"]:
        yield "Programs are stand-ins of a few bytes: this shows that the bench runs, and nothing else."
    yield ""
    yield from table(("ratio", "wall", "processors", "written", "goal", ""), ratio_lines(found))
    yield from table(("build", *COLUMNS), [measured(found, name, text.format(**words)) for name, text in BUILDS.items()])
    lines = []
    for name, text in READERS.items():
        lines += [measured(found, f"{name}-{threads}", f"{text}; on {threads} of the processors") for threads in sorted({1, cores})]
    lines += [measured(found, name, text) for name, text in BOTH.items()]
    yield from table(("read", f"a release of {sizes['release']:.0f} MiB", *COLUMNS[1:]), lines)
    fleets = found["fleet"]["sizes"] if found["fleet"] else []
    yield from table(("fleet", "cpio.zst, split", *COLUMNS[1:]), [measured(found, f"fleet-{n}", f"nodes: {n:,}") for n in fleets])
    lines = []
    for what, (ours, theirs) in MICRO.items():
        lines += [measured(found, f"micro-{what}", f"mastermold: {ours}"), measured(found, f"micro-{what}-theirs", theirs)]
    yield from table(("one thing", f"{sizes['distinct']:.0f} MiB, nothing written", *COLUMNS[1:]), lines)
    starts = [(f"`{name}`", *(f"{value:.1f}" for value in values)) for name, values in found["starts-ms"].items()]
    yield from table(("start-up, ms", "lower quartile", "median", "upper quartile"), starts)


def ratio_lines(found):
    for one in found["ratios"]:
        yield f"{one['of']} / {one['to']}", number(one["wall"]), number(one["cpu"]), number(one["written"]), goal(one["kind"], one["goal"]), told(one["met"])
    fleet = found["fleet"]
    if not fleet:
        return
    each = fleet["per-node"]
    yield f"fleet: processors for each node from {each['from']:,} to {each['to']:,}", "", f"{each['ms']:.1f} ms", "", f"at most {each['goal']} ms", told(each["met"])
    yield "fleet: a node in the last tenfold / in the one before (1 is linear)", "", number(fleet["linear"]), "", "", ""
    yield f"fleet: peak memory, {each['to']:,} nodes / {each['from']:,}", "", number(fleet["memory-growth"]), "", "", ""
    most = fleet["memory"]
    yield f"fleet: peak memory of {most['nodes']:,} nodes", "", f"{most['mib']:.0f} MiB", "", f"at most {most['goal']} MiB", told(most["met"])
    yield f"fleet: memory for each node from {each['from']:,} to {most['nodes']:,}", "", f"{number(fleet['memory-each-kb'])} KB", "", "", ""


# The plot.

WIDTH, HEIGHT, LEFT, TOP = 340, 220, 60, 40


def panel(at, title, sizes, values, logarithmic, line=None):
    """Points over the number of nodes, which is logarithmic; with a dashed line at a goal."""
    most, least = max(values + [line or 0]) * 1.3, min(values + [line or math.inf]) / 1.3
    scale = math.log10 if logarithmic else float
    bottom = scale(least) if logarithmic else 0

    def x(size):
        return at + LEFT + (WIDTH - LEFT - 30) * math.log10(size) / max(math.log10(sizes[-1]), 1)

    def y(value):
        return TOP + HEIGHT - HEIGHT * (scale(value) - bottom) / (scale(most) - bottom)

    yield f'<text x="{at + LEFT}" y="{TOP - 16}" font-weight="bold">{title}</text>'
    yield f'<path d="M{at + LEFT} {TOP}V{TOP + HEIGHT}H{at + WIDTH - 10}" fill="none" stroke="#888"/>'
    for size in sizes:
        yield f'<text x="{x(size):.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{size:,}</text>'
    if line:
        yield f'<path d="M{at + LEFT} {y(line):.1f}H{at + WIDTH - 10}" stroke="#c33" stroke-dasharray="5 4"/>'
        yield f'<text x="{at + LEFT - 6}" y="{y(line) + 4:.1f}" text-anchor="end" fill="#c33">goal {line:g}</text>'
    shown = sizes[-len(values):]
    points = " ".join(f"{x(size):.1f},{y(value):.1f}" for size, value in zip(shown, values))
    yield f'<polyline points="{points}" fill="none" stroke="#246" stroke-width="2"/>'
    for size, value in zip(shown, values):
        yield f'<circle cx="{x(size):.1f}" cy="{y(value):.1f}" r="3.5" fill="#246"/>'
        yield f'<text x="{x(size):.1f}" y="{y(value) - 9:.1f}" text-anchor="middle">{value:.3g}</text>'


def plot(found):
    fleet = found["fleet"]
    costs = [max(value, 0.01) for value in fleet["beyond-first"]]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH + 20} {HEIGHT + TOP + 50}" font-family="sans-serif" font-size="11">',
        "<title>What a node of a fleet costs</title>",
        f'<rect width="{2 * WIDTH + 20}" height="{HEIGHT + TOP + 50}" fill="#fff"/>',
        *panel(0, "processors for each node beyond the first, ms", fleet["sizes"], costs, True, fleet["per-node"]["goal"]),
        *panel(WIDTH + 20, "peak memory, MiB", fleet["sizes"], fleet["memory-mib"], False),
        f'<text x="{WIDTH + 10}" y="{HEIGHT + TOP + 42}" text-anchor="middle">nodes in one profile</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def write(found, out):
    """Into `out`: bench.json, bench.md and fleet.svg; and the table to standard output."""
    os.makedirs(out, exist_ok=True)
    text = "\n".join(markdown(found))
    files = {"bench.json": json.dumps(found, indent=1) + "\n", "bench.md": text}
    if found["fleet"]:
        files["fleet.svg"] = plot(found)
    for name, body in files.items():
        with open(os.path.join(out, name), "w") as file:
            file.write(body)
    print(text)
