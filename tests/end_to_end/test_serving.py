"""A real daemon does what the protocol promises, over every kind of socket."""

import resource
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from random import Random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.end_to_end.conftest import CTR, Client, Daemon, Process, StartDaemon, free_port

pytestmark = pytest.mark.e2e

MODELS = {"ctr": CTR, "cvr": "vw: -b 10\n", "adf": "vw: --cb_explore_adf -b 10\n"}
REQUESTS = (
    b"|u a\n'x|u b\nnonsense\n@cvr |u a\n@ctr,cvr |u a\n@adf shared |s a\n|a x\n|a y\n\n"
    b"@ctr batch |u a\n|a x\n|a y\n\n!ping\n@nobody |u a\n!models\n\n|u last"
)
ANSWERS = (
    b"0.500000\n0.500000 x\n!error bad-example 'nonsense' has no '|' before its features\n0\n0.500000\t0\n0:0.5,1:0.5\n"
    b"0.500000 0.500000\npong\n!error no-model no model is called 'nobody'; !models lists them\nadf ctr cvr\n0.500000\n"
)


def test_serves_several_models_over_tcp(start_daemon: StartDaemon) -> None:
    assert start_daemon(MODELS).ask(REQUESTS) == ANSWERS


def test_serves_over_a_unix_socket(start_daemon: StartDaemon, folder: Path) -> None:
    path = folder / "vw.sock"
    daemon = start_daemon(MODELS, settings=f"- {{endpoint: 'unix:{path}:mode=600', model: ctr}}\n")
    daemon.wait_for("listening on unix:")
    assert path.stat().st_mode & 0o777 == 0o600
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    assert daemon.adopt(connection).ask(REQUESTS) == ANSWERS
    assert daemon.terminate() == 0
    assert not path.exists()


def certify(folder: Path) -> Path:
    """Write a key and a certificate for 127.0.0.1 into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vwserve test")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


def connect_tls(daemon: Daemon, port: int, certificate: Path) -> Client:
    """A client over TLS."""
    context = ssl.create_default_context(cafile=str(certificate))
    plain = socket.create_connection(("127.0.0.1", port))
    return daemon.adopt(context.wrap_socket(plain, server_hostname="127.0.0.1"))


@pytest.fixture
def tls(start_daemon: StartDaemon, folder: Path) -> tuple[Daemon, int, Path]:
    """A daemon with a TLS listener, its port and its certificate."""
    certificate, port = certify(folder), free_port()
    endpoint = f"ssl:{port}:privateKey={certificate}:certKey={certificate}:interface=127.0.0.1"
    daemon = start_daemon(MODELS, settings=f"- {{endpoint: '{endpoint}', model: ctr}}\n")
    daemon.wait_for("listening on ssl:")
    return daemon, port, certificate


def test_serves_over_tls(tls: tuple[Daemon, int, Path]) -> None:
    client = connect_tls(*tls)
    client.send(b"|u a\n'x|u b\n@cvr |u a\n")
    assert client.lines(3) == [b"0.500000", b"0.500000 x", b"0"]


def test_a_deep_pipeline_over_tls_is_answered_in_order(tls: tuple[Daemon, int, Path]) -> None:
    client = connect_tls(*tls)
    count = 30_000
    sender = threading.Thread(target=client.send, args=(b"".join(b"'t%d|u a\n" % i for i in range(count)),))
    sender.start()
    assert client.lines(count) == [b"0.500000 t%d" % i for i in range(count)]
    sender.join()


def test_a_drain_ends_tls_connections(tls: tuple[Daemon, int, Path]) -> None:
    client = connect_tls(*tls)
    client.send(b"|u a\n")
    assert client.line() == b"0.500000"
    reader = threading.Thread(target=client.rest)
    reader.start()
    assert tls[0].terminate() == 0
    reader.join()


# -- ways to send --------------------------------------------------------------------------------------------------


def test_a_client_that_sends_one_byte_at_a_time(start_daemon: StartDaemon) -> None:
    client = start_daemon(MODELS).connect()
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in REQUESTS:
        client.send(bytes([byte]))
    client.end()
    assert client.rest() == ANSWERS


def test_a_last_line_without_a_newline_is_answered(daemon: Daemon) -> None:
    assert daemon.ask(b"|u a") == b"0.500000\n"


def test_each_request_is_answered_without_waiting_for_more(daemon: Daemon) -> None:
    client = daemon.connect()
    for _ in range(50):
        client.send(b"|u a\n")
        assert client.line() == b"0.500000"


def test_a_million_lines_are_answered_in_order_and_leave_no_memory_behind(daemon: Daemon) -> None:
    client, lines, rounds = daemon.connect(), 10_000, 100
    data = b"".join(b"'%d|u a |a b\n" % i for i in range(lines))
    answer = b"".join(b"0.500000 %d\n" % i for i in range(lines))

    def send(times: int) -> None:
        for _ in range(times):
            client.send(data)

    def run(times: int) -> None:
        sender = threading.Thread(target=send, args=(times,))
        sender.start()
        for _ in range(times):
            assert b"\n".join([*client.lines(lines), b""]) == answer
        sender.join()

    run(10)
    before = daemon.memory_kib()
    run(rounds - 10)
    assert daemon.memory_kib() < before + 16 * 1024


@pytest.fixture
def many_descriptors(daemon: Daemon) -> Iterator[None]:
    """Lets this process, but not the daemon that runs already, open more files than the usual 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard) if hard > 0 else 4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_a_thousand_clients_at_once(daemon: Daemon) -> None:
    clients = [daemon.connect() for _ in range(1000)]
    for place, client in enumerate(clients):
        client.send(b"'%d|u a\n|u" % place)
    for place, client in enumerate(clients):
        assert client.line() == b"0.500000 %d" % place
    for client in reversed(clients):
        client.send(b" b\n")
    assert {client.line() for client in clients} == {b"0.500000"}


# -- the C++ daemon ------------------------------------------------------------------------------------------------


LOGISTIC = "--loss_function logistic --link logistic -b 18"
ACTIONS = "--cb_explore_adf -b 18 --epsilon 0.1"
CHANCES = "--oaa 3 --probabilities --loss_function logistic -b 18"


def features(random: Random, space: bytes) -> bytes:
    """A namespace with some features."""
    names = [b"f%d" % random.randrange(40) for _ in range(random.randrange(1, 6))]
    return b" ".join([b"|" + space, *names, b"x:%.3f" % random.uniform(-2, 2)])


def clicks(random: Random) -> Iterator[bytes]:
    """Single lines for a click model: labels, importance, initial predictions, tags and blank lines."""
    for number in range(500):
        label = random.choice([b"", b"1 ", b"-1 ", b"1 2 ", b"-1 0.5 0.25 "])
        tag = random.choice([b"", b"'t%d " % number, b"'t%d" % number])
        blank = b"\n" if number % 50 == 0 else b""
        yield label + tag + features(random, b"u") + b" " + features(random, b"a") + b"\n" + blank


def choices(random: Random) -> Iterator[bytes]:
    """Multi-line examples of a bandit."""
    for number in range(250):
        observed = random.choice([None, 0, 1, 2])
        yield random.choice([b"", b"shared " + features(random, b"s") + b"\n", b"shared 't%d |s a\n" % number])
        for action in range(3):
            yield (
                (b"%d:%.2f:0.5 " % (action, random.random()) if action == observed else b"")
                + features(random, b"a")
                + b"\n"
            )
        yield b"\n"


def classes(random: Random) -> Iterator[bytes]:
    """Single lines of three classes."""
    for number in range(500):
        label = random.choice([b"", b"%d " % random.randrange(1, 4), b"%d 2 't%d " % (random.randrange(1, 4), number)])
        yield label + features(random, b"u") + b"\n"


@pytest.mark.parametrize(("arguments", "stream"), [(LOGISTIC, clicks), (ACTIONS, choices), (CHANCES, classes)])
def test_answers_are_those_of_the_daemon_of_vw(
    arguments: str, stream: Callable[[Random], Iterator[bytes]], start_daemon: StartDaemon, folder: Path
) -> None:
    sent = b"".join(stream(Random(5)))
    ours = start_daemon({"m": f"vw: {arguments}\n"}).ask(sent)
    assert ours.count(b"\n") >= 500
    assert ask_vw(arguments, sent, len(ours), folder) == ours


def ask_vw(arguments: str, data: bytes, answer_bytes: int, folder: Path) -> bytes:
    """The first answers of VW's own daemon to this, as many bytes as are asked for and whatever came with them."""
    port = free_port()
    daemon = ["--daemon", "--foreground", "--num_children", "1", "--port", str(port), "--passes", "1", "--quiet"]
    process = Process([sys.executable, "-m", "vowpalwabbit", *daemon, *arguments.split()], folder)
    try:
        client = Client(connect_patiently(port))
        client.send(data)
        client.end()
        found = b""
        while len(found) < answer_bytes and (more := client.socket.recv(1 << 16)):
            found += more
        client.close()
        return found
    finally:
        process.kill()


def connect_patiently(port: int) -> socket.socket:
    """A connection to a program that does not say when it is ready."""
    pause = threading.Event()
    for _ in range(600):
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            pause.wait(0.05)
    raise TimeoutError(f"nobody listens on port {port}")
