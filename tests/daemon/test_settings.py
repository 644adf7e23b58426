"""The daemon's settings: defaults, values, bounds, and everything that is wrong with a file at once."""

import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from vwserve.configuration.schema import keys
from vwserve.daemon.settings import SETTINGS, Admission, Listen, Settings, read_settings
from vwserve.errors import ConfigurationError, Place
from vwserve.guard.limits import Limits
from vwserve.learner import Bounds

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a configuration and returns its path."""

    def write(content: str) -> Path:
        path = tmp_path / "vwserve.yaml"
        path.write_text(content, encoding="utf-8")
        return path

    return write


def problems(path: Path) -> list[str]:
    """What is wrong with a file, each without the folder."""
    with pytest.raises(ConfigurationError) as caught:
        read_settings(path)
    return [str(problem).removeprefix(f"{path.parent}/") for problem in caught.value.problems]


@pytest.mark.parametrize("content", ["", "# nothing but comments\n"])
def test_every_key_may_be_left_out(write: Write, content: str) -> None:
    path = write(content)
    assert read_settings(path) == Settings(
        listen=(Listen("tcp:26542:interface=127.0.0.1"),),
        models=path.parent / "models.d",
        plugins=None,
        state=path.parent / "state",
        limits=Limits(),
    )


def test_reads_every_key(write: Write) -> None:
    path = write("""listen:
  - endpoint: tcp:26542:interface=127.0.0.1
    model: ctr
  - {endpoint: unix:run/x.sock:mode=660, saves: false}
control: unix:run/control.sock:mode=660
http: tcp:9542:interface=127.0.0.1
models: ../drops
plugins: plugins.d
state: /var/lib/vwserve
processes: 2
limits:
  line_bytes: 64KiB
  features: 50k
  connections: 10
  idle: 5m
  request_bytes: 1MiB
  lines: 50
  importance: 1e3
  magnitude: 1000000
admission: {deadline: 20ms, success_target: 0.9}
""")
    folder = path.parent
    settings = read_settings(path)
    assert settings == Settings(
        listen=(
            Listen("tcp:26542:interface=127.0.0.1", model="ctr"),
            Listen(f"unix:{folder}/run/x.sock:mode=660", saves=False),
        ),
        models=folder / "../drops",
        plugins=folder / "plugins.d",
        state=Path("/var/lib/vwserve"),
        limits=Limits(
            line_bytes=65_536,
            connections=10,
            idle_s=300.0,
            request_bytes=1 << 20,
            bounds=Bounds(importance=1000.0, magnitude=1e6, features=50_000, lines=50),
        ),
        control=f"unix:{folder}/run/control.sock:mode=660",
        http="tcp:9542:interface=127.0.0.1",
        processes=2,
        admission=Admission(deadline_s=0.02, success_target=0.9),
        without_effect=("http", "processes", "admission"),
    )
    assert [listen.place for listen in settings.listen] == [Place(path, 2), Place(path, 4)]


def test_a_listener_that_moved_in_its_file_is_the_same() -> None:
    assert Listen("tcp:1", place=Place(Path("a"), 1)) == Listen("tcp:1", place=Place(Path("a"), 7))
    assert len({Listen("tcp:1", place=Place(Path("a"), 1)), Listen("tcp:1"), Listen("tcp:1", "ctr")}) == 2


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("lisen: []", "lisen: unknown key; did you mean 'listen'?"),
        ("models:", "models: has no value; give it one, or remove the key for the default"),
        ("listen: tcp:26542", "listen: expects a list, like '- endpoint: tcp:26542', not 'tcp:26542'"),
        ("listen: []", "listen: expects a list of at least 1; it has 0"),
        ("listen: [tcp:26542]", "listen[0]: expects keys with values (endpoint, model, saves), not 'tcp:26542'"),
        ("listen: [{model: ctr}]", "listen[0].endpoint: is missing; add it"),
        ("listen: [{endpoint: tcp:1, modle: ctr}]", "listen[0].modle: unknown key; did you mean 'model'?"),
        (
            "listen: [{endpoint: tcp:1, saves: maybe}]",
            "listen[0].saves: expects true or false without quotes, not 'maybe'",
        ),
        (
            "http: tcp:http",
            "http: port 'http' is not a number in 0..65535; write it like tcp:26542:interface=127.0.0.1",
        ),
        ("models: vwserve.yaml", "models: {folder}/vwserve.yaml is not a folder"),
        ("state: [a]", "state: expects a text, not a list"),
        ("processes: 0", "processes: 0 is not in 1..1024"),
        ("processes: many", "processes: expects a whole number in 1..1024, not 'many'"),
        ("limits: {line_bytes: 10}", "limits.line_bytes: 10 is not from 64 to 1GiB"),
        ("limits: {line_bytes: 1kb}", "limits.line_bytes: unknown unit 'kb' in '1kb'; did you mean 'kB'?"),
        ("limits: {connections: 0}", "limits.connections: 0 is not from 1 to 1M"),
        ("limits: {idle: 60}", "limits.idle: '60' has no unit: write 60s for seconds; units are ms s m h d"),
        ("limits: {idle: 0s}", "limits.idle: 0s is not from 100ms to 365d"),
        ("limits: {features: 0}", "limits.features: 0 is not from 1 to 100M"),
        ("limits: {importance: -1}", "limits.importance: -1 is not from 1e-06 to 1e+30"),
        ("limits: {magnitude: .nan}", "limits.magnitude: expects a number from 1 to 1e+30, not '.nan'"),
        (
            "limits: {request_bytes: 64KiB}",
            "limits: request_bytes 64KiB is less than line_bytes, 1MiB; raise it, for a request is made of lines",
        ),
        (
            "admission: {deadline: 50}",
            "admission.deadline: '50' has no unit: write 50s for seconds; units are ms s m h d",
        ),
        ("admission: {success_target: 1}", "admission.success_target: 1 is not between 0 and 1"),
    ],
)
def test_a_wrong_key_or_value_is_refused_with_its_line(write: Write, content: str, problem: str) -> None:
    path = write(f"# a comment\n{content}\n")
    assert problems(path) == [f"vwserve.yaml:2: {problem.format(folder=path.parent)}"]


def test_tells_all_that_is_wrong_in_the_order_of_the_file(write: Write) -> None:
    content = """listen:
  - endpoint: tpc:26542
  - endpoint: tcp:port
    model: a b
limits:
  idel: 1h
  idle: 1
"""
    assert [problem.split(": ")[:2] for problem in problems(write(content))] == [
        ["vwserve.yaml:2", "listen[0].endpoint"],
        ["vwserve.yaml:3", "listen[1].endpoint"],
        ["vwserve.yaml:4", "listen[1].model"],
        ["vwserve.yaml:6", "limits.idel"],
        ["vwserve.yaml:7", "limits.idle"],
    ]


def test_one_endpoint_cannot_be_opened_twice(write: Write) -> None:
    path = write("""listen:
  - endpoint: tcp:26542:interface=127.0.0.1
  - endpoint: tcp:interface=127.0.0.1:port=26542
    model: ctr
  - endpoint: unix:x.sock
control: unix:address=x.sock
""")
    assert [problem.replace(f"{path.parent}/", "") for problem in problems(path)] == [
        "vwserve.yaml:3: listen[1].endpoint: the same endpoint as in vwserve.yaml:2; give it another",
        "vwserve.yaml:6: control: the same endpoint as in vwserve.yaml:5; give it another",
    ]


def test_any_number_of_listeners_may_take_any_free_port(write: Write) -> None:
    assert len(read_settings(write("listen:\n- endpoint: tcp:0\n- endpoint: tcp:0\n")).listen) == 2


def test_a_certificate_is_read_from_beside_the_file(write: Write, tmp_path: Path) -> None:
    key, certificate = _self_signed()
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "cert.pem").write_bytes(certificate)
    settings = read_settings(write("listen:\n- endpoint: ssl:26542:privateKey=key.pem:certKey=cert.pem\n"))
    assert settings.listen[0].endpoint == f"ssl:26542:privateKey={tmp_path}/key.pem:certKey={tmp_path}/cert.pem"


def test_a_certificate_that_cannot_be_used_is_refused_at_its_line(write: Write, tmp_path: Path) -> None:
    key, _ = _self_signed()
    _, certificate = _self_signed()
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "other.pem").write_bytes(certificate)
    path = write("""listen:
- endpoint: ssl:1:privateKey=key.pem:certKey=other.pem
- endpoint: ssl:2:privateKey=missing.pem
- endpoint: ssl:3:privateKey=key.pem
""")
    mismatched, missing, bare = problems(path)
    assert mismatched.startswith("vwserve.yaml:2: listen[0].endpoint: no key and certificate in PEM format that belong")
    assert f"vwserve.yaml:3: listen[1].endpoint: cannot read privateKey {tmp_path}/missing.pem: No such file" in missing
    assert bare.startswith("vwserve.yaml:4: listen[2].endpoint: no key and certificate in PEM format that belong")


def _self_signed() -> tuple[bytes, bytes]:
    """A key and a certificate for it, in PEM format."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    start = datetime(2024, 1, 1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=36_500))
        .sign(key, hashes.SHA256())
    )
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return text, certificate.public_bytes(serialization.Encoding.PEM)


# -- anything ----------------------------------------------------------------------------------------------------------

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10**7),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["tcp:26542", "unix:a", "ssl:1:privateKey=a", "tcp:1\\", "5m", "1MiB", "ctr", ".", "../x"]),
)
KEYS = st.one_of(st.sampled_from(sorted({key.rpartition(".")[2] for key in keys(SETTINGS)})), st.text(max_size=4))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)
FILES = st.one_of(
    st.binary(max_size=60),
    st.text("ab:-[]{}&*!|>'\"#%@,? \n\t<=~", max_size=40).map(str.encode),
    st.dictionaries(KEYS, VALUES, max_size=5).map(lambda value: yaml.safe_dump(value, allow_unicode=True).encode()),
)


@given(FILES)
def test_any_file_is_read_or_refused_with_its_place(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.yaml")
        path.write_bytes(content)
        try:
            assert read_settings(path).listen
        except ConfigurationError as error:
            assert error.problems
            assert all(problem.place.file == path and problem.text for problem in error.problems)
