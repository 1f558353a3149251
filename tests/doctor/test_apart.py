"""Work in other processes, where even their start may fail."""

import time

from ctrbench.doctor import apart
from ctrbench.doctor.apart import answers

JOBS = [("plugin", {"name": "one"}), ("plugin", {"name": "two"})]
PICKY = """
import json, os, sys
given = json.load(sys.stdin)
if given["preload"]:
    os._exit(7)
print("{}")
for job in given["jobs"]:
    print(json.dumps(job[1]), '{"ended": 0}', sep=chr(10))
"""


def test_where_no_process_starts_each_job_has_a_fault(monkeypatch):
    monkeypatch.setattr(apart, "_PROGRAM", "raise SystemExit(5)")
    found = list(answers(JOBS))
    assert len(found) == 2
    assert all("cannot be started for it (it ends Python with exit code 5)" in answer["fault"] for answer in found)


def test_what_plugins_share_may_break_the_process_and_then_each_plugin_tells(monkeypatch):
    monkeypatch.setattr(apart, "_PROGRAM", PICKY)
    assert list(answers(JOBS)) == [{"name": "one"}, {"name": "two"}]


def test_an_answer_counts_though_its_process_dies_of_it(monkeypatch):
    program = """import os; print('{}'); print('{"name": 1}', flush=True); os._exit(9)"""
    monkeypatch.setattr(apart, "_PROGRAM", program)
    assert list(answers(JOBS)) == [{"name": 1}, {"name": 1}]


def test_what_it_started_ends_with_it(monkeypatch, tmp_path):
    """A process that outlived it would write the file."""
    left = f"import time; time.sleep(1); open({str(tmp_path / 'left')!r}, 'w')"
    program = f"""
import subprocess, sys
subprocess.Popen([sys.executable, "-c", {left!r}], stdout=subprocess.DEVNULL)
print("{{}}", flush=True)
"""
    monkeypatch.setattr(apart, "_PROGRAM", program)
    assert list(answers(JOBS[:1])) == [{"fault": "it ends Python with exit code 0"}]
    time.sleep(1.5)
    assert not (tmp_path / "left").exists()
