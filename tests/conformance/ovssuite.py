# SPDX-License-Identifier: Apache-2.0
"""Unpacks Open vSwitch's test suites and runs them in groups, each in namespaces of its own.

Threads: Runner.run starts one thread a shard; each takes groups from one queue and owns the
namespaces and the folder of the group it runs.  Results are collected under one lock.
"""
import os
import queue
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import namedtuple

PACKED = "/usr/src/openvswitch/openvswitch.tar.gz"

# number: within the .at file (for system-*: within the suite); suite_number: as the script counts.
Test = namedtuple("Test", "number suite_number where title keywords script")


class Result:
    def __init__(self, test, result, why="", folder=None):
        self.test, self.result, self.why, self.folder = test, result, why, folder


def install_packages(root):
    subprocess.run([os.path.join(root, "tests/lib/packages.sh"), "suite"], check=True,
                   stdout=sys.stderr)


def unpack(work):
    """Returns the folder of the unpacked package, which is unpacked once a version."""
    stamp = os.stat(PACKED)
    source = os.path.join(work, f"src-{int(stamp.st_mtime)}-{stamp.st_size}")
    if not os.path.isdir(source):
        os.makedirs(work, exist_ok=True)
        tmp = tempfile.mkdtemp(prefix="unpack.", dir=work)
        os.chmod(tmp, 0o755)
        subprocess.run(["tar", "-xzf", PACKED, "-C", tmp, "--strip-components=1",
                        "--no-same-owner"], check=True)
        try:
            os.rename(tmp, source)
        except OSError:         # somebody else was quicker
            shutil.rmtree(tmp)
    return source


def all_tests(script):
    """The tests that a generated suite script lists about itself (its at_help_all)."""
    tests = []
    row = re.compile(r'^(?:at_help_all=")?(\d+);([^;]+):(\d+);(.*);([^;]*);"?$')
    with open(script, encoding="utf-8", errors="replace") as f:
        inside = False
        for line in f:
            inside = inside or line.startswith("at_help_all=")
            if not inside:
                continue
            m = row.match(line.rstrip("\n"))
            if not m:
                break
            title = re.sub(r"\\(.)", r"\1", m[4]).strip()
            tests.append((int(m[1]), m[2], int(m[3]), title, m[5]))
    return tests


def tests_of(source, name):
    script = os.path.join(source, "tests", f"{name}-testsuite")
    if os.path.exists(script):
        return [Test(n, n, f"{file}:{line}", title, words, script)
                for n, file, line, title, words in all_tests(script)]
    script = os.path.join(source, "tests", "testsuite")
    rows = [row for row in all_tests(script) if row[1] == f"{name}.at"]
    return [Test(i, n, f"{file}:{line}", title, words, script)
            for i, (n, file, line, title, words) in enumerate(rows, 1)]


def suites(source):
    counts = {}
    for _, file, _, _, _ in all_tests(os.path.join(source, "tests", "testsuite")):
        counts[file[:-3]] = counts.get(file[:-3], 0) + 1
    for file in sorted(os.listdir(os.path.join(source, "tests"))):
        if file.startswith("system-") and file.endswith("-testsuite"):
            counts[file[:-len("-testsuite")]] = len(all_tests(os.path.join(source, "tests", file)))
    return counts.items()


# The first process of a group's namespaces.  $1: the script, $2: its folder, the rest: arguments.
# sysfs shows the network namespace in which it was mounted, so it is mounted again.
GROUP_INIT = r"""
set -e
mkdir -p /run/netns /run/openvswitch
mount -t tmpfs none /run/netns
mount -t tmpfs none /run/openvswitch
mount -t sysfs sysfs /sys
ip link set lo up
script=$1; shift
exec /bin/sh "$script" "$@"
"""

ATCONFIG = """\
at_testdir='tests'
abs_builddir='{dir}'
at_srcdir='{source}/tests'
abs_srcdir='{source}/tests'
at_top_srcdir='{source}'
abs_top_srcdir='{source}'
at_top_build_prefix=''
abs_top_builddir='{dir}'
at_top_builddir='{dir}'
EXEEXT=''
SHELL='/bin/sh'
"""

ATLOCAL_VALUES = {
    "HAVE_OPENSSL": "no",       # the certificates of its build are not in the package
    "OPENSSL_SUPPORTS_SNI": "no",
    "HAVE_UNBOUND": "no",
    "EGREP": "grep -E",
    "PYTHON3": "/usr/bin/python3",
    "CFLAGS": "",
}


class Runner:
    def __init__(self, source, name, daemon, work, shards, group, limit, keep):
        self.source, self.name, self.daemon = source, name, daemon
        self.shards, self.group, self.limit, self.keep = shards, group, limit, keep
        self.lock = threading.Lock()
        self.running = set()
        self.stopping = False
        self.seconds = 0.0
        self._forget_old_runs(work)
        self.dir = os.path.join(work, f"{name}.{os.getpid()}")
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(os.path.join(self.dir, "bin"))
        # A copy: were the daemon built anew or removed meanwhile, a link would lead nowhere for a
        # moment, and the tests would go on with the package's own daemon, and pass.
        shutil.copy2(daemon, os.path.join(self.dir, "bin", "ovs-vswitchd"))
        self.n_groups = 0
        self.kept = False

    def _forget_old_runs(self, work):
        """Removes folders of earlier runs of this suite whose process is gone."""
        for entry in os.listdir(work):
            stem, _, pid = entry.rpartition(".")
            if stem == self.name and pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
                shutil.rmtree(os.path.join(work, entry), ignore_errors=True)

    def __enter__(self):
        def stop(signum, frame):
            self.stopping = True
            self._kill_all()
            raise KeyboardInterrupt
        self.old = [(s, signal.signal(s, stop)) for s in (signal.SIGINT, signal.SIGTERM)]
        return self

    def __exit__(self, *exc):
        self.stopping = True
        self._kill_all()
        for s, old in self.old:
            signal.signal(s, old)
        if not self.kept:
            shutil.rmtree(self.dir, ignore_errors=True)

    def _kill_all(self):
        # The process is the parent of PID 1 of the group's namespace, which dies with it and takes
        # every process of the namespace along.
        for proc in list(self.running):
            proc.kill()

    def run(self, tests, on_result):
        """Runs 'tests' and returns {number: Result}; calls on_result as each one ends."""
        began = time.monotonic()
        # A last group that is long would leave the other shards idle: small groups when few.
        size = max(1, min(self.group, len(tests) // (self.shards * 2) or 1))
        todo = queue.Queue()
        for i in range(0, len(tests), size):
            todo.put(tests[i:i + size])
        results = {}

        def collect(result):
            with self.lock:
                results[result.test.number] = result
                on_result(result)

        def shard():
            while not self.stopping:
                try:
                    group = todo.get_nowait()
                except queue.Empty:
                    return
                while group and not self.stopping:
                    group = self._run_group(group, collect)

        threads = [threading.Thread(target=shard) for _ in range(self.shards)]
        for t in threads:
            t.start()
        for t in threads:
            while t.is_alive():         # a join without a limit would hold up ^C
                t.join(0.2)
        self.seconds += time.monotonic() - began
        return dict(sorted(results.items()))

    def _prepare(self):
        with self.lock:
            self.n_groups += 1
            folder = os.path.join(self.dir, f"group{self.n_groups}")
        os.makedirs(os.path.join(folder, "tests"))
        with open(os.path.join(folder, "atconfig"), "w", encoding="utf-8") as f:
            f.write(ATCONFIG.format(dir=folder, source=self.source))
        with open(os.path.join(self.source, "tests", "atlocal.in"), encoding="utf-8") as f:
            text = re.sub(r"@(\w+)@", lambda m: ATLOCAL_VALUES.get(m[1], ""), f.read())
        # The part that looks for the requirements of the Python tests takes longer than a test.
        text = text.partition("# Check whether Python test requirements")[0]
        with open(os.path.join(folder, "atlocal"), "w", encoding="utf-8") as f:
            f.write(text + "HAVE_PYTEST=no\n")
        return folder

    def _run_group(self, group, collect):
        """Runs the tests of 'group' in turn; returns those that are left if one did not end."""
        folder = self._prepare()
        by_number = {t.suite_number: t for t in group}
        options = ["-d"] if self.keep else []
        env = {k: v for k, v in os.environ.items()
               if not k.startswith(("OVS_", "MESON", "NINJA", "MAKE"))}
        env.update(LC_ALL="C", TERM="dumb")
        proc = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL",
             "unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child=KILL",
             "sh", "-c", GROUP_INIT, "group", group[0].script, "-C", folder,
             f"AUTOTEST_PATH={self.dir}/bin", *options,
             *[str(t.suite_number) for t in group]],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env)
        self.running.add(proc)
        left = list(group)
        result_line = re.compile(
            r"^\s*(\d+): (.*?)\s*(ok|FAILED(?: \(.*\))?|skipped(?: \(.*\))?|expected failure.*|"
            r"UNEXPECTED PASS.*)$")
        output, deadline = "", time.monotonic() + self.limit
        fd, pending = proc.stdout.fileno(), b""
        timed_out = False
        while True:
            wait = deadline - time.monotonic()
            if wait <= 0:
                timed_out = True
                break
            if not select.select([fd], [], [], wait)[0]:
                continue
            data = os.read(fd, 65536)
            if not data:
                break
            pending += data
            *lines, pending = pending.split(b"\n")
            for raw in lines:
                line = raw.decode(errors="replace")
                output = (output + line + "\n")[-4000:]
                m = result_line.match(line)
                if not m or int(m[1]) not in by_number:
                    continue
                test = by_number[int(m[1])]
                if test not in left:
                    continue
                left.remove(test)
                collect(self._result(folder, test, m[3]))
                deadline = time.monotonic() + self.limit
        proc.kill()
        proc.wait()
        proc.stdout.close()
        self.running.discard(proc)
        if self.stopping:
            return []
        if left and timed_out:
            collect(Result(left[0], "fail", f"did not end within {self.limit} s",
                           self._keep(folder, left[0])))
            left = left[1:]
        elif left:
            why = "the suite ended early: " + " ".join(output.split()[-25:])
            for test in left:
                collect(Result(test, "fail", why))
            left = []
        if not self.keep:
            shutil.rmtree(folder, ignore_errors=True)
        return left

    def _folder_of(self, folder, test):
        top = os.path.join(folder, f"{os.path.basename(test.script)}.dir")
        for width in (1, 2, 3, 4):
            path = os.path.join(top, f"{test.suite_number:0{width}d}")
            if os.path.isdir(path):
                return path
        return None

    def _keep(self, folder, test):
        """Moves the folder of a failed test to where it stays; returns that."""
        path = self._folder_of(folder, test)
        if not path:
            return None
        to = os.path.join(self.dir, "failed", f"{test.number:03d}")
        shutil.rmtree(to, ignore_errors=True)
        os.makedirs(os.path.dirname(to), exist_ok=True)
        shutil.copytree(path, to, symlinks=True, copy_function=_copy_if_file)
        log = os.path.join(to, f"{os.path.basename(test.script)}.log")
        if os.path.exists(log) and not log.endswith("/testsuite.log"):
            os.rename(log, os.path.join(to, "testsuite.log"))
        self.kept = True
        return to

    def _result(self, folder, test, word):
        if word == "ok" or word.startswith("expected failure"):
            return Result(test, "pass")
        place = re.search(r"\((.*?)\)", word)
        place = place[1] if place else ""
        if word.startswith("skipped"):
            return Result(test, "skip", self._skip_reason(place))
        kept = self._keep(folder, test)
        return Result(test, "fail", failure_reason(kept) or f"at {place}", kept)

    def _skip_reason(self, place):
        """The line of the suite's source at which the test was skipped: condition or macro."""
        file, _, line = place.partition(":")
        try:
            with open(os.path.join(self.source, "tests", file), encoding="utf-8") as f:
                text = " ".join(f.read().split("\n")[int(line) - 1].split())
                return f"{text} ({place})"
        except (OSError, ValueError, IndexError):
            return place


def _copy_if_file(src, dst):
    # Sockets of daemons lie in the test's folder; there is nothing in them to copy.
    if os.path.isfile(src):
        shutil.copy2(src, dst)


def failure_reason(folder):
    """One line about what went wrong, from the log of a failed test."""
    try:
        with open(os.path.join(folder, "testsuite.log"), encoding="utf-8", errors="replace") as f:
            lines = f.read().split("\n")
    except (OSError, TypeError):
        return ""
    for line in lines:
        m = re.search(r"(\S+): command not found", line)
        if m:
            return f"needs {m[1]}, which Debian does not have"
    minus = plus = code = shown = wait = ""
    for line in lines:
        if re.match(r"^(---|\+\+\+) |^-+$", line):
            continue
        m = re.search(r"waiting (?:until|while) (.*)\.\.\.$", line)
        if m:
            wait = m[1]
        if "wait failed" in line:
            return f"waited in vain for: {wait[:140]}"
        if line.startswith("-") and not minus and not plus:
            minus = line[1:].strip()
        elif line.startswith("+") and not plus:
            plus = line[1:].strip()
        elif "exit code was" in line:
            code = line.partition(": ")[2] or line
            break
        elif re.search(r"(?i)error|not found|cannot|timed? ?out|fatal|wait failed", line) \
                and not shown and not line.startswith("./") and "|DBG|" not in line \
                and not re.search("Cannot remove namespace|cannot stat /proc", line):
            shown = line.strip()
        if minus and plus:
            break
    if plus == "Error: Unknown device type.":
        return "the kernel has no such device type"
    if plus and not minus:
        return f"got '{plus[:150]}'"
    if minus or plus:
        return f"expected '{minus[:70]}', got '{plus[:110]}'"
    return "; ".join(x[:110] for x in (code, shown) if x)
