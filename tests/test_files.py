"""Files are written whole or not at all, and no file is trusted."""

import io
import json
import os
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
from conftest import ENVIRONMENT

from sbp import files
from sbp.errors import FileError
from sbp.files import Member, check_writable, read_json, read_npz, tidy, write_atomic, write_npz
from sbp.learn.checkpoint import RunFolder, load_weights

WEIGHTS = {"W1": np.full((3, 4), 2, np.int16), "W2": np.zeros((2, 3), np.int16)}


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def declaring(shape, dtype="|u1"):
    """The head of an array of that shape, and nothing behind it."""
    stream = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


def archive(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in members:
            target.writestr(name, content)
    return path


# --- writing -------------------------------------------------------------------------------------


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = write_atomic(tmp_path / "x", lambda stream: stream.write(b"old"))

    def fail(stream):
        stream.write(b"new")
        assert [p.name[:9] for p in tmp_path.iterdir() if p != path] == [files.TEMPORARY]
        raise OSError(28, "No space left on device")

    with pytest.raises(FileError, match=r"cannot write .*: No space left on device"):
        write_atomic(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_only_our_own_temporary_files_are_tidied(tmp_path):
    names = [".checkpoint.npz.bak", ".history.json.mine", ".weights.npz.2", ".writable",
             "checkpoint.new.npz", "checkpoint.old.npz", "sbp-tmp-x", ".sbp-tmp"]  # fmt: skip
    for name in (*names, f"{files.TEMPORARY}1", f"{files.TEMPORARY}checkpoint.npz"):
        (tmp_path / name).write_text(name)
    tidy(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert all((tmp_path / name).read_text() == name for name in names)


def test_training_touches_no_file_that_nobody_named(tmp_path, sbp):
    """Whatever lies in the folder of --out, and is no file of a run, stays as it is."""
    names = ["checkpoint.old.npz", "checkpoint.new.npz", ".weights.npz.1", ".history.json.1"]
    for name in names:
        (tmp_path / name).write_text(name)
    arguments = ["train", "--hidden", 4, "--samples", 20, "--epochs", 2, "--quiet", "--out",
                 tmp_path]  # fmt: skip
    assert sbp(*arguments)[0] == 0
    assert sbp(*arguments, "--force")[0] == 0
    assert all((tmp_path / name).read_text() == name for name in names)


def test_asking_whether_a_file_can_be_written_leaves_nothing(tmp_path):
    check_writable(tmp_path / "a" / "b" / "c")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a").write_text("no folder")
    with pytest.raises(FileError, match=r"cannot write .*Not a directory|is not a folder"):
        check_writable(tmp_path / "a" / "b" / "c")


@pytest.mark.parametrize("command", ["train", "import"])
def test_a_locked_folder_is_left_alone(command, tmp_path, refused, start):
    """Another process holds the lock, and keeps none when it is killed."""
    script = (
        "import sys\nfrom sbp.learn.checkpoint import RunFolder\n"
        "with RunFolder(sys.argv[1]).locked():\n"
        "    print('locked', flush=True)\n    sys.stdin.read()\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, tmp_path / "run"], env=ENVIRONMENT,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    try:
        holder.stdout.readline()
        arguments = {
            "train": ("train", "--out", tmp_path / "run", "--force"),
            "import": ("import", tmp_path / "x.nir", "--out", tmp_path / "run", "--force"),
        }
        assert "another process is writing a run into" in refused(*arguments[command])
    finally:
        holder.kill()
        holder.communicate()
    with RunFolder(tmp_path / "run").locked():
        pass


def test_a_folder_that_stays_empty_is_removed(tmp_path, refused):
    refused("train", "--dataset", tmp_path / "none.npz", "--out", tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


# --- npz -----------------------------------------------------------------------------------------


def test_only_what_is_asked_for_is_read(tmp_path):
    """Another member may be a bomb, or no array at all."""
    path = archive(tmp_path / "w.npz", [
        ("W1.npy", npy(WEIGHTS["W1"])), ("W2.npy", npy(WEIGHTS["W2"])),
        ("bomb.npy", bytes(10**8)), ("notes.txt", b"hello"),
    ])  # fmt: skip
    tracemalloc.start()
    found = load_weights(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert all(np.array_equal(found[name], WEIGHTS[name]) for name in WEIGHTS)
    assert peak < 10**7


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    head = declaring((1 << 15, 1 << 14), "<i2")
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        with target.open("W1.npy", "w") as entry:
            entry.write(head)
            for _ in range(1024):
                entry.write(bytes(1 << 20))
        target.writestr("W2.npy", npy(WEIGHTS["W2"]))
    assert path.stat().st_size < 2 << 20
    tracemalloc.start()
    with pytest.raises(FileError, match=r"would unpack to 1,073,.* bytes; allowed: 536,870,912"):
        load_weights(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10**7


def test_what_is_written_can_be_read(tmp_path, monkeypatch):
    """Also where it shrinks to a thousandth: then it is not compressed."""
    arrays = {"x": np.zeros((300, 1000)), "y": np.arange(7)}
    small = write_npz(tmp_path / "small.npz", arrays).stat().st_size
    assert small < arrays["x"].nbytes / 64
    monkeypatch.setattr(files, "ALWAYS", 1 << 20)
    path = write_npz(tmp_path / "x.npz", arrays)
    assert path.stat().st_size > arrays["x"].nbytes
    found = read_npz(path, "file", {name: Member() for name in arrays})
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)
    with pytest.raises(FileError, match=r"would unpack to .*; save it uncompressed"):
        read_npz(tmp_path / "small.npz", "file", {name: Member() for name in arrays})


LIES = {
    "no array": ([("W1.npy", b"not an array")], "W1 is no array"),
    "empty": ([("W1.npy", b"")], "W1 is no array"),
    "declares more": ([("W1.npy", declaring((9, 9), "<i2"))], "W1 is cut off or too long"),
    "declares everything": ([("W1.npy", declaring((1 << 40, 1 << 20), "<i2"))], "W1 is cut off"),
    "declares less than nothing": ([("W1.npy", declaring((-1, 4), "<i2"))], "W1 has shape"),
    "says more": ([("W1.npy", npy(WEIGHTS["W1"]) + b"xx")], "W1 is cut off or too long"),
    "twice": ([("W1.npy", npy(WEIGHTS["W1"]))] * 2, "it holds W1 twice"),
    "floats": ([("W1.npy", npy(np.zeros((3, 4))))], "W1 is of type float64; allowed: even"),
    "flat": ([("W1.npy", npy(np.zeros(3, int)))], r"W1 has shape \(3,\)"),
    "objects": ([("W1.npy", npy(np.array([{}], object)))], "it holds pickled objects"),
    "records": ([("W1.npy", npy(np.zeros((3, 4), "i2,i2")))], "W1 is of type"),
    "long header": ([("W1.npy", declaring((1,) * 30, "<i2")[:60])], "w.npz is no weights file"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("lie", LIES)
def test_arrays_that_lie(lie, tmp_path):
    members, message = LIES[lie]
    path = archive(tmp_path / "w.npz", [*members, ("W2.npy", npy(WEIGHTS["W2"]))])
    with pytest.raises(FileError, match=message) as caught:
        load_weights(path)
    assert "\n" not in str(caught.value)


def test_other_files_are_no_npz(tmp_path):
    for content, message in [
        (npy(np.zeros(3)), "a single array, not an npz archive"),
        (b"\x80\x04N.", "it is no npz archive"),
        (b"", "it is no npz archive"),
        (b"PK\x03\x04" + bytes(99), "truncated or corrupted"),
    ]:
        (tmp_path / "x.npz").write_bytes(content)
        with pytest.raises(FileError, match=message):
            read_npz(tmp_path / "x.npz", "trace")


def test_ranges(tmp_path):
    path = write_npz(tmp_path / "x.npz", {"a": np.array([3, 7]), "empty": np.zeros((0, 2), int)})
    one = {"a": Member("i", 1, 3, 7), "empty": Member("i", 2, 0, 1)}
    assert read_npz(path, "x", one)["a"].tolist() == [3, 7]
    for low, high, message in [(4, 9, "a holds 3"), (0, 6, "a holds 7")]:
        with pytest.raises(FileError, match=message):
            read_npz(path, "x", {"a": Member("i", 1, low, high)})
    with pytest.raises(FileError, match="it lacks b; it has a, empty"):
        read_npz(path, "x", {"b": Member()})
    assert read_npz(path, "x", {"b": Member(needed=False)}) == {}


# --- JSON ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 65 + "1" + "]" * 65, "nested too deeply; allowed: 64"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"a": NaN}', "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ("\xff\xfe", "is no history"),
        ("[" + "1" * 10_000 + "]", "is no history"),
        ("", "is no history"),
    ],
)
def test_json(text, message, tmp_path):
    (tmp_path / "x").write_bytes(text.encode("latin-1"))
    with pytest.raises(FileError, match=message):
        read_json(tmp_path / "x", "history")


def test_json_of_64_levels_is_read(tmp_path):
    text = "[" * 64 + "1" + "]" * 64
    (tmp_path / "x").write_text(text)
    assert json.dumps(read_json(tmp_path / "x", "history")) == text


def test_json_without_an_end_is_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LARGEST_JSON", 1000)
    (tmp_path / "x").write_text("[" + "1," * 600 + "1]")
    with pytest.raises(FileError, match="larger than 1,000 bytes"):
        read_json(tmp_path / "x", "history")
    with pytest.raises(FileError, match="larger than 1,000 bytes"):
        read_json("/dev/zero", "history")


def test_a_pipe_is_written_as_it_is(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE)
    write_atomic(pipe, lambda stream: stream.write(b"through"))
    assert reader.communicate()[0] == b"through"
