"""Archives that somebody else made, some of them with ill intent."""

import stat
import zipfile
from collections import namedtuple

import pytest

from ctrbench.data import archive as module
from ctrbench.data.archive import unpack
from ctrbench.errors import DataError, OutputError


@pytest.fixture
def packed(tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()

    def write(members):
        with zipfile.ZipFile(folder / "z.zip", "w", zipfile.ZIP_DEFLATED) as file:
            for name, text in members.items():
                file.writestr(name, text)
        return folder / "z.zip"

    return write


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_wanted_members_come_out_beside_the_archive(packed):
    path = packed({"ml/u.data": "ratings", "ml/u.item": "movies", "ml/sub/u.user": "people"})
    unpack(path, ["ml/u.data", "ml/sub/u.user"])
    assert names(path.parent) == ["u.data", "u.user", "z.zip"]
    assert (path.parent / "u.user").read_text() == "people"


@pytest.mark.parametrize("name", ["../out.txt", "/tmp/out.txt", "a/../../out.txt"])
def test_no_member_leaves_the_folder(packed, tmp_path, name):
    path = packed({name: "evil"})
    unpack(path, [name])
    assert names(tmp_path) == ["out.txt", "root", "z.zip"]
    assert (path.parent / "out.txt").read_text() == "evil"


def test_a_member_that_is_a_link_is_refused(packed):
    link = zipfile.ZipInfo("ml/u.data")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = packed({link: "/etc/hostname"})
    with pytest.raises(DataError, match=r"u\.data is no file but a link"):
        unpack(path, ["ml/u.data"])
    assert names(path.parent) == ["z.zip"]


def test_a_link_in_the_folder_is_not_written_through(packed, tmp_path):
    path = packed({"u.data": "new"})
    (path.parent / "u.data").symlink_to(tmp_path / "elsewhere")
    unpack(path, ["u.data"])
    assert not (tmp_path / "elsewhere").exists()


def test_a_member_that_is_lacking_is_named(packed):
    path = packed({"ml/u.data": "ratings"})
    with pytest.raises(DataError, match=r"z\.zip holds no ml/u\.item"):
        unpack(path, ["ml/u.data", "ml/u.item"])
    assert names(path.parent) == ["z.zip"]


def test_members_that_are_too_large_are_not_unpacked(packed, monkeypatch):
    path = packed({"u.data": "0" * 100_000})
    monkeypatch.setattr(module, "MOST", 99_999)
    with pytest.raises(DataError, match="would unpack to 100,000 bytes"):
        unpack(path, ["u.data"])
    assert names(path.parent) == ["z.zip"]


def test_a_disk_without_room_is_told_of(packed, monkeypatch):
    path = packed({"u.data": "0" * 100_000})
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: usage(0, 0, 10))
    with pytest.raises(OutputError, match="make room"):
        unpack(path, ["u.data"])
    assert names(path.parent) == ["z.zip"]


def test_an_archive_that_lies_about_a_size_is_found_out(packed):
    """A member that unpacks to more than it says is cut there, and its CRC does not fit."""
    path = packed({"u.data": "0" * 100_000})
    size = (100_000).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, (10).to_bytes(4, "little")))
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(path, ["u.data"])
    assert names(path.parent) == ["z.zip"]


@pytest.mark.parametrize("keep", [0, 10, 60])
def test_a_broken_archive_is_one_sentence(packed, keep):
    path = packed({"u.data": "ratings" * 100})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(path, ["u.data"])
    assert names(path.parent) == ["z.zip"]
