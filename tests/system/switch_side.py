# SPDX-License-Identifier: Apache-2.0
"""One of two switches beside each other: its folder below the test's, and clients run against it."""
import os
import subprocess


class Failure(RuntimeError):
    pass


class SwitchSide:
    def __init__(self, top, name):
        self.name, self.dir = name, os.path.join(top, name)
        self.env = dict(os.environ, OVS_RUNDIR=self.dir, OVS_SYSLOG_METHOD="null")

    def run(self, *command):
        r = subprocess.run(command, env=self.env, stdin=subprocess.DEVNULL, timeout=30,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if r.returncode:
            raise Failure(f"{self.name}: {' '.join(command)}: {r.stdout.strip()}")
