"""Downloads from a server that cuts, lies, refuses and changes its mind; and on a disk that is full."""

import gzip
import hashlib
import random
import resource
import signal
import subprocess
import sys
import zipfile
from collections import namedtuple
from io import BytesIO
from types import SimpleNamespace

import pytest
from pydantic import ValidationError
from requests import exceptions
from urllib3 import HTTPSConnectionPool
from urllib3.exceptions import MaxRetryError, NameResolutionError
from urllib3.util import Retry

from ctrbench.data import download as module, web
from ctrbench.data.download import LOCK, Listener, download
from ctrbench.data.remote import RemoteFile
from ctrbench.errors import ConfigError, DataError, OutputError
from tests.data.conftest import FrameSource
from tests.data.remote import Answer, serving

NOISE = random.Random(0).randbytes(400_000)
BODY = gzip.compress(NOISE, 1)
PATIENCE = Retry(total=3, backoff_factor=0)
BASE = "https://example.org/data"


class Ear(Listener):
    def __init__(self):
        self.plans, self.reached, self.told = [], [], []

    def announce(self, plan):
        self.plans.append(plan)

    def progress(self, piece, done, size):
        self.reached.append((piece.name, done, size))

    def tell(self, text):
        self.told.append(text)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with serving() as running:
        running.files["x.json.gz"] = BODY
        yield running


@pytest.fixture
def naps(monkeypatch):
    """Seconds that were slept, without sleeping them."""
    slept = []
    monkeypatch.setattr(web, "time", SimpleNamespace(sleep=slept.append))
    return slept


def remote(name="x.json.gz", **about):
    return RemoteFile(base=BASE, name=name, path=name, **about)


def get(server, root, *files, **options):
    options = {"mirror": server.url, "patience": PATIENCE, **options}
    return download(files or (remote(),), root, **options)


def listing(root):
    return sorted(path.name for path in root.iterdir() if path.name != LOCK)


# What works.
def test_a_file_arrives_as_it_lies_there_and_nothing_is_left_beside_it(server, tmp_path):
    ear = Ear()
    get(server, tmp_path / "new" / "folder", listener=ear)
    root = tmp_path / "new" / "folder"
    assert (root / "x.json.gz").read_bytes() == BODY
    assert listing(root) == ["x.json.gz"]
    assert ear.reached[-1] == ("x.json.gz", len(BODY), len(BODY))
    assert [done for _, done, _ in ear.reached] == sorted(done for _, done, _ in ear.reached)
    assert ear.told == []


def test_the_size_is_announced_before_any_content_is_asked_for(server, tmp_path):
    class First(Ear):
        def announce(self, plan):
            assert server.fetched == []
            super().announce(plan)

    server.files["y.json.gz"] = BODY
    ear = First()
    get(server, tmp_path, remote(), remote("y.json.gz"), listener=ear)
    assert (ear.plans[0].size, ear.plans[0].have) == (2 * len(BODY), 0)
    assert len(server.fetched) == 2


@pytest.mark.parametrize("published", [None, 5])
def test_a_server_without_head_leaves_the_published_size_or_none(server, tmp_path, published):
    server.heads.append(Answer(status=405))
    ear = Ear()
    get(server, tmp_path, remote(size=published), listener=ear)
    assert [piece.size for piece in ear.plans[0].pieces] == [published]
    assert (tmp_path / "x.json.gz").read_bytes() == BODY


def test_what_is_there_is_left_alone_and_no_server_is_asked(server, tmp_path):
    (tmp_path / "x.json.gz").write_bytes(b"mine")
    plan = get(server, tmp_path)
    assert (plan.present, plan.pieces) == (("x.json.gz",), ())
    assert (tmp_path / "x.json.gz").read_bytes() == b"mine"
    assert server.asked == []


def test_only_what_is_missing_is_fetched(server, tmp_path):
    server.files["y.json.gz"] = BODY
    get(server, tmp_path)
    get(server, tmp_path, remote(), remote("y.json.gz"))
    assert [request.path for request in server.fetched] == ["/data/x.json.gz", "/data/y.json.gz"]


def test_bytes_that_the_server_calls_encoded_stay_packed(server, tmp_path):
    server.usual = Answer(headers={"Content-Encoding": "gzip"})
    server.gets.append(Answer(headers={"Content-Encoding": "gzip"}, cut=200_000))
    get(server, tmp_path)
    assert (tmp_path / "x.json.gz").read_bytes() == BODY


def test_a_body_of_unknown_length_is_taken_to_its_end(server, tmp_path):
    server.usual = Answer(chunked=True)
    get(server, tmp_path)
    assert (tmp_path / "x.json.gz").read_bytes() == BODY


# Cut connections.
@pytest.mark.parametrize("chunked", [False, True])
def test_a_connection_that_is_cut_goes_on_where_it_was_cut(server, tmp_path, chunked):
    server.gets.extend(Answer(cut=size, chunked=chunked) for size in (100_000, 1, 70_000))
    ear = Ear()
    get(server, tmp_path, listener=ear)
    assert (tmp_path / "x.json.gz").read_bytes() == BODY
    starts = [int(request.range.removeprefix("bytes=")[:-1]) for request in server.fetched[1:]]
    assert starts == sorted(starts)
    assert starts[-1] >= 100_000
    assert server.sent < len(BODY) + 3 * (1 << 16), "what had arrived was not sent again"
    assert {request.condition for request in server.fetched[1:]} == {server.validators(BODY)["ETag"]}
    assert len(ear.told) == 3


def test_more_cuts_than_patience_do_not_matter_while_bytes_arrive(server, tmp_path):
    server.gets.extend(Answer(cut=60_000) for _ in range(6))
    get(server, tmp_path, patience=Retry(total=1, backoff_factor=0))
    assert (tmp_path / "x.json.gz").read_bytes() == BODY


def test_a_connection_that_is_always_cut_at_one_place_ends_in_a_sentence_and_keeps_what_came(server, tmp_path):
    server.usual = Answer(cut=100_000, ranges=False)
    with pytest.raises(DataError, match=r"x\.json\.gz: the connection was cut after .* 4 times in a row; .* --mirror"):
        get(server, tmp_path)
    assert listing(tmp_path) == ["x.json.gz.part", "x.json.gz.part.about"]
    assert len(server.fetched) == 4, "one, and as many repetitions as patience allows"


def test_the_same_call_resumes_after_an_error(server, tmp_path):
    server.usual = Answer(cut=0)
    server.gets.append(Answer(cut=150_000))
    with pytest.raises(DataError):
        get(server, tmp_path)
    have = (tmp_path / "x.json.gz.part").stat().st_size
    server.usual, server.sent = Answer(), 0
    ear = Ear()
    get(server, tmp_path, listener=ear)
    assert (tmp_path / "x.json.gz").read_bytes() == BODY
    assert (ear.plans[0].have, server.sent) == (have, len(BODY) - have)
    assert have > 80_000
    assert listing(tmp_path) == ["x.json.gz"]


def test_where_ranges_are_ignored_the_file_is_fetched_anew(server, tmp_path):
    server.gets.extend([Answer(cut=100_000), Answer(ranges=False)])
    get(server, tmp_path)
    assert (tmp_path / "x.json.gz").read_bytes() == BODY


def test_a_server_that_names_no_version_is_asked_for_the_whole(server, tmp_path):
    server.etag = server.modified = False
    server.gets.append(Answer(cut=100_000))
    get(server, tmp_path)
    assert (tmp_path / "x.json.gz").read_bytes() == BODY
    assert [request.range for request in server.fetched] == [None, None]


def test_a_weak_etag_is_no_condition_but_the_date_is(server, tmp_path):
    weak = {"ETag": 'W/"a"'}
    server.usual = Answer(headers=weak)
    server.gets.append(Answer(headers=weak, cut=100_000))
    get(server, tmp_path)
    assert (tmp_path / "x.json.gz").read_bytes() == BODY
    assert server.fetched[1].condition == server.validators(BODY)["Last-Modified"]


def test_silence_ends_and_the_file_is_asked_for_again(server, tmp_path, monkeypatch):
    monkeypatch.setattr(web, "TIMEOUT", (1.0, 0.2))
    server.gets.append(Answer(silence=1.0))
    ear = Ear()
    get(server, tmp_path, listener=ear)
    assert (tmp_path / "x.json.gz").read_bytes() == BODY
    assert "does not answer in time" in ear.told[0]


def test_pieces_that_are_smaller_than_asked_for_are_put_together(server, tmp_path):
    server.gets.append(Answer(cut=100_000))
    server.usual = Answer(most=90_000)
    get(server, tmp_path)
    assert (tmp_path / "x.json.gz").read_bytes() == BODY


# Lies.
def test_a_piece_from_another_place_is_not_put_in(server, tmp_path):
    server.gets.extend([Answer(cut=100_000), Answer(shift=1000, most=len(BODY) - 100_000)])
    get(server, tmp_path)
    assert (tmp_path / "x.json.gz").read_bytes() == BODY


def test_a_length_that_is_too_long_ends_where_the_server_says_there_is_no_more(server, tmp_path):
    server.gets.append(Answer(claim=len(BODY) + 1000))
    get(server, tmp_path)
    assert (tmp_path / "x.json.gz").read_bytes() == BODY
    assert server.fetched[1].range == f"bytes={len(BODY)}-"


def test_a_length_that_is_always_too_long_ends_in_a_sentence(server, tmp_path):
    server.usual = Answer(claim=len(BODY) + 1000, ranges=False)
    with pytest.raises(DataError, match="the connection was cut after 400,"):
        get(server, tmp_path)
    assert "x.json.gz" not in listing(tmp_path)


def test_a_length_that_is_too_short_is_found_out_by_the_file_itself(server, tmp_path):
    server.usual = Answer(claim=200_000)
    with pytest.raises(DataError, match=r"x\.json\.gz is no whole gzip file .* run the same command again"):
        get(server, tmp_path)
    assert listing(tmp_path) == []


@pytest.mark.parametrize(
    ("body", "fault"), [(b"<html>please log in</html>", "no whole gzip"), (BODY + b"x", "gzip"), (b"", "empty")]
)
def test_another_thing_than_a_gzip_file_never_gets_its_name(server, tmp_path, body, fault):
    server.files["x.json.gz"] = body
    with pytest.raises(DataError, match=fault):
        get(server, tmp_path)
    assert "x.json.gz" not in listing(tmp_path)


@pytest.mark.parametrize("kind", ["md5", "sha256"])
def test_a_published_checksum_decides(server, tmp_path, kind):
    right = hashlib.new(kind, BODY).hexdigest()
    wrong = right[::-1]
    with pytest.raises(DataError, match=f"is not the published file \\({kind} {right} instead of {wrong}\\)"):
        get(server, tmp_path, remote(checksum=f"{kind}:{wrong}"))
    assert listing(tmp_path) == []
    get(server, tmp_path, remote(checksum=f"{kind}:{right}"))
    assert listing(tmp_path) == ["x.json.gz"]


# Another version.
@pytest.mark.parametrize("condition", [True, False], ids=["If-Range is heeded", "If-Range is ignored"])
def test_a_file_that_changes_in_between_is_fetched_from_its_start(server, tmp_path, condition):
    server.gets.append(Answer(cut=100_000))
    server.usual = Answer(cut=0)
    with pytest.raises(DataError):
        get(server, tmp_path)
    server.files["x.json.gz"] = other = gzip.compress(NOISE[::-1], 1)
    server.usual = Answer(condition=condition)
    get(server, tmp_path)
    assert (tmp_path / "x.json.gz").read_bytes() == other


def test_a_file_that_got_shorter_than_what_is_there_is_fetched_from_its_start(server, tmp_path):
    server.gets.append(Answer(cut=200_000))
    server.usual = Answer(cut=0)
    with pytest.raises(DataError):
        get(server, tmp_path)
    server.files["x.json.gz"] = other = gzip.compress(b"short")
    server.usual = Answer(condition=False)
    get(server, tmp_path)
    assert (tmp_path / "x.json.gz").read_bytes() == other


@pytest.mark.parametrize("size", [len(BODY), "null"])
def test_what_is_whole_already_is_not_sent_again(server, tmp_path, size):
    """Killed between the last byte and the look at them; or the length was never known: the server says 416."""
    (tmp_path / "x.json.gz.part").write_bytes(BODY)
    etag = server.validators(BODY)["ETag"][1:-1]
    (tmp_path / "x.json.gz.part.about").write_text(f'{{"etag": "\\"{etag}\\"", "size": {size}}}')
    get(server, tmp_path)
    assert listing(tmp_path) == ["x.json.gz"]
    assert server.sent == 0
    assert len(server.fetched) == (size == "null")


def test_another_version_of_the_same_length_is_not_taken_for_the_rest(server, tmp_path):
    (tmp_path / "x.json.gz.part").write_bytes(BODY)
    (tmp_path / "x.json.gz.part.about").write_text('{"etag": "\\"old\\""}')
    server.files["x.json.gz"] = other = gzip.compress(NOISE[::-1], 1)
    assert len(other) == len(BODY)
    server.usual = Answer(condition=False)
    get(server, tmp_path)
    assert (tmp_path / "x.json.gz").read_bytes() == other


@pytest.mark.parametrize("about", ["", "{", "[]", '{"size": "many"}', "{}"])
def test_remains_that_tell_nothing_are_not_built_upon(server, tmp_path, about):
    (tmp_path / "x.json.gz.part").write_bytes(b"something else")
    (tmp_path / "x.json.gz.part.about").write_text(about)
    get(server, tmp_path)
    assert (tmp_path / "x.json.gz").read_bytes() == BODY


# Servers that refuse.
@pytest.mark.parametrize("heads", [True, False], ids=["told by HEAD", "told by GET"])
def test_what_is_not_there_is_named_and_asked_for_once(server, tmp_path, heads):
    del server.files["x.json.gz"]
    if not heads:
        server.heads.append(Answer(status=405))
    with pytest.raises(DataError, match=rf"^{server.url}/x\.json\.gz is not there \(404\): .* --mirror$"):
        get(server, tmp_path)
    assert len(server.fetched) == (0 if heads else 1)
    assert listing(tmp_path) == []


def test_a_refusal_is_told_and_not_repeated(server, tmp_path):
    server.usual = Answer(status=403)
    with pytest.raises(DataError, match="the server answers 403 Forbidden"):
        get(server, tmp_path)
    assert len(server.fetched) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(server, tmp_path, status, naps):
    server.heads.append(Answer(status=status))
    server.gets.extend([Answer(status=status)] * 3)
    ear = Ear()
    get(server, tmp_path, listener=ear, patience=Retry(total=3, backoff_factor=1))
    assert (tmp_path / "x.json.gz").read_bytes() == BODY
    assert naps == [0, 0, 2, 4]
    assert f"answers {status}" in ear.told[0]


def test_a_server_that_stays_busy_ends_in_a_sentence(server, tmp_path, naps):
    server.gets.extend([Answer(cut=100_000), *[Answer(status=503)] * 9])
    with pytest.raises(DataError, match=r"the server answers 503 Service Unavailable, 4 times in a row; .* later"):
        get(server, tmp_path)
    assert len(server.gets) == 6
    assert "x.json.gz.part" in listing(tmp_path)


def test_a_server_is_left_alone_for_as_long_as_it_asks(server, tmp_path, naps):
    server.gets.append(Answer(status=503, headers={"Retry-After": "17"}))
    get(server, tmp_path)
    assert naps == [17]


@pytest.mark.parametrize("bidden", ["soon", "-3", ""])
def test_a_wish_that_is_not_readable_is_no_wish(server, tmp_path, naps, bidden):
    server.gets.append(Answer(status=503, headers={"Retry-After": bidden}))
    get(server, tmp_path)
    assert naps == [0]


def test_a_server_that_asks_for_an_hour_gets_it(server, tmp_path, naps):
    server.gets.append(Answer(status=429, headers={"Retry-After": "3600"}))
    with pytest.raises(DataError, match="left alone for 60 minutes"):
        get(server, tmp_path)
    assert naps == []


def test_a_server_that_is_not_there_ends_in_a_sentence(tmp_path, naps):
    with serving() as gone:
        pass
    with pytest.raises(DataError, match=r"the server cannot be reached .*refused.*4 times in a row"):
        get(gone, tmp_path)


@pytest.mark.parametrize(
    ("fault", "told", "tries"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed", "the server's certificate is not accepted", 1),
        ("[SSL: UNEXPECTED_EOF_WHILE_READING] EOF", "not secure .* 4 times in a row", 4),
    ],
)
def test_a_wrong_certificate_is_final_and_a_cut_handshake_is_not(tmp_path, monkeypatch, fault, told, tries):
    asked = []

    def request(*arguments, **options):
        asked.append(arguments)
        raise exceptions.SSLError(fault)

    monkeypatch.setattr(web.requests.Session, "request", request)
    with pytest.raises(DataError, match=told):
        download([remote()], tmp_path, patience=PATIENCE)
    assert len(asked) == tries


def nameless(*arguments, **options):
    pool = HTTPSConnectionPool("example.org")
    fault = NameResolutionError("example.org", pool, OSError("not known"))
    raise exceptions.ConnectionError(MaxRetryError(pool, "/", fault))


def test_who_is_offline_hears_so_at_once(tmp_path, monkeypatch, naps):
    monkeypatch.setattr(web.requests.Session, "request", nameless)
    ear = Ear()
    with pytest.raises(DataError, match=rf"are you offline\? Files .* may be put into {tmp_path}"):
        download([remote()], tmp_path, listener=ear)
    assert sum(naps) == 0
    assert ear.told == [f"{BASE}/x.json.gz: the server's name example.org is not known here; trying again now"]


def test_a_name_that_was_known_before_is_waited_for(server, tmp_path, monkeypatch, naps):
    ask, asked = web.requests.Session.request, []

    def request(*arguments, **options):
        asked.append(arguments)
        return nameless() if 1 < len(asked) < 5 else ask(*arguments, **options)

    monkeypatch.setattr(web.requests.Session, "request", request)
    get(server, tmp_path)
    assert listing(tmp_path) == ["x.json.gz"]


def test_a_reason_is_told_once(tmp_path, naps):
    ear = Ear()
    with serving() as gone:
        pass
    with pytest.raises(DataError, match="cannot be reached"):
        get(gone, tmp_path, listener=ear, patience=Retry(total=3, backoff_factor=1))
    assert "cannot be reached" in ear.told[0]
    assert ear.told[1:] == ["still so; trying again in 2 s", "still so; trying again in 4 s"]


# Where requests may lead.
@pytest.mark.parametrize("to", ["file:///etc/hostname", "ftp://127.0.0.1/x"])
def test_no_redirect_leads_off_the_web(server, tmp_path, to):
    server.usual = Answer(status=302, headers={"Location": to})
    with pytest.raises(DataError, match="leads to an address that is not"):
        get(server, tmp_path)
    assert listing(tmp_path) == []


def test_redirects_come_to_an_end(server, tmp_path):
    server.usual = Answer(status=302, headers={"Location": "/data/x.json.gz"})
    with pytest.raises(DataError, match="redirects more than 5 times"):
        get(server, tmp_path)
    assert len(server.asked) < 10


def test_a_redirect_is_followed(server, tmp_path):
    server.heads.append(Answer(status=301, headers={"Location": "/data/x.json.gz"}))
    server.gets.append(Answer(status=301, headers={"Location": "/data/x.json.gz"}))
    get(server, tmp_path)
    assert (tmp_path / "x.json.gz").read_bytes() == BODY


def test_plain_http_is_not_spoken_unless_the_user_named_it(server):
    strict = web.Web(plain=False, tell=print)
    with pytest.raises(DataError, match="not https"):
        strict.ask("GET", f"{server.url}/x.json.gz", {})
    assert server.asked == []


@pytest.mark.parametrize(
    "mirror", ["ftp://host/x", "file:///data", "host/data", "https://", "https://h/x?key=1", "http://["]
)
def test_a_mirror_is_an_address_on_the_web(tmp_path, mirror):
    with pytest.raises(ConfigError, match="--mirror"):
        download([remote()], tmp_path / "new", mirror=mirror)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_mirror_takes_the_place_of_the_base(server, tmp_path, slash):
    server.files["sub/x.json.gz"] = BODY
    get(server, tmp_path, RemoteFile(base=BASE, name="sub/x.json.gz", path="here.gz"), mirror=server.url + slash)
    assert server.fetched[0].path == "/data/sub/x.json.gz"
    assert listing(tmp_path) == ["here.gz"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"base": "http://example.org/data"},
        {"base": "file:///etc"},
        {"base": "https://example.org/data/"},
        {"path": "../x"},
        {"path": "/x"},
        {"path": "a/x"},
        {"path": ".."},
        {"checksum": "md5:12"},
        {"checksum": "crc:12"},
    ],
    ids=str,
)
def test_a_source_declares_https_a_plain_name_and_a_real_checksum(wrong):
    with pytest.raises(ValidationError):
        RemoteFile(**{"base": BASE, "name": "x", "path": "x", **wrong})


# The disk.
def test_a_disk_without_room_is_told_of_before_anything_is_fetched(server, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage(0, 0, len(BODY) - 1))
    with pytest.raises(OutputError, match=r"has room for .* are to come"):
        get(server, tmp_path)
    assert server.fetched == []
    (tmp_path / "x.json.gz.part").write_bytes(BODY[:1000])
    (tmp_path / "x.json.gz.part.about").write_text('{"modified": "Tue, 01 Jan 2019 00:00:00 GMT"}')
    get(server, tmp_path)
    assert (tmp_path / "x.json.gz").read_bytes() == BODY, "what is there already needs no room"


PROGRAM = """
import resource, sys
from pathlib import Path
from ctrbench.data.download import Listener, download
from ctrbench.data.remote import RemoteFile
from ctrbench.errors import CtrbenchError
if sys.argv[3] != "0":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
class Ear(Listener):
    def progress(self, piece, done, size):
        print(done, flush=True)
file = RemoteFile(base="https://example.org", name="x.json.gz", path="x.json.gz")
try:
    download([file], Path(sys.argv[2]), mirror=sys.argv[1], listener=Ear())
except CtrbenchError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def process(server, root, limit=0):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, server.url, str(root), str(limit)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_disk_that_fills_up_ends_in_a_sentence_and_what_came_is_kept(server, tmp_path):
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    running = process(server, tmp_path, limit=150_000)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 1
    assert said.startswith(f"OutputError: cannot write {tmp_path / 'x.json.gz.part'} (File too large); make room")
    assert said.count("\n") == 1
    assert (tmp_path / "x.json.gz.part").read_bytes() == BODY[:150_000]
    server.sent = 0
    get(server, tmp_path)
    assert (tmp_path / "x.json.gz").read_bytes() == BODY
    assert server.sent == len(BODY) - 150_000


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_process_that_is_stopped_is_gone_on_from(server, tmp_path, how):
    server.gets.append(Answer(pace=0.1))
    running = process(server, tmp_path)
    assert running.stdout is not None
    assert int(running.stdout.readline()) > 0
    running.send_signal(how)
    running.communicate(timeout=60)
    assert "x.json.gz" not in listing(tmp_path)
    have = (tmp_path / "x.json.gz.part").stat().st_size
    get(server, tmp_path)
    assert (tmp_path / "x.json.gz").read_bytes() == BODY
    assert server.fetched[-1].range == f"bytes={have}-"
    assert listing(tmp_path) == ["x.json.gz"]


def test_two_processes_at_once_fetch_a_file_once(server, tmp_path):
    server.usual = Answer(pace=0.02)
    both = [process(server, tmp_path) for _ in range(2)]
    assert [(one.communicate(timeout=60), one.returncode)[1] for one in both] == [0, 0]
    assert (tmp_path / "x.json.gz").read_bytes() == BODY
    assert len(server.fetched) == 1


def test_who_waits_for_another_process_says_so(server, tmp_path):
    server.gets.append(Answer(pace=0.1))
    running = process(server, tmp_path)
    assert running.stdout is not None
    running.stdout.readline()
    ear = Ear()
    get(server, tmp_path, listener=ear)
    running.communicate(timeout=60)
    assert ear.told == [f"another process downloads into {tmp_path}: waiting for it"]
    assert ear.plans[0].present == ("x.json.gz",)


def test_a_folder_that_cannot_be_made_is_one_sentence(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*file/root .*"):
        get(server, tmp_path / "file" / "root")
    with pytest.raises(ConfigError, match="file is a file: name a folder"):
        get(server, tmp_path / "file")


# Archives.
def archive():
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("folder/a.txt", "one")
        file.writestr("folder/b.txt", "two")
    return packed.getvalue()


def test_an_archive_is_unpacked_beside_itself_once(server, tmp_path):
    server.files["z.zip"] = archive()
    wanted = remote("z.zip", unpack=("folder/a.txt",))
    get(server, tmp_path, wanted)
    assert listing(tmp_path) == ["a.txt", "z.zip"]
    (tmp_path / "z.zip").unlink()
    assert get(server, tmp_path, wanted).present == ("z.zip",)
    assert len(server.fetched) == 1


def test_an_archive_that_is_there_is_unpacked_without_being_fetched_again(server, tmp_path):
    (tmp_path / "z.zip").write_bytes(archive())
    (tmp_path / "a.txt").write_text("mine")
    plan = get(server, tmp_path, remote("z.zip", unpack=("folder/a.txt", "folder/b.txt")))
    assert server.asked == []
    assert (tmp_path / "b.txt").read_text() == "two"
    assert (tmp_path / "a.txt").read_text() == "mine"
    assert plan.size == plan.have


# Sources.
class Published(FrameSource):
    def remote_files(self):
        return (remote(),)


def test_a_source_that_declares_files_downloads_them(tmp_path, monkeypatch):
    called = []
    monkeypatch.setattr(module, "download", lambda files, root: called.append((files, root)))
    Published([]).download(tmp_path)
    assert called == [((remote(),), tmp_path)]


def test_a_source_that_declares_none_says_so(tmp_path):
    with pytest.raises(DataError, match="FrameSource has no download"):
        FrameSource([]).download(tmp_path)
