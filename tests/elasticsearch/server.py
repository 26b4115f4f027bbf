"""A real Elasticsearch for the tests, put together from Maven Central and thrown away after use.

    python tests/elasticsearch/server.py assemble                    lay it out under target/ (120 MB, once)
    python tests/elasticsearch/server.py run --port 9200 [--secure]  run it until Ctrl-C

    with Server(secure=True) as server:                              the same from Python
        server.url, server.username, server.password, server.ca

It is Elastic's own distribution for integration tests plus ES|QL, KQL and a small plugin with what that
distribution leaves out (plugin/). What it lacks: the types constant_keyword, match_only_text and wildcard;
painless, ILM, ingest processors, /_data_stream, and Elastic's own templates. It needs a JDK (17) and Maven.

Assembling is idempotent, safe when several processes do it at once, and done again when the pom or the plugin
change. A server lives in a temporary folder of its own, so any number of them run side by side.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE / "target"
POM = HERE / "pom.xml"
PLUGIN = HERE / "plugin"

#: Modules that the distribution lacks: what each builds on, then its jars, the one with the descriptor first.
MODULES = {
    "mapper-version": ("x-pack-core", "x-pack-mapper-version"),
    "x-pack-kql": ("x-pack-core", "x-pack-kql antlr4-runtime"),
    "x-pack-esql-core": ("x-pack-core", "x-pack-esql-core antlr4-runtime x-pack-mapper-version"),
    "x-pack-esql": (
        "x-pack-esql-core",
        "x-pack-esql x-pack-esql-compute x-pack-esql-compute-ann x-pack-kql arrow arrow-format"
        " arrow-memory-core arrow-vector flatbuffers-java checker-qual elasticsearch-dissect"
        " elasticsearch-h3 lucene-spatial3d",
    ),
}

#: Elasticsearch refuses to run as root; this uid (nobody) exists wherever Linux does.
NOBODY = 65534

#: For a short life on few cores: the first compiler tier and the serial collector boot in half the time.
FAST_START = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData"
JAVA_OPTIONS = f"-Xms256m -Xmx1g -XX:-AlwaysPreTouch -XX:-UseG1GC {FAST_START}"

BOOT_SECONDS = 110


class ServerError(RuntimeError):
    """The server can't be assembled or doesn't come up; the message holds the end of the log."""


def java_home() -> Path | None:
    """Where the JDK is: JAVA_HOME, else the one whose `java` is on the path."""
    if os.environ.get("JAVA_HOME"):
        return Path(os.environ["JAVA_HOME"])
    java = shutil.which("java")
    return Path(java).resolve().parent.parent if java else None


def missing() -> list[str]:
    """What this machine lacks for the server, in words; empty when nothing is."""
    lacks = []
    home = java_home()
    if home is None or not (home / "bin" / "javac").exists():
        lacks.append("a Java 17 JDK (Debian: openjdk-17-jdk-headless)")
    elif (version := _java_version(home)) < 17:
        lacks.append(f"Java 17 or later ({home} is Java {version})")
    if shutil.which("mvn") is None:
        lacks.append("Maven (Debian: maven)")
    return lacks


def _java_version(home: Path) -> int:
    with contextlib.suppress(OSError):
        found = re.search(r'JAVA_VERSION="(\d+)', (home / "release").read_text())
        if found:
            return int(found[1])
    return 17  # an unusual layout: let javac have the last word


def assemble() -> Path:
    """Lays out the server under target/ unless that was done already, and returns its folder."""
    key = hashlib.sha256(repr(MODULES).encode())
    for part in (POM, *sorted(PLUGIN.rglob("*.java"))):
        key.update(part.read_bytes())
    home = TARGET / f"elasticsearch-{key.hexdigest()[:12]}"
    TARGET.mkdir(exist_ok=True)
    with (TARGET / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if home.exists():
            return home
        if lacks := missing():
            raise ServerError(f"the test server needs {' and '.join(lacks)}")
        for old in TARGET.glob("elasticsearch-*"):
            shutil.rmtree(old)
        staging = TARGET / "staging"
        shutil.rmtree(staging, ignore_errors=True)
        _command("mvn", "-B", "-q", "-f", str(POM), f"-Dassembly={staging}", "package")
        (fresh,) = staging.glob("elasticsearch-*")
        version = fresh.name.removeprefix("elasticsearch-")
        for name, (base, jars) in MODULES.items():
            _add_module(fresh, staging / "jars", name, base, jars.split())
        _add_plugin(fresh, version)
        _command("chmod", "-R", "a+rX", str(fresh))  # the server may run as another user
        fresh.rename(home)
        shutil.rmtree(staging)
    return home


def _add_module(home: Path, jars: Path, name: str, base: str, wanted: list[str]) -> None:
    """A module is a folder with its jars and the descriptor that the first of them carries."""
    module = home / "modules" / name
    module.mkdir()
    for jar in wanted:
        (found,) = jars.glob(f"{jar}-[0-9]*.jar")
        shutil.copy(found, module)
        if jar == wanted[0]:
            with zipfile.ZipFile(found) as archive:
                for entry in archive.namelist():
                    if entry.startswith("META-INF/es-plugins/") and not entry.endswith("/"):
                        (module / Path(entry).name).write_bytes(archive.read(entry))
    descriptor = module / "plugin-descriptor.properties"
    # The descriptor names modules that aren't here (painless, machine learning): keep the one that is.
    text = re.sub(r"(?m)^extended\.plugins=.*$", f"extended.plugins={base}", descriptor.read_text())
    descriptor.write_text(text)


def _add_plugin(home: Path, version: str) -> None:
    """Compiles the plugin against the server's own jars and installs it as a module."""
    jdk = java_home()
    assert jdk is not None
    module = home / "modules" / "vpcflow-missing-parts"
    module.mkdir()
    with tempfile.TemporaryDirectory() as classes:
        sources = [str(path) for path in PLUGIN.rglob("*.java")]
        javac = [str(jdk / "bin" / "javac"), "--release", "17", "-nowarn"]
        _command(*javac, "-cp", f"{home}/lib/*", "-d", classes, *sources)
        with zipfile.ZipFile(module / "missing-parts.jar", "w") as jar:
            for path in sorted(Path(classes).rglob("*.class")):
                jar.write(path, path.relative_to(classes))
    (module / "plugin-descriptor.properties").write_text(
        "name=vpcflow-missing-parts\n"
        "description=GET / and the analysis of the security index\n"
        "classname=vpcflow.testserver.MissingParts\n"
        f"version={version}\nelasticsearch.version={version}\njava.version=17\n"
    )


def _command(*args: str, env: dict[str, str] | None = None, stdin: str | None = None) -> None:
    run = subprocess.run(args, env=env, input=stdin, text=True, capture_output=True, check=False)
    if run.returncode != 0:
        said = "\n".join((run.stdout + run.stderr).strip().splitlines()[-30:])
        raise ServerError(f"{Path(args[0]).name} failed ({run.returncode}):\n{said}")


def _searchable(folder: Path) -> bool:
    """Whether the server's user can get to a folder. Only root has to care: it starts it as another user."""
    return os.getuid() != 0 or all(path.stat().st_mode & 0o001 for path in (folder, *folder.parents))


class Server:
    """One server with one node, from `with` to the end of the block.

    Args:
        port: HTTP port on 127.0.0.1; 0 takes a free one.
        secure: TLS with a certificate of its own, users and API keys.
        settings: more lines for elasticsearch.yml.

    Attributes:
        url: base URL without credentials.
        username, password, ca: of a superuser, and the certificate to trust; None on a plain server.
    """

    def __init__(
        self, port: int = 0, *, secure: bool = False, settings: Mapping[str, object] | None = None
    ) -> None:
        self.port = port
        self.secure = secure
        self._settings: dict[str, object] = dict(settings or {})
        self._command: list[str] = []
        self._env: dict[str, str] = {}
        self.url = ""
        self.username = "elastic" if secure else None
        self.password = secrets.token_urlsafe(16) if secure else None
        self.ca: Path | None = None
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stops the server and removes its folder. May be called twice."""
        self.pause()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def pause(self, *, kill: bool = False) -> None:
        """Ends the process, in good order or not, and keeps its data: `resume` goes on with them."""
        if self._process is None:
            return
        if not kill:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
        # The launcher has a child, the server; as a rule both are gone by now.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def resume(self) -> None:
        """Boots again on the same port with the same data."""
        assert self._folder is not None
        (self._folder / "logs" / "http.ports").unlink(missing_ok=True)
        self._configure()
        self._launch()
        self._wait()

    def log(self, lines: int = 40) -> str:
        """The end of what the server printed."""
        console = self._folder / "console.log" if self._folder else None
        if console is None or not console.exists():
            return ""
        return "\n".join(console.read_text(errors="replace").splitlines()[-lines:])

    def _start(self) -> None:
        home = assemble()
        bases = [Path(tempfile.gettempdir()), Path("/var/tmp"), Path("/tmp")]
        base = next((base for base in bases if _searchable(base.resolve())), bases[0])
        folder = self._folder = Path(tempfile.mkdtemp(prefix="vpcflow-elasticsearch-", dir=base)).resolve()
        if not _searchable(home):
            home = shutil.copytree(home, folder / "home")
        for name in ("data", "logs", "tmp"):
            (folder / name).mkdir()
        shutil.copytree(home / "config", folder / "config")
        self._command = [str(home / "bin" / "elasticsearch")]
        self._env = {
            "PATH": os.environ["PATH"],
            "ES_JAVA_HOME": str(java_home()),
            "ES_JAVA_OPTS": JAVA_OPTIONS,
            "CLI_JAVA_OPTS": f"{FAST_START} -Djava.io.tmpdir={folder / 'tmp'}",
            "ES_PATH_CONF": str(folder / "config"),
            "ES_TMPDIR": str(folder / "tmp"),
        }
        if self.secure:
            self._settings = self._secrets(home, folder / "config") | self._settings
        self._configure()
        self._launch()
        self._wait()

    def _configure(self) -> None:
        assert self._folder is not None
        settings = {
            "cluster.name": "vpcflow-tests",
            "discovery.type": "single-node",
            "path.data": self._folder / "data",
            "path.logs": self._folder / "logs",
            "http.host": "127.0.0.1",
            "http.port": self.port,
            "transport.host": "127.0.0.1",
            "transport.port": 0,
            "node.portsfile": "true",  # the server says which ports it took
            # A test must not fail because the developer's disk is nearly full.
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            "xpack.security.enabled": str(self.secure).lower(),
        } | self._settings
        config = self._folder / "config" / "elasticsearch.yml"
        config.write_text("".join(f"{name}: {value}\n" for name, value in settings.items()))

    def _secrets(self, home: Path, config: Path) -> dict[str, object]:
        """Makes the certificate and the password; returns the settings that go with them."""
        secret = secrets.token_hex(16)
        keytool = str(Path(self._env["ES_JAVA_HOME"]) / "bin" / "keytool")
        keytool_env = self._env | {"STOREPASS": secret}
        store = ("-keystore", str(config / "node.p12"), "-storepass:env", "STOREPASS", "-alias", "node")
        names = ("-dname", "CN=vpcflow test server", "-ext", "SAN=ip:127.0.0.1,dns:localhost")
        key = ("-keyalg", "EC", "-groupname", "secp256r1", "-validity", "2", "-ext", "bc:c=ca:true")
        self.ca = config / "node.crt"
        _command(keytool, "-genkeypair", "-storetype", "PKCS12", *store, *names, *key, env=keytool_env)
        _command(keytool, "-exportcert", "-rfc", *store, "-file", str(self.ca), env=keytool_env)
        values = {
            "bootstrap.password": self.password,
            "xpack.security.http.ssl.keystore.secure_password": secret,
        }
        tool = str(home / "bin" / "elasticsearch-keystore")
        lines = "".join(f"{value}\n" for value in values.values())
        _command(tool, "create", env=self._env)
        _command(tool, "add", "--stdin", *values, env=self._env, stdin=lines)
        return {
            "xpack.security.autoconfiguration.enabled": "false",
            "xpack.security.authc.api_key.enabled": "true",
            "xpack.security.http.ssl.enabled": "true",
            "xpack.security.http.ssl.keystore.path": "node.p12",
        }

    def _launch(self) -> None:
        assert self._folder is not None
        command = self._command
        drop: dict[str, object] = {}
        if os.getuid() == 0:
            _command("chown", "-R", f"{NOBODY}:{NOBODY}", str(self._folder))
            drop = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        if shutil.which("setpriv"):  # Linux: the server ends with us even when we are killed
            command = ["setpriv", "--pdeathsig", "TERM", *command]
        with (self._folder / "console.log").open("wb") as console:
            self._process = subprocess.Popen(
                command,
                env=self._env,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the tests; they stop the server afterwards
                **drop,  # type: ignore[arg-type]
            )

    def _wait(self) -> None:
        """Returns once the server answers; fails with its log when it ended or takes too long."""
        assert self._folder is not None
        assert self._process is not None
        ports = self._folder / "logs" / "http.ports"
        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServerError(f"the test server ended with {self._process.returncode}:\n{self.log()}")
            if ports.exists():
                self.port = int(ports.read_text().split()[0].rsplit(":", 1)[1])
                self.url = f"{'https' if self.secure else 'http'}://127.0.0.1:{self.port}"
                if self._ready():
                    return
            time.sleep(0.1)
        raise ServerError(f"the test server is not up after {BOOT_SECONDS} s:\n{self.log()}")

    def _ready(self) -> bool:
        if not self._ask("GET", "/_cluster/health?wait_for_status=yellow&timeout=5s"):
            return False
        # The server makes its security index soon after it is up, and turns good passwords down meanwhile.
        # Storing one (the same) is done only when that index is there.
        return not self.secure or self._ask("PUT", "/_security/user/_password", {"password": self.password})

    def _ask(self, method: str, path: str, body: object = None) -> bool:
        """Whether the server answers a request with 200."""
        request = urllib.request.Request(f"{self.url}{path}", method=method)
        context = None
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if self.secure:
            token = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            request.add_header("Authorization", f"Basic {token}")
            context = ssl.create_default_context(cafile=str(self.ca))
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:  # not ready: no master yet, no security index yet
            error.close()
            return False
        except OSError:
            return False


def main() -> int:
    parser = argparse.ArgumentParser(description="A real Elasticsearch for the tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("assemble", help="lay the server out under target/")
    run = commands.add_parser("run", help="run it until Ctrl-C")
    run.add_argument("--port", type=int, default=9200, help="HTTP port on 127.0.0.1; 0 takes a free one")
    run.add_argument("--secure", action="store_true", help="with TLS, users and API keys")
    options = parser.parse_args()
    try:
        if options.command == "assemble":
            sys.stdout.write(f"{assemble()}\n")
            return 0
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        with Server(options.port, secure=options.secure) as server:
            sys.stdout.write(f"Elasticsearch is at {server.url}; Ctrl-C stops it\n")
            if server.secure:
                access = f"user {server.username}, password {server.password}, certificate {server.ca}"
                sys.stdout.write(f"{access}\n")
            sys.stdout.flush()
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except ServerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
