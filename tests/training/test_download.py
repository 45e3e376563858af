"""`oneway data`: downloads that resume, are checked and never replace anything; the list."""

import errno
import gzip
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace

import pytest
from file_server import serving
from official_files import as_official, write_cifar10, write_idx_set, write_tiny_imagenet

from oneway.training import DataError, load_data
from oneway.training.cli.main import main
from oneway.training.data.catalogue import KNOWN, OFFICIAL, Official
from oneway.training.data.download import download
from oneway.training.data.obtain import unpack_archive

CONTENT = bytes(range(256)) * 20_000  # 5 MB
MD5 = hashlib.md5(CONTENT).hexdigest()


def md5(content):
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def server():
    with serving({"file.bin": CONTENT}) as state:
        yield state


@pytest.fixture
def fetch(server, tmp_path):
    """Download file.bin as its server has it; gives the file's path and what was said."""
    said = []

    def call(name="file.bin", expected=MD5):
        download(f"{server.url}/{name}", tmp_path / name, expected, said.append)
        return tmp_path / name, said

    return call


def part(tmp_path):
    return tmp_path / "file.bin.part"


# -- one file ----------------------------------------------------------------------------------


def test_a_file_comes_whole_and_leaves_nothing_else(fetch, tmp_path):
    path, said = fetch()
    assert path.read_bytes() == CONTENT and said == []
    assert os.listdir(tmp_path) == ["file.bin"]


def test_a_cut_download_goes_on_where_it_stopped(fetch, server, tmp_path):
    server.cut = 3_000_000
    with pytest.raises(DataError, match=r"connection ended after 3000000 of 5120000 bytes.*3.0 MB"):
        fetch()
    assert part(tmp_path).read_bytes() == CONTENT[:3_000_000]
    assert not (tmp_path / "file.bin").exists()
    server.cut = None
    path, said = fetch()
    assert path.read_bytes() == CONTENT
    assert server.asked[-1] == ("file.bin", "bytes=3000000-")
    assert said == ["file.bin: going on after 3.0 MB"]
    assert os.listdir(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("tag", ["", 'W/"weak"'])
def test_without_a_strong_tag_it_resumes_and_the_md5_decides(fetch, server, tag):
    server.tag, server.cut = tag, 1_000_000
    with pytest.raises(DataError):
        fetch()
    server.cut = None
    assert fetch()[0].read_bytes() == CONTENT
    assert server.asked[-1][1] == "bytes=1000000-"


def test_a_server_without_ranges_starts_again(fetch, server):
    server.ranges, server.cut = False, 1_000_000
    with pytest.raises(DataError):
        fetch()
    server.cut = None
    assert fetch()[0].read_bytes() == CONTENT


def test_of_a_file_that_changed_meanwhile_nothing_old_is_kept(fetch, server):
    server.cut = 1_000_000
    with pytest.raises(DataError):
        fetch()
    new = b"new" + CONTENT[:4_000_000]
    server.files["file.bin"], server.tag, server.cut = new, '"two"', None
    assert fetch(expected=md5(new))[0].read_bytes() == new
    assert len(server.asked) == 2  # If-Range told in one request


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 5)])
def test_what_is_left_of_something_else_is_replaced(fetch, tmp_path, left):
    """Shorter than the file, as long, longer: no server says which version that was."""
    part(tmp_path).write_bytes(left)
    path, said = fetch()
    assert path.read_bytes() == CONTENT
    assert "another version; starting again" in said[-1]


def test_a_part_that_was_whole_already_is_only_checked(fetch, server, tmp_path):
    part(tmp_path).write_bytes(CONTENT)
    assert fetch()[0].read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_a_wrong_md5_keeps_nothing(fetch, tmp_path):
    with pytest.raises(DataError, match=rf"md5 is {MD5}, expected 0123.*not kept"):
        fetch(expected="0123")
    assert os.listdir(tmp_path) == []


def test_a_server_that_sends_another_range_is_not_believed(fetch, server, tmp_path):
    part(tmp_path).write_bytes(CONTENT[:1000])
    server.lies = True
    with pytest.raises(DataError, match="another part than was asked for"):
        fetch()
    assert part(tmp_path).read_bytes() == CONTENT[:1000]


def test_missing_on_the_server(fetch):
    with pytest.raises(DataError, match=r"/nothing.bin: the server answers 404"):
        fetch("nothing.bin")


def test_nobody_listens(tmp_path):
    with serving({}) as state:
        url = state.url
    with pytest.raises(DataError, match=r"cannot be fetched \(Connection refused\). Give the same"):
        download(f"{url}/file.bin", tmp_path / "file.bin", "", print)


def test_full_disk_keeps_the_part(fetch, monkeypatch, tmp_path):
    def full(response, file, *_):
        file.write(response.read(1_000_000))
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("oneway.training.data.download._copy", full)
        with pytest.raises(DataError, match=r"No space left on device.*Make room"):
            fetch()
    assert part(tmp_path).read_bytes() == CONTENT[:1_000_000]
    assert fetch()[0].read_bytes() == CONTENT


def test_a_disk_that_is_too_small_is_known_before(fetch, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=1_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(DataError, match=r"5 MB are missing, more than is free.*Make room"):
        fetch()


# -- archives ----------------------------------------------------------------------------------


def tar_of(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_an_archive_that_reaches_outside_leaves_nothing(tmp_path):
    inside = {"set/a": b"a"}
    tar = tar_of(tmp_path / "a.tar.gz", inside | {"../evil": b"b"})
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in (*inside, "../evil"):
            archive.writestr(name, "b")
    for path in (tar, tmp_path / "a.zip"):
        with pytest.raises(DataError, match=r"a\.(tar\.gz|zip): .*evil"):
            unpack_archive(path, "set", lambda place: None)
    assert sorted(os.listdir(tmp_path)) == ["a.tar.gz", "a.zip"]
    assert not (tmp_path.parent / "evil").exists()


def test_links_out_of_an_archive_are_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("set/link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack_archive(tmp_path / "a.tar", "set", lambda place: None)
    assert os.listdir(tmp_path) == ["a.tar"]


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
def test_a_damaged_archive_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(b"no tar")[:-4])
    with pytest.raises(DataError, match=rf"{name}: cannot be unpacked \(.*\). Download it again"):
        unpack_archive(tmp_path / name, "set", lambda place: None)


def test_an_archive_of_something_else(tmp_path):
    with pytest.raises(DataError, match=r"holds no folder 'set'. Is it the official archive"):
        unpack_archive(tar_of(tmp_path / "a.tar.gz", {"other/a": b""}), "set", lambda place: None)
    assert os.listdir(tmp_path) == ["a.tar.gz"]


# -- whole data sets ---------------------------------------------------------------------------


@pytest.fixture
def oneway(capsys, monkeypatch, tmp_path):
    """Run `oneway data ...` with a data folder of its own; gives exit code and what was printed."""
    monkeypatch.setenv("ONEWAY_DATA_DIR", str(tmp_path / "data"))

    def call(*arguments):
        code = main(["data", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def as_if_official(monkeypatch, name, folder, archive=None):
    """Let the small files in a folder (or a packed copy of it) be the official ones."""
    monkeypatch.setitem(KNOWN, name, as_official(name, folder, archive))


@pytest.fixture
def small_mnist(monkeypatch, tmp_path):
    source = tmp_path / "source"
    write_idx_set(source, packed=True)
    write_idx_set(source)
    as_if_official(monkeypatch, "mnist", source)
    with serving({path.name: path.read_bytes() for path in source.glob("*.gz")}) as state:
        yield state


def test_mnist_from_a_server_to_a_data_set(oneway, small_mnist, tmp_path):
    assert oneway("check", "mnist")[0] == 2  # no folder yet
    code, out, err = oneway("get", "mnist", "--url", small_mnist.url)
    assert code == 0 and out == "" and "mnist is in" in err and "Cite: Y. LeCun" in err
    assert len(load_data("mnist").train_y) == 30
    code, out, _ = oneway("check", "mnist", "--json")
    assert code == 0 and json.loads(out)["ok"]
    asked = len(small_mnist.asked)
    assert "is complete" in oneway("get", "mnist", "--url", small_mnist.url)[2]
    assert len(small_mnist.asked) == asked


def test_only_what_is_missing_is_fetched(oneway, small_mnist, tmp_path):
    plain = tmp_path / "data" / "raw"
    plain.mkdir(parents=True)
    shutil.copy(tmp_path / "source" / "train-images-idx3-ubyte", plain)
    assert oneway("get", "mnist", "--url", small_mnist.url)[0] == 0
    assert len(small_mnist.asked) == 3
    assert oneway("check", "mnist")[0] == 0


def test_a_damaged_file_is_named_and_not_replaced(oneway, small_mnist, tmp_path):
    oneway("get", "mnist", "--url", small_mnist.url)
    damaged = tmp_path / "data/MNIST/raw/t10k-labels-idx1-ubyte.gz"
    damaged.write_bytes(b"mine")
    code, out, _ = oneway("check", "mnist")
    assert code == 1 and f"unlike    {damaged} md5 {md5(b'mine')}" in out
    code, _, err = oneway("get", "mnist", "--url", small_mnist.url)
    assert code == 2 and str(damaged) in err and "nothing was changed" in err
    assert damaged.read_bytes() == b"mine"


@pytest.fixture
def small_cifar10(monkeypatch, tmp_path):
    source = tmp_path / "cifar-10-batches-py"
    write_cifar10(source)
    archive = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as content:
        content.add(source, source.name)
    as_if_official(monkeypatch, "cifar10", source, archive)
    with serving({archive.name: archive.read_bytes()}) as state:
        yield state


def test_cifar10_is_unpacked_and_checked(oneway, small_cifar10, tmp_path):
    assert oneway("get", "cifar10", "--url", f"{small_cifar10.url}/")[0] == 0
    assert len(load_data("cifar10").train_y) == 20
    folder = tmp_path / "data/cifar-10-batches-py"
    (folder / "data_batch_3").unlink()
    code, _, err = oneway("get", "cifar10", "--url", small_cifar10.url)
    assert code == 2 and f"{folder} (without data_batch_3)" in err and "Move them" in err
    shutil.rmtree(folder)
    asked = len(small_cifar10.asked)
    assert oneway("get", "cifar10")[0] == 0  # from the archive that is there
    assert len(small_cifar10.asked) == asked and folder.is_dir()


def test_an_archive_with_other_files_in_it_is_refused(oneway, small_cifar10, tmp_path, monkeypatch):
    known = KNOWN["cifar10"]
    files = (replace(known.files[0], md5="0" * 32), *known.files[1:])
    monkeypatch.setitem(KNOWN, "cifar10", replace(known, files=files))
    code, _, err = oneway("get", "cifar10", "--url", small_cifar10.url)
    assert code == 2 and "data_batch_1 unlike" in err
    assert os.listdir(tmp_path / "data") == ["cifar-10-python.tar.gz"]


def test_tiny_imagenet_is_counted(oneway, monkeypatch, tmp_path):
    source = tmp_path / "tiny-imagenet-200"
    write_tiny_imagenet(source)
    archive = tmp_path / "tiny-imagenet-200.zip"
    with zipfile.ZipFile(archive, "w") as content:
        for path in source.rglob("*"):
            content.write(path, path.relative_to(tmp_path))
    as_if_official(monkeypatch, "tiny-imagenet", source, archive)
    with serving({archive.name: archive.read_bytes()}) as state:
        code, _, err = oneway("get", "tiny-imagenet", "--url", state.url)
        assert code == 2 and "3 classes, 9 + 6 images; expected 200 classes, 100,000" in err
        monkeypatch.setitem(OFFICIAL, "tiny-imagenet", Official((3, 64, 64), 3, 9, 6))
        assert oneway("get", "tiny-imagenet")[0] == 0
    assert load_data("tiny-imagenet").classes == 3
    next((tmp_path / "data/tiny-imagenet-200/val/images").iterdir()).unlink()
    code, out, _ = oneway("check", "tiny-imagenet")
    assert code == 1 and "9 + 5 images; expected" in out


def test_what_cannot_be_downloaded_says_why(oneway, tmp_path):
    for name, why in (
        ("imagenet", "register at https://image-net.org"),
        ("digits", "come with scikit-learn"),
        ("folder", "lay it out as train/CLASS"),
        ("mnits", "no data set 'mnits'; there are digits, mnist"),
    ):
        code, out, err = oneway("get", name)
        assert code == 2 and out == "" and why in err and err.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_bad_addresses_and_folders(oneway, monkeypatch, tmp_path):
    code, _, err = oneway("get", "svhn", "--url", "ftp://there")
    assert code == 2 and "--url ftp://there: expected an address" in err
    (tmp_path / "a").write_text("")
    code, _, err = oneway("get", "svhn", "--data-dir", tmp_path / "a")
    assert code == 2 and "there is a file of this name" in err
    monkeypatch.delenv("ONEWAY_DATA_DIR")
    code, _, err = oneway("get", "svhn")
    assert code == 2 and "where shall svhn be put? Name the data folder with --data-dir" in err


def test_list_knows_every_data_set_and_what_is_there(oneway, small_mnist):
    code, out, _ = oneway("list", "--json")
    entries = {entry["name"]: entry for entry in json.loads(out)["data"]}
    assert code == 0 and list(entries) == list(KNOWN)
    assert not entries["mnist"]["there"] and entries["digits"]["there"]
    assert entries["cifar10"]["download_bytes"] == 170498071 and entries["svhn"]["citation"]
    oneway("get", "mnist", "--url", small_mnist.url)
    code, out, _ = oneway("list")
    assert code == 0 and "mnist  there: " in out and "svhn  not there; oneway data get svhn" in out


def test_the_server_may_be_named_in_the_environment(oneway, small_mnist, monkeypatch):
    monkeypatch.setenv("ONEWAY_DATA_URL", small_mnist.url)
    assert oneway("get", "mnist")[0] == 0


def test_ctrl_c_leaves_a_part_to_go_on_from(tmp_path):
    """As a user does it: another process, interrupted while it waits for more."""
    script = (
        "import sys, time\n"
        "from oneway.training.data import download as d\n"
        "from oneway.training.cli.main import main\n"
        "def slow(response, file, part, total):\n"
        "    file.write(response.read(1000)); file.flush(); print('begun', flush=True)\n"
        "    time.sleep(60)\n"
        "d._copy = slow\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    with serving({"train_32x32.mat": CONTENT}) as state:
        arguments = ["data", "get", "svhn", "--data-dir", tmp_path / "data", "--url", state.url]
        process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    left = tmp_path / "data/SVHN/train_32x32.mat.part"
    assert process.returncode == 130 and left.read_bytes() == CONTENT[:1000]
    assert "interrupted. 0.0 MB are in" in err and "goes on from there" in err
    assert "Traceback" not in err


@pytest.mark.data
def test_the_real_files_have_the_official_md5s(oneway, data_dir):
    for name in ("mnist", "fashion-mnist", "cifar10"):
        code, out, _ = oneway("check", name, "--data-dir", data_dir)
        assert code == 0 and set(line.split()[0] for line in out.splitlines()[:-1]) == {"official"}
