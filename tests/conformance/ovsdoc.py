# SPDX-License-Identifier: Apache-2.0
"""Writes docs/conformance.md from the result files, ours (expected/) beside stock (stock/)."""
import os

from ovsexpect import Expected

HEAD = """\
# Conformance: Open vSwitch's own test suites

Debian's package `openvswitch-source` (3.1.0) carries the tests that Open vSwitch's developers
run. `tests/conformance/ovs-suite NAME` runs one of them with `weft-switchd` in the place of
`ovs-vswitchd`; every other program (`ovsdb-server`, `ovs-vsctl`, `ovs-ofctl`, `ovs-appctl`) is
Debian's. The stock column is Debian's own `ovs-vswitchd`, run by the same command with `--stock`
on the same machine.

This page is written by `tests/conformance/ovs-suite NAME --update --doc` from the result files in
`tests/conformance/expected` and `tests/conformance/stock`; `./weft check` fails when a run differs
from them.

"""


def numbers(lines):
    """[1, 2, 3, 7] -> '1-3 7'"""
    out, run = [], []
    for n in [*sorted(lines), None]:
        if run and n is not None and n == run[-1] + 1:
            run.append(n)
            continue
        if run:
            out.append(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}")
        run = [n]
    return " ".join(out)


def cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;").replace("`", "'")


def write(here, path):
    names = set()
    for folder in ("expected", "stock"):
        names.update(n for n in os.listdir(os.path.join(here, folder)) if "." not in n)
    rows, parts = [], []
    for name in sorted(names):
        ours = Expected(os.path.join(here, "expected", name))
        stock = Expected(os.path.join(here, "stock", name))
        o, s = ours.counts(), stock.counts()
        total = max(len(ours.lines), len(stock.lines))

        def shown(e, c):
            return f"{c['pass']} / {c['fail']} / {c['skip']}" if e.exists else "not run"
        rows.append(f"| [{name}](#{name}) | {total} | {shown(ours, o)} | {shown(stock, s)} |")
        parts.append(section(name, ours, stock))
    text = HEAD
    text += "| suite | tests | weft: pass / fail / skip | stock: pass / fail / skip |\n"
    text += "|---|---|---|---|\n" + "\n".join(rows) + "\n\n" + "\n".join(parts)
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text.rstrip("\n") + "\n")
    os.rename(path + ".new", path)


def section(name, ours, stock):
    out = [f"## {name}", ""]
    if not ours.exists:
        out += ["Not run against weft yet; only the stock result is here.", ""]
    else:
        passed = [n for n, line in ours.lines.items() if line.result == "pass"]
        out += [f"Pass: {numbers(passed) or 'none'}.", ""]
    odd = [n for n in sorted(set(ours.lines) | set(stock.lines))
           if any(n in e.lines and e.lines[n].result != "pass" for e in (ours, stock))]
    # One row for all tests with the same outcome and reason.
    groups = {}
    for n in odd:
        a, b = ours.lines.get(n), stock.lines.get(n)
        key = (a.result if a else "-", b.result if b else "-", (a and a.why) or (b and b.why) or "")
        groups.setdefault(key, []).append((n, (a or b).title))
    if groups:
        out += ["| tests | weft | stock | why | titles |", "|---|---|---|---|---|"]
        for (a, b, why), tests in groups.items():
            titles = "; ".join(title for _, title in tests[:3]) + ("; ..." if len(tests) > 3 else "")
            out.append(f"| {numbers([n for n, _ in tests])} | {a} | {b} | {cell(why)} | "
                       f"{cell(titles)} |")
        out.append("")
    return "\n".join(out)
