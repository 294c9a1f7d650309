"""The plane's outer half: loopback ports, records, programs and refusals, without a plane."""

import asyncio
import contextlib
import os
import re
import socket
import stat
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from localplane import NamespaceForbiddenError, NotRunningError, Plane, binaries, configs, namespace, state, toolchain
from localplane.cli import main
from localplane.errors import BuildError
from localplane.forward import forward, listen_on_loopback
from localplane.node.agent import pod_addresses
from localplane.node.launch import resolve


def record(**changes):
    known = {"name": "p", "pid": os.getpid(), "born": state.birth(os.getpid()), "user_namespace": False}
    return state.State(**known, ports={"api": 1}, binaries="", scrape_interval=5.0, **changes)


async def test_bytes_cross_in_both_directions_and_the_end_of_one_is_passed_on():
    async def shout(reader, writer):
        writer.write((await reader.read()).upper())
        writer.close()

    inner = await asyncio.start_server(shout, "127.0.0.1", 0)
    outer = await forward(listen_on_loopback({"x": 0})["x"], inner.sockets[0].getsockname())
    async with inner, outer:
        reader, writer = await asyncio.open_connection(*outer.sockets[0].getsockname())
        writer.write(b"quiet")
        writer.write_eof()
        assert await reader.read() == b"QUIET"
        writer.close()


async def test_a_connection_to_a_component_that_is_down_is_closed_not_kept_waiting():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        outer = await forward(listen_on_loopback({"x": 0})["x"], nobody.getsockname())
        async with outer:
            reader, writer = await asyncio.open_connection(*outer.sockets[0].getsockname())
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()


def test_a_record_is_read_back_and_knows_its_own_process_from_a_later_one(tmp_path: Path):
    assert state.read(tmp_path) is None
    state.write(tmp_path, record())
    assert state.read(tmp_path) == record()
    assert record().alive()
    other = state.State(**{**{f: getattr(record(), f) for f in state.State.__slots__}, "born": 1})
    assert not other.alive()


def test_half_a_record_is_no_record(tmp_path: Path):
    (tmp_path / "state.json").write_text('{"name": "p", "pi')
    assert state.read(tmp_path) is None


def test_a_lock_lets_one_in_at_a_time_even_when_its_file_is_removed(tmp_path: Path):
    lock, order = tmp_path / "lock", []
    inside = threading.Event()

    def second():
        inside.wait(5)
        with state.locked(lock):
            order.append("second")

    waiting = threading.Thread(target=second)
    waiting.start()
    with state.locked(lock):
        inside.set()
        order.append("first")
        lock.unlink()
    waiting.join(5)
    assert order == ["first", "second"]


def test_a_machine_without_namespaces_is_told_what_to_do(tmp_path: Path, monkeypatch):
    refusing = tmp_path / "unshare"
    refusing.write_text("#!/bin/sh\necho 'unshare failed: Operation not permitted' >&2; exit 1\n")
    refusing.chmod(refusing.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(NamespaceForbiddenError, match="Operation not permitted") as refused:
        namespace.find_entry()
    assert "kernel.unprivileged_userns_clone" in str(refused.value)
    assert "make demo CONTEXT=" in str(refused.value)


def test_a_plane_that_is_not_up_is_named_with_the_command_that_starts_it(tmp_path: Path):
    with pytest.raises(NotRunningError, match="localplane --name trial up"):
        Plane.attach("trial", tmp_path)
    answer = CliRunner().invoke(main, ["--state", str(tmp_path), "status"])
    assert (answer.exit_code, "Traceback" in answer.output) == (1, False)


def test_down_removes_nothing_from_a_folder_in_which_no_plane_was(tmp_path: Path):
    (tmp_path / "precious").write_text("x")
    assert CliRunner().invoke(main, ["--state", str(tmp_path), "down"]).exit_code == 0
    assert (tmp_path / "precious").exists()


def test_the_cache_key_changes_with_each_source_and_version(tmp_path: Path):
    seen = set()
    for name, content in (("go.mod", "a"), ("go.sum", "b"), ("main.go", "c"), ("main.go", "d"), ("more.go", "")):
        (tmp_path / "go.mod").touch()
        (tmp_path / "go.sum").touch()
        (tmp_path / name).write_text(content)
        seen.add(binaries.key(tmp_path))
    assert len(seen) == 5


def test_binaries_count_only_when_their_build_was_finished(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "modelramp" / "localplane" / binaries.key(binaries.MODULE)
    folder.mkdir(parents=True)
    assert binaries.find() is None
    (folder / "complete").touch()
    assert binaries.find() == binaries.Binaries(folder)


def test_a_go_that_is_too_old_is_passed_over(tmp_path: Path, monkeypatch):
    old = tmp_path / "bin" / "go"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho go version go1.19 linux/amd64\n")
    old.chmod(0o755)
    new = tmp_path / "go-toolchain" / "bin" / "go"
    new.parent.mkdir(parents=True)
    new.write_text("#!/bin/sh\necho go version go1.99.1 linux/amd64\n")
    new.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}:/usr/bin:/bin")
    assert toolchain.find_go((1, 98, 0), tmp_path, lambda line: None) == new


def test_a_go_mod_without_a_version_is_refused():
    with pytest.raises(BuildError, match="no `go` line"):
        toolchain.required_version("module x\n")


def test_pod_addresses_leave_out_the_components_and_come_back_only_after_all_others():
    addresses = pod_addresses()
    first = next(addresses)
    rest = [next(addresses) for _ in range(255 * 256 - 3)]
    assert (first, rest[-1]) == ("10.244.1.1", "10.244.255.254")
    assert first not in rest
    assert next(addresses) == first


def test_only_annotated_pods_are_scraped_and_no_label_depends_on_a_port():
    rules = configs.pod_relabelling()
    assert rules[0]["action"] == "keep"
    labels = {rule["target_label"] for rule in rules if "target_label" in rule} - {"__address__", "__metrics_path__"}
    assert labels == {"namespace", "pod", "modeldeployment", "revision"}
    assert not any("port_number" in source for rule in rules for source in rule["source_labels"])


def test_the_token_file_puts_the_node_into_the_group_of_nodes():
    lines = configs.token_file(dict.fromkeys(configs.USERS, "t")).splitlines()
    assert 't,system:node:process-node,node,"system:nodes"' in lines
    assert "t,system:kube-scheduler,scheduler" in lines


def test_links_are_followed_as_they_are_inside_the_new_root(tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "run").symlink_to("/run")
    (tmp_path / "var" / "up").symlink_to("../run")
    assert resolve("/var/run/secrets", tmp_path) == tmp_path / "run" / "secrets"
    assert resolve("/var/up/x", tmp_path) == tmp_path / "run" / "x"
    assert resolve("/../../etc", tmp_path) == tmp_path / "etc"


def test_no_file_of_the_go_module_names_a_host_to_fetch_from():
    for path in (path for module in binaries.MODULE.parent.glob("go*") for path in module.rglob("*") if path.is_file()):
        assert not re.search(r"https?://", path.read_text()), path
