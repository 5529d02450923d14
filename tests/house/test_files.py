"""A file is either the old one or the whole new one, whatever happens in between."""

import os
import signal
import stat
import subprocess
import sys
import textwrap

import pytest

from promptseg.errors import OutputError, PromptError
from promptseg.files import atomic_write, claim, write_bytes


def test_writes_and_makes_folders(tmp_path):
    path = tmp_path / "a" / "b" / "c.txt"
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    write_bytes(str(path), b"newer")
    assert path.read_bytes() == b"newer"
    assert os.listdir(path.parent) == ["c.txt"]


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_longest_names_can_be_written(tmp_path):
    for name in ("x" * 255, "ä" * 127, "a" * 250 + ".png"):
        write_bytes(tmp_path / name, b"1")
        assert (tmp_path / name).read_bytes() == b"1"


@pytest.mark.parametrize("problem", [KeyboardInterrupt, PromptError, ZeroDivisionError, OSError])
@pytest.mark.parametrize("there", [True, False])
def test_an_error_inside_leaves_everything_as_it_was(tmp_path, problem, there):
    path = tmp_path / "a"
    if there:
        path.write_bytes(b"old")
    expected = OutputError if problem is OSError else problem
    with pytest.raises(expected), atomic_write(path) as file:  # noqa: PT012
        file.write(b"half")
        file.flush()
        raise problem("no")
    assert os.listdir(tmp_path) == (["a"] if there else [])
    assert not there or path.read_bytes() == b"old"


def test_nobody_sees_it_before_it_is_whole(tmp_path):
    path = tmp_path / "a"
    with atomic_write(path) as file:
        file.write(b"half")
        file.flush()
        assert not path.exists()
    assert path.exists()


@pytest.mark.parametrize("name", ["folder", "file/inside", "x" * 256, "a\0b"])
def test_impossible_places(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="Cannot write"):
        write_bytes(tmp_path / name, b"new")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    assert os.listdir(tmp_path / "folder") == []


PROGRAM = """
    import os, resource, signal, sys
    from promptseg.errors import OutputError
    from promptseg.files import atomic_write, write_bytes
    path = sys.argv[1]
    {body}
"""


def run(body, path):
    program = textwrap.dedent(PROGRAM).format(body=body)
    command = [sys.executable, "-c", program, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_full_disk(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    body = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_bytes(path, bytes(1_000_000))
except OutputError as error:
    print(error)
"""
    done = run(body, path)
    assert "Cannot write" in done.stdout, done.stderr
    assert "File too large" in done.stdout
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_killed_in_the_middle(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    body = """
with atomic_write(path) as file:
    file.write(bytes(1_000_000))
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run(body, path).returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"


def test_no_permission(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):  # root: let another user try
        tmp_path.chmod(0o755)
        body = """
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    write_bytes(path, b"new")
except OutputError as error:
    print(error)
"""
        done = run(body, "/etc/promptseg-test")
        assert "Permission denied" in done.stdout, done.stderr
        return
    with pytest.raises(OutputError, match="Permission denied"):
        write_bytes(folder / "a", b"new")


def test_a_lock_is_held_by_one(tmp_path):
    pytest.importorskip("fcntl")
    with claim(tmp_path / "lock", "used"), pytest.raises(OutputError, match="used"):
        claim(tmp_path / "lock", "used")
    claim(tmp_path / "lock", "used").close()
    with pytest.raises(OutputError, match="No such file or directory"):
        claim(tmp_path / "nowhere" / "lock", "used")
