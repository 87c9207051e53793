# SPDX-License-Identifier: Apache-2.0
"""Expectation files: what each test of a suite is known to do.

One line a test:    NUMBER  RESULT  TITLE [-- WHY]
NUMBER counts within the suite's file, RESULT is pass, fail or skip; fail and skip say why.
Lines that begin with # are comments and stay on top of the file when it is rewritten.
"""
import os
import re
from collections import namedtuple

Line = namedtuple("Line", "number result title why")
LINE = re.compile(r"^\s*(\d+)\s+(pass|fail|skip)\s+(.*?)(?: -- (.*))?$")


class Expected:
    def __init__(self, path):
        self.path = path
        self.exists = os.path.exists(path)
        self.head = []
        self.lines = {}
        if not self.exists:
            return
        with open(path, encoding="utf-8") as f:
            for raw in f:
                raw = raw.rstrip("\n")
                m = LINE.match(raw)
                if m:
                    line = Line(int(m[1]), m[2], m[3].strip(), (m[4] or "").strip())
                    self.lines[line.number] = line
                elif raw.startswith("#"):
                    self.head.append(raw)

    def of(self, test):
        """What is expected of 'test', or None if the file does not list it."""
        line = self.lines.get(test.number)
        return line if line and line.title == test.title else None

    def counts(self):
        return {k: sum(line.result == k for line in self.lines.values())
                for k in ("pass", "fail", "skip")}

    def update(self, tests, results):
        """Takes over 'results'.  A reason that somebody wrote stays while the result is the same."""
        for t in tests:
            r = results.get(t.number)
            if not r:
                continue
            old = self.of(t)
            why = "" if r.result == "pass" else r.why
            if old and old.result == r.result and old.why and r.result != "pass":
                why = old.why
            self.lines[t.number] = Line(t.number, r.result, t.title, why)

    def write(self, name):
        head = self.head or [
            "# SPDX-License-Identifier: Apache-2.0",
            f"# Results of Open vSwitch's suite '{name}' (Debian openvswitch-source 3.1.0), a line a",
            f"# test.  Rewritten by: tests/conformance/ovs-suite {name} --update",
        ]
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with open(self.path + ".new", "w", encoding="utf-8") as f:
            for line in head:
                print(line, file=f)
            for line in sorted(self.lines.values()):
                why = f" -- {line.why}" if line.why and line.result != "pass" else ""
                print(f"{line.number:4d}  {line.result}  {line.title}{why}", file=f)
        os.rename(self.path + ".new", self.path)
        self.exists = True

    def compare(self, results, quiet):
        """Prints what differs; returns the number of unexpected failures and skips."""
        bad = 0
        for r in results.values():
            want = self.of(r.test)
            if want and want.result == r.result:
                continue
            if not want and r.result == "pass" and self.exists:
                text = "is not in the expectation file"
            elif r.result == "pass":
                if not want:
                    continue
                text = f"passes unexpectedly (listed: {want.result})"
            else:
                bad += 1
                text = f"unexpected {r.result}: {r.why}"
            if not quiet:
                print(f"!{r.test.number:5d}  {r.test.title}: {text}")
        return bad
