"""Endpoint strings: checked without opening them, paths relative to the file that names them."""

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from twisted.internet import endpoints
from twisted.internet.endpoints import quoteStringArgument
from twisted.internet.testing import MemoryReactor

from vwserve.configuration import Node
from vwserve.daemon.endpoints import KINDS, endpoint, for_opening, socket_path
from vwserve.errors import ConfigurationError


def node(written: str, folder: Path = Path("conf")) -> Node:
    return Node(folder / "vwserve.yaml", 3, "control", "text", written)


def refusal(written: str, folder: Path = Path("conf")) -> str:
    """What an endpoint is refused with, after the place and the key."""
    with pytest.raises(ConfigurationError) as caught:
        endpoint(node(written, folder))
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"{folder / 'vwserve.yaml'}:3: control: ")
    return problem.text


@pytest.mark.parametrize(
    "written",
    [
        "tcp:26542",
        "tcp:26542:interface=127.0.0.1",
        "tcp:0:127.0.0.1:50",
        "tcp:port=80:backlog=1024",
        "tcp6:26542:interface=\\:\\:1",
        "tcp:26542:interface=\\:\\:1",
        "unix:/run/vwserve.sock:mode=660:lockfile=0",
        "systemd:domain=INET:name=vwserve",
        "systemd:INET6:0",
        "stdio:",
        "haproxy:tcp:8080",
    ],
)
def test_what_needs_no_change_stays_as_it_was_written(written: str) -> None:
    assert endpoint(node(written)).description == written


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("tpc:26542", "unknown kind of endpoint 'tpc'; did you mean 'tcp'? (an endpoint is like tcp:26542:"),
        ("26542", "unknown kind of endpoint '26542'; known: tcp, unix, ssl, "),
        ("127.0.0.1:26542", "unknown kind of endpoint '127.0.0.1'"),
        ("tls:26542", "conf/26542 is no folder of certificates, as in tls:certificates:26542"),
        ("tcp", "tcp: has no port; write it like tcp:26542:interface=127.0.0.1"),
        ("tcp:", "port '' is not a number in 0..65535"),
        ("tcp:http", "port 'http' is not a number in 0..65535; write it like tcp:26542:interface=127.0.0.1"),
        ("tcp:65536", "port '65536' is not a number in 0..65535"),
        ("tcp:-1", "port '-1' is not a number"),
        ("tcp:٣", "port '٣' is not a number"),
        ("tcp:127.0.0.1:26542", "port '127.0.0.1' is not a number in 0..65535"),
        ("tcp:1:interfaec=127.0.0.1", "unknown argument 'interfaec' of tcp:; did you mean 'interface'?"),
        ("tcp:1:a:2:b", "'b' is too much; tcp: takes port, interface, backlog"),
        ("tcp:1:port=2", "has port twice"),
        ("tcp:1:backlog=many", "backlog 'many' is not a number"),
        ("tcp:1\\", "ends in a backslash"),
        ("unix:", "unix: has no address; write it like unix:run/vwserve.sock:mode=660"),
        ("unix:a:mode=rw", "mode 'rw' is not an octal number like 660"),
        ("unix:a:mode=888", "mode '888' is not an octal number like 660"),
        ("unix:a:lockfile=yes", "lockfile 'yes' is neither 0 nor 1"),
        ("unix:" + "x" * 110, "is longer than the path of a socket may be, 107 bytes"),
        ("systemd:domain=INET", "needs a name, or an index, but not both"),
        ("systemd:domain=INET:index=0:name=a", "needs a name, or an index, but not both"),
        ("systemd:name=a", "systemd: has no domain"),
        ("ssl:1", "ssl: has no privateKey; write it like ssl:26542:privateKey=key.pem:certKey=cert.pem"),
        ("ssl:1:privateKey=no.pem", "cannot read privateKey conf/no.pem: No such file or directory"),
    ],
)
def test_what_twisted_could_not_open_is_refused_with_its_remedy(written: str, words: str) -> None:
    assert words in refusal(written)


@pytest.mark.parametrize(
    ("written", "opened"),
    [
        ("unix:run/x.sock", "unix:conf/run/x.sock"),
        ("unix:run/x.sock:mode=660", "unix:conf/run/x.sock:mode=660"),
        ("unix:address=x.sock", "unix:address=conf/x.sock"),
        ("unix:mode=660:address=x.sock", "unix:mode=660:address=conf/x.sock"),
        ("unix:a\\:b", "unix:conf/a\\:b"),
        ("unix:a\\\\b", "unix:conf/a\\\\b"),
        ("unix:a\\=b:660", "unix:conf/a\\=b:660"),
        ("unix:address=a=b", "unix:address=conf/a\\=b"),
    ],
)
def test_a_relative_path_is_relative_to_the_file_that_names_it(written: str, opened: str) -> None:
    assert endpoint(node(written)).description == opened


@given(st.text("ab:=\\/. ", min_size=1, max_size=12))
def test_twisted_opens_the_socket_that_was_meant(name: str) -> None:
    assume(not name.isspace() and name == name.strip())
    reactor = MemoryReactor()
    quoted = quoteStringArgument(name).replace("=", "\\=")
    written = endpoint(node(f"unix:{quoted}:lockfile=0"))
    endpoints.serverFromString(reactor, written.description).listen(object())
    assert reactor.unixServers[0][0] == str(Path("conf") / name)


@given(st.text("tcpunixsl06:=\\.", max_size=20))
def test_any_text_is_an_endpoint_or_refused(written: str) -> None:
    assume(written.strip())
    try:
        assert endpoint(node(written)).description
    except ConfigurationError as error:
        assert len(error.problems) == 1


def test_two_spellings_of_one_endpoint_are_equal() -> None:
    first, *others = [
        endpoint(node(text)).identity for text in ("tcp:1:a", "tcp:port=1:interface=a", "tcp:interface=a:1")
    ]
    assert others == [first, first]
    assert endpoint(node("tcp:2:a")).identity != first


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        ("tcp", endpoints._parseTCP),
        ("unix", endpoints._parseUNIX),
        ("ssl", endpoints._parseSSL),
        ("tcp6", endpoints._TCP6ServerParser._parseServer),
        ("systemd", endpoints._SystemdParser._parseServer),
        ("tls", endpoints._TLSServerEndpointParser._actualParseStreamServer),
    ],
)
def test_knows_the_arguments_that_twisted_knows(kind: str, function: Callable[..., object]) -> None:
    names = [name for name in inspect.signature(function).parameters if name not in ("self", "factory", "reactor")]
    assert KINDS[kind].arguments == tuple(names)


@pytest.mark.parametrize("content", [b"", b"not a certificate\n"])
def test_a_certificate_file_that_holds_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "server.pem").write_bytes(content)
    assert "no key and certificate in PEM format" in refusal("ssl:1:privateKey=server.pem", tmp_path)


@pytest.mark.parametrize("text", ["tcp:26542", "tcp:26542:interface=127.0.0.1", "tcp:port=1", "ssl:1:privateKey=k"])
def test_is_opened_with_room_for_a_burst_of_clients(text: str) -> None:
    assert for_opening(text) == text + ":backlog=1024"


@pytest.mark.parametrize(
    ("text", "unsaid"),
    [
        ("unix:/run/a\\:b:mode=660", ":backlog=1024:lockfile=0"),
        ("unix:/run/a:660", ":backlog=1024:lockfile=0"),
        ("unix:/run/a:660:5", ":lockfile=0"),
        ("unix:/run/a:lockfile=1", ":backlog=1024"),
        ("unix:/run/backlog\\=5", ":backlog=1024:lockfile=0"),
    ],
)
def test_a_socket_gets_no_lock_unless_it_is_asked_for(text: str, unsaid: str) -> None:
    assert for_opening(endpoint(node(text)).description) == endpoint(node(text)).description + unsaid


@pytest.mark.parametrize(
    "text", ["tcp:1:backlog=5", "tcp:1:127.0.0.1:5", "systemd:domain=INET:index=0", "stdio:", "unix:/a:600:5:1"]
)
def test_is_opened_as_it_is_where_that_is_settled(text: str) -> None:
    assert for_opening(text) == text


def test_twisted_takes_what_is_added() -> None:
    reactor = MemoryReactor()
    for text in ("tcp:1", "unix:/run/a", "unix:/run/a:660:5"):
        endpoints.serverFromString(reactor, for_opening(text)).listen(object())
    assert reactor.tcpServers[0][2] == 1024
    assert [(backlog, lock) for _, _, backlog, _, lock in reactor.unixServers] == [(1024, False), (5, False)]


@pytest.mark.parametrize(
    ("description", "path"),
    [
        ("unix:/run/vwserve/a.sock:mode=660", "/run/vwserve/a.sock"),
        ("unix:mode=660:address=/run/a.sock", "/run/a.sock"),
        (r"unix:/run/a\:b/c.sock", "/run/a:b/c.sock"),
        (r"unix:/run/a\\:660", "/run/a\\"),
        ("tcp:26542", None),
        ("stdio:", None),
    ],
)
def test_tells_where_a_socket_is(description: str, path: str | None) -> None:
    assert socket_path(description) == (None if path is None else Path(path))
