"""The plane's programs, built once from the pinned Go module and kept in the user's cache folder."""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from localplane import state
from localplane.errors import BuildError
from localplane.toolchain import Report, find_go, required_version

MODULE = Path(__file__).parent / "go"
HELM_MODULE = Path(__file__).parent / "go-helm"
VICTORIAMETRICS_MODULE = Path(__file__).parent / "go-victoriametrics"
PROMTOOL_MODULE = Path(__file__).parent / "go-promtool"
PROMETHEUS_OPERATOR_MODULE = Path(__file__).parent / "go-prometheus-operator"
GITOPS_MODULE = Path(__file__).parent / "go-gitops"
TOOLS_MODULE = Path(__file__).parent / "go-tools"
APISERVER_MODULES = Path(__file__).parent / "go-apiserver"
"""A folder for each minor version of Kubernetes whose API server can be built beside the plane's own."""
KUBERNETES_VERSION = "1.36.3"
PROMETHEUS_VERSION = "3.15.0"
PROGRESS_INTERVAL_S = 5.0
DOWNLOAD_TIMEOUT_S = 900
BUILD_TIMEOUT_S = 3600

TAGS = "remove_all_sd,enable_kubernetes_sd"
_VERSION = "k8s.io/component-base/version"
LINK_FLAGS = (
    # Without a version in the binary, /version is no semantic version and clients such as Helm stop.
    f"-s -w -X {_VERSION}.gitVersion=v{KUBERNETES_VERSION} -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=36 "
    f"-X {_VERSION}.gitTreeState=clean -X github.com/prometheus/common/version.Version={PROMETHEUS_VERSION}"
)

# Modules of which only files are used, each with the checksum that its zip must have (as in a go.sum line).
GATEWAY_API = ("sigs.k8s.io/gateway-api@v1.5.1", "h1:RqVRIlkhLhUO8wOHKTLnTJA6o/1un4po4/6M1nRzdd0=")
TRAEFIK_CRDS = ("github.com/traefik/traefik/v3@v3.7.13", "h1:T8wy9KuaFzCkmXCqAzDy7t73pBDR1DHrJe3pqXpNXTw=")
PROMETHEUS_OPERATOR = (
    "github.com/prometheus-operator/prometheus-operator@v0.85.0",
    "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
)
_TRAEFIK_CRD_FILE = "docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml"


# Servers of the Prometheus API that are tested at night: module, checksum, package, and the tags that it needs.
BACK_ENDS = {
    "prometheus-2.53": (
        "github.com/prometheus/prometheus@v0.53.3",
        "h1:psmE5n7QoBSMt1wSZ5IL7jyTkanb/N29Twoxmhzuxqc=",
        "./cmd/prometheus",
        "remove_all_sd,enable_kubernetes_sd,netgo",
    ),
    "thanos": (
        "github.com/thanos-io/thanos@v0.42.0",
        "h1:9d+cAEq/lCuhQY6VK3FzxFmXhE/1Qy0Gv45xSYn1EAM=",
        "./cmd/thanos",
        "slicelabels",
    ),
    "mimir": (
        "github.com/grafana/mimir@v1.3.1-0.20260423142704-aced80d74930",
        "h1:uegeb+I1faUHNHi8rBl+hJpdaYB2DGlZdZsu1gV7lk0=",
        "./cmd/mimir",
        "netgo,stringlabels",
    ),
}

# Commands that check or generate files of this repository; no part of a plane.
TOOLS = {
    "actionlint": "github.com/rhysd/actionlint/cmd/actionlint",
    "helm-docs": "github.com/norwoodj/helm-docs/cmd/helm-docs",
}


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where the programs and the CRDs of the gateway are."""

    folder: Path

    @property
    def controlplane(self) -> Path:
        """One program that is etcd, apiserver, controller-manager, scheduler or kubectl by its first argument."""
        return self.folder / "controlplane"

    @property
    def prometheus(self) -> Path:
        """Prometheus with the Kubernetes service discovery only."""
        return self.folder / "prometheus"

    @property
    def crds(self) -> Path:
        """Folder of YAML files: Gateway API's standard channel, and Traefik's own."""
        return self.folder / "crds"

    def complete(self) -> bool:
        """Whether a build has been finished here."""
        return (self.folder / "complete").exists()


def cache_folder() -> Path:
    """The folder for everything that can be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "modelramp"


def key(module: Path) -> str:
    """Return a name for what a module builds: it changes when a source, a pinned version or the machine type does."""
    digest = hashlib.sha256()
    for path in sorted([*module.glob("*.go"), module / "go.mod", module / "go.sum"]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(f"{platform.machine()}|{TAGS}|{LINK_FLAGS}|{GATEWAY_API}|{TRAEFIK_CRDS}".encode())
    return digest.hexdigest()[:16]


def find() -> Binaries | None:
    """Return the binaries if they have been built before."""
    found = Binaries(cache_folder() / "localplane" / key(MODULE))
    return found if found.complete() else None


def find_or_build(report: Report) -> Binaries:
    """Return the binaries, building them first if need be; a second builder waits for the first.

    report: called with a line for people at each step, and every few seconds while compiling.
    Raises BuildError with the last lines of the compiler.
    """
    wanted = Binaries(cache_folder() / "localplane" / key(MODULE))
    if wanted.complete():
        return wanted
    with state.locked(wanted.folder.with_suffix(".lock")):
        if not wanted.complete():
            _build(wanted, report)
    return wanted


def helm(report: Report) -> Path:
    """Return the Helm command, building it on first use (about two minutes)."""
    return _one_program("helm", "helm.sh/helm/v3/cmd/helm", HELM_MODULE, report)


def tool(name: str, report: Report) -> Path:
    """Return one of TOOLS, building it on first use (about half a minute)."""
    return _one_program(name, TOOLS[name], TOOLS_MODULE, report)


def gitops(report: Report) -> Path:
    """Return the command that says what Argo CD's Lua and kstatus make of objects, building it on first use."""
    return _one_program("gitops", ".", GITOPS_MODULE, report)


def apiservers() -> tuple[str, ...]:
    """The minor versions of Kubernetes whose API server `apiserver` builds, such as 1.30, oldest first."""
    found = (path.name for path in APISERVER_MODULES.iterdir() if (path / "go.mod").exists())
    return tuple(sorted(found, key=lambda minor: [int(part) for part in minor.split(".")]))


def apiserver(minor: str, report: Report) -> Path:
    """Return kube-apiserver of an older minor version, building it on first use (about four minutes).

    Raises BuildError when there is no module for this version.
    """
    if minor not in apiservers():
        raise BuildError(f"no module for Kubernetes {minor} in {APISERVER_MODULES.name}/; there are {apiservers()}")
    module = APISERVER_MODULES / minor
    pinned = re.search(r"^require k8s\.io/kubernetes (v\S+)$", (module / "go.mod").read_text(), re.MULTILINE)
    if pinned is None:
        raise BuildError(f"{APISERVER_MODULES.name}/{minor}/go.mod requires no k8s.io/kubernetes")
    major, number = minor.split(".")
    flags = f"-s -w -X {_VERSION}.gitVersion={pinned[1]} -X {_VERSION}.gitMajor={major} -X {_VERSION}.gitMinor={number}"
    package = "k8s.io/kubernetes/cmd/kube-apiserver"
    # The clouds that were once built in are not needed, and a module of theirs is not to be had.
    built = (f"-ldflags={flags}", "-tags", "providerless")
    return _one_program(f"kube-apiserver-{minor}", package, module, report, *built)


def victoriametrics(report: Report) -> Path:
    """Return the single-node server of VictoriaMetrics, building it on first use (about a minute)."""
    package = "github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics"
    return _one_program("victoria-metrics", package, VICTORIAMETRICS_MODULE, report)


def back_end(name: str, report: Report) -> Path:
    """Return one of BACK_ENDS, building it on first use (5 to 20 minutes)."""
    module, checksum, package, tags = BACK_ENDS[name]
    place = cache_folder() / "localplane" / f"{name}-{hashlib.sha256(repr(BACK_ENDS[name]).encode()).hexdigest()[:16]}"
    wanted = place / name
    with state.locked(place.with_name(place.name + ".lock")):
        if not wanted.exists():
            go = find_go(required_version((MODULE / "go.mod").read_text()), cache_folder(), report)
            place.mkdir(parents=True, exist_ok=True)
            # In a copy: only there do the module's own replacements of other modules count.
            copy = Path(tempfile.mkdtemp(prefix=".new-", dir=place))
            try:
                source = copy / "source"
                shutil.copytree(_module_folder(str(go), module, checksum), source, copy_function=shutil.copyfile)
                command = [str(go), "build", "-v", "-mod=mod", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"]
                command += ["-tags", tags, "-o", str(copy / name), package]
                _compile(command, source, f"building {name} (once, 5 to 20 minutes)", report)
                (copy / name).replace(wanted)
            finally:
                shutil.rmtree(copy, ignore_errors=True)
    return wanted


def promtool(report: Report) -> Path:
    """Return the command that checks and tests rules, of the plane's Prometheus, building it on first use."""
    # The tags of the plane's Prometheus: what both are made of is compiled once.
    package = "github.com/prometheus/prometheus/cmd/promtool"
    return _one_program("promtool", package, PROMTOOL_MODULE, report, "-tags", TAGS)


def prometheus_operator(report: Report) -> Path:
    """Return the Prometheus Operator, building it on first use (about two minutes)."""
    package = "github.com/prometheus-operator/prometheus-operator/cmd/operator"
    return _one_program("prometheus-operator", package, PROMETHEUS_OPERATOR_MODULE, report)


def prometheus_operator_crds(report: Report) -> Path:
    """Return the folder with the CRDs of the Prometheus Operator."""
    required = required_version((PROMETHEUS_OPERATOR_MODULE / "go.mod").read_text())
    go = find_go(required, cache_folder(), report)
    return _module_folder(str(go), *PROMETHEUS_OPERATOR) / "example/prometheus-operator-crd"


def _one_program(name: str, package: str, module: Path, report: Report, *flags: str) -> Path:
    wanted = cache_folder() / "localplane" / f"{name}-{key(module)}" / name
    with state.locked(wanted.parent.with_name(wanted.parent.name + ".lock")):
        if not wanted.exists():
            go = find_go(required_version((module / "go.mod").read_text()), cache_folder(), report)
            draft = wanted.with_suffix(".new")
            compile_command = [str(go), "build", "-v", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"]
            compile_command += [*flags, "-o", str(draft), package]
            _compile(compile_command, module, f"building {name} (once, a few minutes)", report)
            draft.replace(wanted)
    return wanted


def _build(wanted: Binaries, report: Report) -> None:
    go = find_go(required_version((MODULE / "go.mod").read_text()), cache_folder(), report)
    report(f"building Kubernetes {KUBERNETES_VERSION} and Prometheus {PROMETHEUS_VERSION} with {go} (once)")
    wanted.folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".new-", dir=wanted.folder.parent))
    try:
        _collect_crds(str(go), draft / "crds")
        command = [str(go), "build", "-v", "-trimpath", "-buildvcs=false", "-tags", TAGS, "-ldflags", LINK_FLAGS]
        command += ["-o", f"{draft}/", ".", "github.com/prometheus/prometheus/cmd/prometheus"]
        _compile(command, MODULE, "building (once, 5 to 15 minutes on 2 cores)", report)
        (draft / "localplane").rename(draft / "controlplane")
        (draft / "complete").touch()
        shutil.rmtree(wanted.folder, ignore_errors=True)
        draft.rename(wanted.folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _collect_crds(go: str, folder: Path) -> None:
    folder.mkdir()
    for path in sorted((_module_folder(go, *GATEWAY_API) / "config/crd/standard").glob("*.yaml")):
        shutil.copyfile(path, folder / path.name)
    shutil.copyfile(_module_folder(go, *TRAEFIK_CRDS) / _TRAEFIK_CRD_FILE, folder / "traefik.yaml")


def _module_folder(go: str, module: str, checksum: str) -> Path:
    done = subprocess.run(
        [go, "mod", "download", "-json", module],
        # Outside any module: this one is wanted for its files and must not join the build.
        cwd="/",
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=DOWNLOAD_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise BuildError(f"the Go module {module} cannot be fetched: {(done.stderr + done.stdout).strip()[-500:]}")
    answer = json.loads(done.stdout)
    if answer["Sum"] != checksum:
        raise BuildError(f"the Go module {module} has checksum {answer['Sum']}, wished: {checksum}; do not use it")
    return Path(answer["Dir"])


def _environment() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}


def _compile(command: list[str], folder: Path, title: str, report: Report) -> None:
    """Run the Go compiler; `-v` makes it name each package that it compiles, which is our progress."""
    started = time.monotonic()
    lines: list[str] = []
    with subprocess.Popen(
        command, cwd=folder, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        reader = threading.Thread(target=lambda: lines.extend(process.stderr or ()), daemon=True)
        reader.start()
        while _still_running(process):
            spent = time.monotonic() - started
            report(f"{title}: {spent // 60:.0f} min {spent % 60:02.0f} s, {len(lines)} packages compiled")
            if spent > BUILD_TIMEOUT_S:
                process.kill()
        reader.join(timeout=10)
    if process.returncode != 0:
        tail = "".join(lines[-15:]).strip()
        raise BuildError(f"`{' '.join(command[:2])}` in {folder.name}/ ended with {process.returncode}:\n{tail}")
    report(f"{title}: done in {time.monotonic() - started:.0f} s")


def _still_running(process: subprocess.Popen[str]) -> bool:
    try:
        process.wait(timeout=PROGRESS_INTERVAL_S)
    except subprocess.TimeoutExpired:
        return True
    return False
