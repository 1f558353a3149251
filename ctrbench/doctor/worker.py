"""The process that imports plugins and asks for devices. It may print, block or die; ctrbench goes on.

Input, on stdin: a JSON object, `{"jobs": [...], "preload": true, "fork": true}`; a job is `["devices"]` or
`["plugin", {...}]`.
Output, on stdout: a line of JSON when it begins (`{}`), and for each job, in order, what was found and then
`{"ended": code}`. A job that ends its process finds nothing.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, TextIO

from ctrbench.doctor.devices import devices
from ctrbench.doctor.loading import examine
from ctrbench.errors import in_words

DO: dict[str, Callable[..., dict[str, Any]]] = {"devices": devices, "plugin": examine}


def main() -> None:
    """Do all jobs, one after another."""
    given = json.load(sys.stdin)
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)  # what a library prints is no answer
        if given["preload"]:
            _preload()
        _say(answers, {})
        for job in given["jobs"]:
            _say(answers, {"ended": _alone(job, answers, fork=given["fork"])})


def _preload() -> None:
    """What plugins share is imported once, and counts for none of them."""
    api = import_module("ctrbench.api")
    for name in api.__all__:
        with suppress(Exception):  # a plugin that needs it will say so
            getattr(api, name)


def _alone(job: list[Any], answers: TextIO, *, fork: bool) -> int:
    """The exit code of one job; in a fork, it sees nothing of the others."""
    if not fork:
        _say(answers, _answer(*job))
        return 0
    child = os.fork()
    if child == 0:
        try:
            _say(answers, _answer(*job))
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _answer(what: str, fields: dict[str, str] | None = None) -> dict[str, Any]:
    try:
        return DO[what](**(fields or {}))
    except BaseException as fault:
        return {"fault": in_words(fault)}


def _say(answers: TextIO, message: dict[str, Any]) -> None:
    print(json.dumps(message), file=answers, flush=True)
