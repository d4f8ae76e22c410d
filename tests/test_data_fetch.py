"""Fetching, from servers on this machine that misbehave."""

from __future__ import annotations

import dataclasses
import gzip
import os
import pty
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import wait_for
from data_files import (
    FILES,
    RAW,
    REPOSITORY,
    Mirror,
    Tiny,
    contents,
    idx_bytes,
    load_quietly,
    md5,
    one_line,
    path_of,
    python,
    tiny_process,
)

from sbp.errors import DataError, FileError
from sbp.learn import data, fetch, idx

pytestmark = pytest.mark.usefixtures("cache")

# ---------------------------------------------------------------------------- fetching


def part_of(folder: Path, stem: str) -> Path:
    return folder / f".sbp-part-{stem}.gz"


def test_absent_files_are_fetched_once_into_the_cache(tiny, mirror, cache, capfd):
    loaded = data.load("mnist", progress=False)
    tiny.check(loaded)
    assert mirror.requests == [(path_of(stem), None) for stem in FILES]
    assert {name: raw for name, (raw, _) in contents(cache).items()} == {
        str(RAW / f"{stem}.gz"): raw for stem, raw in tiny.gz.items()
    }
    before = contents(cache)
    assert data.load("mnist").checksum == loaded.checksum
    assert len(mirror.requests) == 4
    assert contents(cache) == before
    assert capfd.readouterr() == ("", "")


def test_a_fetched_root_is_itself_a_mirror(tiny, mirror, second, cache, tmp_path, monkeypatch):
    load_quietly()
    second.files = {f"/lab/{name}": raw for name, (raw, _) in contents(cache).items()}
    monkeypatch.setenv("SBP_MIRRORS", f"{second.url}/lab/")
    (tmp_path / "other").mkdir()
    tiny.check(load_quietly(root=tmp_path / "other"))
    assert len(second.requests) == 4


def test_only_absent_files_are_fetched_into_a_named_directory(tiny, mirror, tmp_path):
    folder = tiny.put(tmp_path)
    (folder / FILES[1]).unlink()
    (folder / FILES[2]).rename(folder / "kept aside")
    (folder / f"{FILES[2]}.gz").write_bytes(tiny.gz[FILES[2]])
    before = contents(tmp_path)
    tiny.check(load_quietly(root=tmp_path))
    assert mirror.requests == [(path_of(FILES[1]), None)]
    after = contents(tmp_path)
    assert after.pop(str(RAW / f"{FILES[1]}.gz"))[0] == tiny.gz[FILES[1]]
    assert after == before


def test_a_named_directory_that_does_not_exist_is_refused_and_not_made(mirror, tmp_path):
    with pytest.raises(DataError) as caught:
        load_quietly(root=tmp_path / "typo")
    one_line(caught, tmp_path / "typo", "does not exist", "create it")
    assert not (tmp_path / "typo").exists()
    assert mirror.requests == []


def test_nothing_is_fetched_when_that_is_not_wanted(tiny, mirror, tmp_path):
    folder = tiny.put(tmp_path)
    (folder / FILES[3]).unlink()
    with pytest.raises(DataError) as caught:
        load_quietly(root=tmp_path, download=False)
    one_line(caught, "1 of 4", folder, f"put {FILES[3]} ")
    assert mirror.requests == []


def test_a_file_gone_bad_in_the_cache_is_fetched_anew(tiny, mirror, cache):
    load_quietly()
    bad = cache / RAW / f"{FILES[0]}.gz"
    bad.write_bytes(bad.read_bytes()[:-20])
    with pytest.raises(DataError) as caught:
        load_quietly(download=False)
    one_line(caught, bad, "cannot be unpacked")
    tiny.check(load_quietly())
    assert len(mirror.requests) == 5
    assert bad.read_bytes() == tiny.gz[FILES[0]]


def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(tiny, mirror, cache):
    mirror.cut[path_of(FILES[0])] = [1000, 2000]
    tiny.check(load_quietly())
    assert [wanted for path, wanted in mirror.requests if path == path_of(FILES[0])] == [
        None,
        "bytes=1000-",
        "bytes=3000-",
    ]
    assert not [*cache.rglob(".sbp-part*"), *cache.rglob(".sbp-torch*")]


def test_a_transfer_that_always_breaks_off_goes_on_at_the_next_mirror(
    tiny, mirror, second, monkeypatch
):
    monkeypatch.setenv("SBP_MIRRORS", f"{mirror.url}, {second.url}")
    mirror.cut[path_of(FILES[0])] = [500] + [0] * 20
    tiny.check(load_quietly())
    assert (path_of(FILES[0]), "bytes=500-") in second.requests
    # A mirror that delivers nothing new is not asked for ever.
    assert sum(path == path_of(FILES[0]) for path, _ in mirror.requests) == 2


def test_without_ranges_a_transfer_starts_again(tiny, mirror):
    mirror.ranges = False
    mirror.cut[path_of(FILES[0])] = [1000]
    tiny.check(load_quietly())
    assert len(mirror.requests) == 5  # the second answer was whole, and taken as such


@pytest.mark.parametrize("part", ["bad", "too long", "whole"])
def test_a_part_file_left_behind_never_spoils_the_result(tiny, mirror, cache, part):
    raw = tiny.gz[FILES[0]]
    left = {"bad": b"\0" * 777, "too long": raw + b"\0", "whole": raw}[part]
    folder = cache / RAW
    folder.mkdir(parents=True)
    part_of(folder, FILES[0]).write_bytes(left)
    tiny.check(load_quietly())
    assert sorted(contents(folder)) == sorted(f"{stem}.gz" for stem in FILES)


def killed_download(tiny: Tiny, mirror: Mirror, folder: Path) -> Path:
    """The part file of a process that was killed when 20,000 bytes had arrived."""
    mirror.cut[path_of(FILES[0])] = [20_000]
    mirror.stall.set()
    code = tiny_process(tiny, "data.load('mnist', progress=False)")
    process = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(REPOSITORY)}
    )
    part = part_of(folder, FILES[0])
    wait_for(lambda: part.exists() and part.stat().st_size == 20_000)  # on disk at once
    process.kill()
    process.wait()
    mirror.stall.clear()
    assert part.read_bytes() == tiny.gz[FILES[0]][:20_000]
    assert list(contents(folder)) == [part.name]
    return part


def test_a_killed_download_is_resumed(tiny, mirror, cache):
    part = killed_download(tiny, mirror, cache / RAW)
    tiny.check(load_quietly())
    assert mirror.requests[1] == (path_of(FILES[0]), "bytes=20000-")
    assert not part.exists()


def test_what_a_killed_download_left_goes_when_the_files_have_come_another_way(
    tiny, mirror, cache, tmp_path
):
    folder = cache / RAW
    part = killed_download(tiny, mirror, folder)
    (folder / ".sbp-torchvision-1" / "MNIST").mkdir(parents=True)
    (folder / ".hidden").write_bytes(b"the user's")
    shutil.copytree(tiny.put(tmp_path), folder, dirs_exist_ok=True)
    tiny.check(load_quietly())
    assert not part.exists()
    assert sorted(contents(folder)) == sorted([".hidden", *FILES])
    assert len(mirror.requests) == 1


def test_a_file_that_exists_is_never_fetched_over(mirror, tmp_path):
    name = f"{FILES[0]}.gz"
    (tmp_path / name).write_bytes(b"the user's")
    wanted = fetch.Wanted(name, 10**6, lambda path: None)
    fetch.fetch(tmp_path, [wanted], [mirror.url], progress=False)
    assert (tmp_path / name).read_bytes() == b"the user's"
    assert mirror.requests == []


def test_processes_started_together_fetch_each_file_once(tiny, mirror):
    mirror.delay = 1.0
    code = tiny_process(tiny, "print(data.load('mnist', progress=False).checksum)")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    processes = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    sums = {process.communicate(timeout=60)[0].decode().strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sums == {load_quietly().checksum}
    assert len(mirror.requests) == 4


def test_what_is_not_the_published_file_is_not_kept(tiny, mirror, cache):
    wrong = idx_bytes(np.zeros((300, 12, 12), np.uint8))
    mirror.files[path_of(FILES[0])] = gzip.compress(wrong)
    with pytest.raises(DataError) as caught:
        load_quietly()
    url = f"{mirror.url}{path_of(FILES[0])}"
    sums = md5(wrong), md5(tiny.raw[FILES[0]])
    message = one_line(caught, url, "not the published file", *sums, "SBP_MIRRORS", "put ")
    assert ".sbp-part" not in message
    assert contents(cache) == {}
    assert len(mirror.requests) == 1


def test_a_mirror_may_pack_the_published_files_in_its_own_way(tiny, mirror, cache):
    mirror.files = {
        path: gzip.compress(gzip.decompress(gz), 1) for path, gz in mirror.files.items()
    }
    mirror.files[path_of(FILES[2])] = gzip.compress(tiny.raw[FILES[2]], 0)  # larger than unpacked
    assert mirror.files[path_of(FILES[0])] != tiny.gz[FILES[0]]
    tiny.check(load_quietly())
    tiny.check(load_quietly(download=False))


@pytest.mark.parametrize("length", [True, False])
def test_a_mirror_that_never_ends_is_cut_off_at_the_size_that_is_known(
    tiny, mirror, second, cache, monkeypatch, length
):
    monkeypatch.setenv("SBP_MIRRORS", f"{mirror.url}, {second.url}")
    mirror.endless[path_of(FILES[0])] = 10**12 if length else None
    tiny.check(load_quietly())
    assert mirror.sent[path_of(FILES[0])] < 20_000_000  # what sockets hold
    assert second.requests == [(path_of(FILES[0]), None)]
    assert not [*cache.rglob(".sbp-part*"), *cache.rglob(".sbp-torch*")]


def test_a_mirror_that_hardly_moves_is_given_up(tiny, mirror, second, monkeypatch):
    monkeypatch.setattr(fetch, "WINDOW", 0.5)
    monkeypatch.setenv("SBP_MIRRORS", f"{mirror.url}, {second.url}")
    mirror.drip[path_of(FILES[0])] = 0.05  # seconds a byte: half an hour for the file
    began = time.monotonic()
    tiny.check(load_quietly())
    assert time.monotonic() - began < 20
    assert [path for path, _ in second.requests] == [path_of(FILES[0])]
    assert re.fullmatch(r"bytes=\d+-", second.requests[0][1])  # what came is not lost
    mirror.drip[path_of(FILES[1])] = 0.05
    shutil.rmtree(data.data_root())
    monkeypatch.setenv("SBP_MIRRORS", mirror.url)
    with pytest.raises(DataError) as caught:
        load_quietly()
    one_line(caught, "slower than 2,000 bytes a second")


@pytest.mark.parametrize("when", ["without a part", "with a part"])
def test_a_416_leaves_the_other_mirrors(tiny, mirror, second, cache, monkeypatch, when):
    monkeypatch.setenv("SBP_MIRRORS", f"{mirror.url}, {second.url}")
    mirror.status[path_of(FILES[0])] = 416
    if when == "with a part":
        (cache / RAW).mkdir(parents=True)
        part_of(cache / RAW, FILES[0]).write_bytes(tiny.gz[FILES[0]][:100])
    tiny.check(load_quietly())
    assert (path_of(FILES[0]), None) in second.requests


def test_a_mirror_that_is_dead_or_wrong_is_passed_over(tiny, mirror, second, dead_url, monkeypatch):
    monkeypatch.setenv("SBP_MIRRORS", f"{dead_url},{mirror.url},{second.url}")
    mirror.status[path_of(FILES[0])] = 404
    mirror.status[path_of(FILES[1])] = 503
    mirror.files[path_of(FILES[2])] = b"<html>please log in</html>"
    tiny.check(load_quietly())
    assert [path for path, _ in mirror.requests] == [path_of(stem) for stem in FILES]
    assert [path for path, _ in second.requests] == [path_of(stem) for stem in FILES[:3]]


def test_when_every_mirror_fails_one_line_says_what_to_do(
    tiny, mirror, dead_url, cache, monkeypatch
):
    monkeypatch.setenv("SBP_MIRRORS", f"{dead_url},{mirror.url}")
    mirror.status[path_of(FILES[0])] = 500
    with pytest.raises(DataError) as caught:
        load_quietly()
    one_line(
        caught,
        f"{dead_url}{path_of(FILES[0])} (no connection",
        f"{mirror.url}{path_of(FILES[0])} (500 ",
        "SBP_MIRRORS",
        f"put {', '.join(FILES)} (unpacked or as .gz) in {cache / RAW}",
    )


@pytest.mark.parametrize("value", ["ftp://host/data", "host/data", "http://a,file:///etc"])
def test_mirrors_that_are_no_urls_are_refused(tiny, value, monkeypatch):
    monkeypatch.setenv("SBP_MIRRORS", value)
    with pytest.raises(DataError) as caught:
        load_quietly()
    one_line(caught, "SBP_MIRRORS", value.split(",")[-1], "http://")


def test_the_public_mirrors_are_used_without_settings(tiny, second, monkeypatch):
    source = dataclasses.replace(tiny.source, mirrors=(f"{second.url}/public",))
    monkeypatch.setattr(idx, "MNIST", source)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)  # no torchvision
    second.files = {f"/public/{stem}.gz": raw for stem, raw in tiny.gz.items()}
    tiny.check(load_quietly())


@pytest.mark.parametrize("name", data.PUBLISHED)
def test_published_facts_are_complete(name):
    source = data.source(name)
    assert tuple(source.md5) == FILES
    assert all(re.fullmatch("[0-9a-f]{32}", value) for value in source.md5.values())
    assert len(set(source.md5.values())) == 4
    assert len(source.mirrors) >= 2


# --- where writing fails


def test_a_directory_that_cannot_be_written(mirror, tmp_path):
    (tmp_path / "MNIST").write_bytes(b"a file where a folder should be")
    with pytest.raises(FileError) as caught:
        load_quietly(root=tmp_path)
    one_line(caught, f"cannot write {tmp_path / RAW}", "another data directory")
    if sys.platform == "linux":  # nobody can write there, root included
        with pytest.raises(FileError) as caught:
            load_quietly(root="/proc")
        one_line(caught, "cannot write /proc")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full: only Linux has it")
def test_a_full_disk(mirror, cache):
    folder = cache / RAW
    folder.mkdir(parents=True)
    part_of(folder, FILES[0]).symlink_to("/dev/full")
    with pytest.raises(FileError) as caught:
        load_quietly()
    one_line(caught, f"{FILES[0]}.gz", "No space left on device", "make room")
    assert not (folder / f"{FILES[0]}.gz").exists()


# --- what is shown


def test_plain_lines_on_standard_error_without_a_terminal(tiny, mirror, capfd):
    data.load("mnist")
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"received {mirror.url}{path_of(stem)} ({len(tiny.gz[stem]):,} bytes)" for stem in FILES
    ]


def test_a_progress_bar_on_a_terminal(tiny, mirror):
    terminal, end = pty.openpty()
    process = subprocess.run(
        [sys.executable, "-c", tiny_process(tiny, "data.load('mnist')")],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm", "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=end,
        timeout=60,
    )
    os.close(end)
    shown = b""
    try:
        while chunk := os.read(terminal, 65536):
            shown += chunk
    except OSError:  # the other end is closed and everything has been read
        pass
    os.close(terminal)
    assert (process.returncode, process.stdout) == (0, b"")
    for stem in FILES:
        assert stem.encode() in shown


def test_fetching_never_loads_tqdm(tiny, mirror, tmp_path):
    package = tmp_path / "site" / "tqdm"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "auto.py").write_text("class tqdm: pass\n")
    code = tiny_process(
        tiny,
        "data.load('mnist')\n"
        "assert 'requests' in sys.modules\n"
        "assert not {'tqdm', 'tqdm.auto', 'joblib'} & set(sys.modules)\n"
        "import tqdm.auto\n"
        "print(tqdm.__file__)\n",
    )
    done = python(code, PYTHONPATH=f"{REPOSITORY}{os.pathsep}{tmp_path / 'site'}")
    assert (done.returncode, done.stdout) == (0, f"{package / '__init__.py'}\n"), done.stderr
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["received"] * 4


# --- torchvision, by a stand-in of its interface: the real one is a download of gigabytes


def install_torchvision(site: Path, tiny: Tiny, body: str) -> dict[str, str]:
    package = site / "torchvision"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from torchvision import datasets\n")
    (package / "datasets.py").write_text(
        "import pathlib\n"
        f"GZ = {tiny.gz!r}\nRAW = {tiny.raw!r}\n"
        "class MNIST:\n"
        "    def __init__(self, root, download=False):\n"
        "        print('Downloading')\n"
        "        raw = pathlib.Path(root) / 'MNIST' / 'raw'\n"
        f"        {body}\n"
    )
    return {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{site}"}


DELIVER = (
    "raw.mkdir(parents=True); "
    "[(raw / (k + '.gz')).write_bytes(v) for k, v in GZ.items()]; "
    "[(raw / k).write_bytes(v) for k, v in RAW.items()]"
)


def test_torchvision_fetches_into_the_cache_if_installed(tiny, cache, tmp_path):
    variables = install_torchvision(tmp_path / "site", tiny, DELIVER)
    done = python(tiny_process(tiny, "print(data.load('mnist').checksum)"), **variables)
    assert done.returncode == 0, done.stderr
    assert {name: raw for name, (raw, _) in contents(cache).items()} == {
        str(RAW / f"{stem}.gz"): raw for stem, raw in tiny.gz.items()
    }
    loaded = load_quietly()
    tiny.check(loaded)
    assert done.stdout == f"{loaded.checksum}\n"
    assert done.stderr == ""
    assert not list(cache.rglob(".torchvision*"))


def test_torchvision_that_fails_leaves_the_mirrors(tiny, second, cache, tmp_path):
    variables = install_torchvision(tmp_path / "site", tiny, "raise RuntimeError('no network')")
    source = dataclasses.replace(tiny.source, mirrors=(second.url + "/MNIST/raw",))
    code = tiny_process(dataclasses.replace(tiny, source=source), "data.load('mnist')")
    done = python(code, **variables)
    assert done.returncode == 0, done.stderr
    assert len(second.requests) == 4
    tiny.check(load_quietly())


def test_torchvision_is_not_let_into_a_named_directory_nor_past_own_mirrors(
    tiny, mirror, tmp_path, monkeypatch
):
    variables = install_torchvision(tmp_path / "site", tiny, "raise SystemExit('asked')")
    done = python(tiny_process(tiny, "data.load('mnist', progress=False)"), **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(mirror.requests) == 4
    (tmp_path / "root").mkdir()
    monkeypatch.delenv("SBP_MIRRORS")
    source = dataclasses.replace(tiny.source, mirrors=(f"{mirror.url}/MNIST/raw",))
    variables["SBP_DATA"] = str(tmp_path / "root")
    done = python(
        tiny_process(dataclasses.replace(tiny, source=source), "data.load('mnist')"), **variables
    )
    assert done.returncode == 0, done.stderr
    assert "asked" not in done.stderr
    assert len(mirror.requests) == 8
