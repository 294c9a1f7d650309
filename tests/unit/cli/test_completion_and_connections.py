"""What a shell completes, what that may import, and how kubeconfigs are read without the Kubernetes client."""

import base64
import os
import ssl
import subprocess
import sys

import pytest
import yaml
from click.testing import CliRunner

from modelramp.cli import kubeconfig
from modelramp.cli.cluster import Cluster, Ended
from modelramp.cli.main import VERBS, main
from tests.unit.cli.test_readers_in_a_cluster import IN_STEP, Reading
from tests.unit.cli.test_verbs_in_a_cluster import HEALTHY, STEPPING, Server
from tests.unit.small_server import small_server


class Names(Reading):
    """Lists several ModelDeployments; remembers what was asked."""

    def __init__(self):
        super().__init__(IN_STEP)
        self.paths = []

    def answer(self, method, path, query, body):
        self.paths.append((path, query))
        return 200, {"items": [{"metadata": {"name": name}} for name in ("digits", "discount", "fraud")]}


def completed(*words):
    output = CliRunner().invoke(main, ["completion", "answer", "--", *words]).output
    return [line.partition("\t")[0] for line in output.splitlines()]


def test_verbs_are_completed_without_importing_one():
    program = (
        "import sys; from click.testing import CliRunner; from modelramp.cli.main import main; "
        "print(CliRunner().invoke(main, ['completion', 'answer', '--', 're']).output); "
        "print(sorted(name for name in sys.modules if name.startswith('modelramp.cli.commands.')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert [line.partition("\t")[0] for line in done.stdout.splitlines()[:3]] == ["release", "resume", "retry"]
    assert done.stdout.splitlines()[-1] == "['modelramp.cli.commands.completion']"


@pytest.mark.parametrize("verb", ["--help", "status", "get", "why", "abort"])
def test_neither_help_nor_completion_nor_a_usual_call_imports_what_is_slow(verb, tmp_path):
    (tmp_path / "config").write_text(yaml.safe_dump(config("http://127.0.0.1:9", {"token": "t"})))
    program = (
        "import sys; from click.testing import CliRunner; from modelramp.cli.main import main; "
        f"result = CliRunner().invoke(main, [{verb!r}, 'digits'][: 1 if {verb!r} == '--help' else 2]); "
        "print(result.exit_code, sorted({'kubernetes', 'pydantic', 'scipy', 'rich', 'kopf'} & set(sys.modules)))"
    )
    environment = {**os.environ, "KUBECONFIG": str(tmp_path / "config")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    # before the first answer: what an object then needs is its own
    imported = {"why": "['pydantic']"}.get(verb, "[]")
    assert done.stdout.split(" ", 1) == ["0" if verb == "--help" else "5", f"{imported}\n"]


def test_names_are_completed_where_the_line_says(run):
    server = Names()
    code, text = run(server, "completion", "answer", "--", "abort", "-n", "prod", "di")

    assert (code, text.splitlines()) == (0, ["digits", "discount", ":4"])
    assert server.paths == [("/apis/modelramp.io/v1alpha1/namespaces/prod/modeldeployments", "limit=500")]


def test_where_there_is_nothing_nothing_is_completed(run):
    class Empty(Names):
        def answer(self, method, path, query, body):
            return 200, {"items": None}  # as the API server writes an empty list of metadata

    assert run(Empty(), "completion", "answer", "--", "get", "d") == (0, ":4\n")


def test_without_a_cluster_nothing_is_completed_and_nothing_said(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert completed("abort", "d") == [":4"]


def test_options_and_their_values_are_completed():
    assert "--timeout" in completed("status", "digits", "--")
    assert completed("get", "digits", "-o", "y") == ["yaml", ":4"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "kubectl"])
def test_every_shell_has_a_script(shell):
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert "modelramp" in result.output


def test_bash_completes_a_verb_and_a_name_with_the_script(run, tmp_path, monkeypatch):
    run(Names(), "completion", "answer")  # leaves a server that answers, and KUBECONFIG
    program = tmp_path / "modelramp"
    script = "import sys; from modelramp.cli.main import main; sys.argv[0] = 'modelramp'; main()"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{script}" "$@"\n')
    program.chmod(0o755)
    script = """
        source <(modelramp completion bash)
        COMP_WORDS=(modelramp abo); COMP_CWORD=1; _modelramp_completion modelramp; echo "${COMPREPLY[@]}"
        COMPREPLY=(); COMP_WORDS=(modelramp abort f); COMP_CWORD=2; _modelramp_completion modelramp
        echo "${COMPREPLY[@]}"
    """
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines() == ["abort", "fraud"], done.stderr


def test_every_verb_has_a_line_of_help():
    assert completed("")[:-1] == list(VERBS)


def config(server, user, *, cluster=None, namespace="ml"):
    context = {"cluster": "c", "user": "u", **({"namespace": namespace} if namespace else {})}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "here", "context": context}],
        "current-context": "here",
    }


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder with a CA, and certificates of a server on loopback and of a person."""
    folder = tmp_path_factory.mktemp("certificates")
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl(folder, "req", "-x509", *new, "-days", "2", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.crt")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    for name in ("server", "person"):
        openssl(folder, "req", *new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        issued = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", *issued, "-out", f"{name}.crt")
    return folder


@pytest.fixture
def api(certificates):
    """An API server with TLS that answers only to people with a certificate of its CA."""

    def answer(request, _):
        subject = dict(pair for (pair,) in request.connection.getpeercert()["subject"])
        return 200, {"metadata": {"name": subject["commonName"], "namespace": "ml"}}

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    context.load_verify_locations(certificates / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    with small_server(answer, tls=context) as address:
        yield f"https://{address}"


def written(tmp_path, monkeypatch, content):
    (tmp_path / "config").write_text(yaml.safe_dump(content))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))


def data(file):
    return base64.b64encode(file.read_bytes()).decode()


@pytest.mark.parametrize("embedded", [True, False])
def test_a_client_certificate_is_shown_and_the_server_is_verified(api, certificates, tmp_path, monkeypatch, embedded):
    names = {"certificate-authority": "ca.crt", "client-certificate": "person.crt", "client-key": "person.key"}
    parts = {
        (f"{key}-data" if embedded else key): data(certificates / file) if embedded else str(certificates / file)
        for key, file in names.items()
    }
    authority = {key: parts.pop(key) for key in list(parts) if key.startswith("certificate-authority")}
    content = config(api, parts, cluster=authority)
    written(tmp_path, monkeypatch, content)

    assert kubeconfig.direct(str(tmp_path / "config"), None) is not None
    assert Cluster.connect().get("any")["metadata"]["name"] == "person"

    written(tmp_path, monkeypatch, config(api, parts))  # the CA of the server is not known
    with pytest.raises(Ended, match="CERTIFICATE_VERIFY_FAILED"):
        Cluster.connect().get("any")


@pytest.mark.parametrize(
    ("user", "cluster"),
    [
        ({"exec": {"command": "aws"}}, {}),
        ({"auth-provider": {"name": "oidc"}}, {}),
        ({"tokenFile": "/nowhere", "token": "t"}, {}),
        ({"username": "u", "password": "p"}, {}),
        ({}, {}),
        ({"token": "t"}, {"proxy-url": "http://proxy:3128"}),
        ({"token": "t"}, {"insecure-skip-tls-verify": True}),
        ({"token": "t"}, {"tls-server-name": "kubernetes"}),
    ],
)
def test_what_is_not_usual_is_left_to_the_client(tmp_path, user, cluster):
    (tmp_path / "config").write_text(yaml.safe_dump(config("https://127.0.0.1:9", user, cluster=cluster)))
    assert kubeconfig.direct(str(tmp_path / "config"), None) is None


@pytest.mark.parametrize("text", ["", "[]", "a: [", "contexts: 1", "current-context: here", "\x00"])
def test_a_broken_kubeconfig_is_said_to_be_broken(tmp_path, monkeypatch, text):
    (tmp_path / "config").write_text(text)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    result = CliRunner().invoke(main, ["status", "digits"])

    assert (result.exit_code, "no cluster: " in result.output) == (5, True), result.output


def test_an_unknown_context_is_said_to_be_unknown(tmp_path, monkeypatch):
    written(tmp_path, monkeypatch, config("http://127.0.0.1:9", {"token": "t"}))
    result = CliRunner().invoke(main, ["status", "digits", "--context", "there"])

    assert result.exit_code == 5
    assert "there" in result.output


def test_the_client_does_the_same_for_several_files(run, monkeypatch, tmp_path):
    code, direct = run(Server([HEALTHY]), "status", "digits")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'config'}{os.pathsep}{tmp_path / 'none'}")
    result = CliRunner().invoke(main, ["status", "digits"])

    assert (result.exit_code, result.output) == (code, direct) == (0, direct)
    assert kubeconfig.direct(os.environ["KUBECONFIG"], None) is None


def test_the_client_writes_and_is_refused_alike(run, monkeypatch, tmp_path):
    server = Server([STEPPING, STEPPING, HEALTHY])
    run(server, "status", "digits")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'config'}{os.pathsep}{tmp_path / 'none'}")

    assert CliRunner().invoke(main, ["abort", "digits"]).exit_code == 0
    assert server.asked[0].startswith("abort/v2rev/")
    server.refuse = 403
    result = CliRunner().invoke(main, ["status", "digits"])
    assert (result.exit_code, "you have no right to do that" in result.output) == (5, True)
