"""deploy/nginx.conf, run by a real nginx in front of two processes of the app."""

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from ephemeral_port_reserve import reserve
from websockets import Subprotocol
from websockets.sync.client import connect

from benchmarks.client.visitor import TIMEOUT, Visit, serving, wait_until
from tests.conftest import colour_checkpoint, draw_bird, encode

ROOT = Path(__file__).parents[2]
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (NGINX and shutil.which("openssl")), reason="nginx or openssl is not installed"
    ),
]
APP = [sys.executable, "-m", "streamlit", "run", "streamlit_app/main.py"]
COLOURS = ("red", "lime", "blue", "yellow", "cyan", "magenta")
NAMES = dict(zip(COLOURS, ("Red", "Green", "Blue", "Yellow", "Cyan", "Magenta"), strict=True))


class Door:
    """A running nginx: its addresses, and the certificate to trust."""

    def __init__(self, plain: int, secure: int, certificate: Path) -> None:
        self.plain, self.host = f"http://localhost:{plain}", f"localhost:{secure}"
        self.address, self.certificate = f"https://{self.host}", certificate

    def browser(self) -> requests.Session:
        http = requests.Session()
        http.trust_env = False  # a bundle of certificates named there would go before ours
        http.verify = str(self.certificate)
        http.get(self.address, timeout=TIMEOUT).raise_for_status()
        return http

    @contextlib.contextmanager
    def visit(self) -> Iterator[Visit]:
        """A new visitor's tab."""
        http = self.browser()
        with connect(
            f"wss://{self.host}/_stcore/stream",
            subprotocols=[Subprotocol("streamlit")],
            max_size=None,
            open_timeout=TIMEOUT,
            ssl=ssl.create_default_context(cafile=str(self.certificate)),
            additional_headers={"Cookie": f"plumage={http.cookies['plumage']}"},
            origin=self.address,  # type: ignore[arg-type]
        ) as tab:
            visit = Visit(self.host, tab, http)
            visit.rerun()
            yield visit


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The addresses of two processes of the app."""
    folder = tmp_path_factory.mktemp("served")
    colour_checkpoint(folder / "bn")
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(serving(APP, ROOT, PLUMAGE_CHECKPOINTS=str(folder)))[0]
            for _ in range(2)
        ]


@pytest.fixture
def door(apps: list[str], tmp_path: Path) -> Iterator[Door]:
    with running(tmp_path, apps) as door:
        yield door


@contextlib.contextmanager
def running(folder: Path, apps: list[str]) -> Iterator[Door]:
    """nginx with the configuration that is shipped: only places and ports are of the test."""
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj"
    make += " /CN=localhost -addext subjectAltName=DNS:localhost"
    make += " -keyout privkey.pem -out fullchain.pem"
    subprocess.run(make.split(), cwd=folder, check=True, capture_output=True)
    plain, secure = reserve(), reserve()
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    for ours, of_the_test in {
        "server app-1:8501": f"server {apps[0]}".replace("localhost", "127.0.0.1"),
        "server app-2:8501": f"server {apps[1]}".replace("localhost", "127.0.0.1"),
        "listen 8080": f"listen 127.0.0.1:{plain}",
        "listen 8443": f"listen 127.0.0.1:{secure}",
        "/etc/plumage/": f"{folder}/",
        "/tmp/nginx": f"{folder}/nginx",
    }.items():
        assert ours in text
        text = text.replace(ours, of_the_test)
    config = folder / "nginx.conf"
    config.write_text(text)
    assert NGINX
    process = subprocess.Popen([NGINX, "-e", "stderr", "-c", config, "-g", "daemon off;"])
    try:
        wait_until(lambda: accepts(secure, process))
        yield Door(plain, secure, folder / "fullchain.pem")
    finally:
        process.terminate()
        process.wait(timeout=TIMEOUT)


def accepts(port: int, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "nginx did not come up"
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def connections(app: str) -> int:
    """How many tabs a process of the app has had."""
    text = requests.get(f"http://{app}/_stcore/metrics", timeout=TIMEOUT).text
    (count,) = re.findall(r'session_events_total\{type="connect"\} (\d+)', text)
    return int(count)


def test_who_comes_without_tls_is_sent_to_it(door: Door) -> None:
    answer = requests.get(
        f"{door.plain}/compare?variant=bn", allow_redirects=False, timeout=TIMEOUT
    )
    assert answer.status_code == 301
    assert answer.headers["Location"] == "https://localhost/compare?variant=bn"


def test_every_answer_has_the_security_headers_and_does_not_say_what_made_it(door: Door) -> None:
    http = door.browser()
    for path in ("/", "/_stcore/health", "/no/such/page", "/_stcore/metrics"):
        headers = http.get(f"{door.address}{path}", timeout=TIMEOUT).headers
        assert headers["Strict-Transport-Security"] == "max-age=31536000"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "object-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Server"] == "nginx"


def test_the_cookie_that_leads_back_is_for_this_site_and_no_script(door: Door) -> None:
    answer = requests.get(door.address, verify=str(door.certificate), timeout=TIMEOUT)
    (cookie,) = [c for c in answer.raw.headers.getlist("Set-Cookie") if "plumage=" in c]
    assert re.fullmatch(r"plumage=[0-9a-f]{32}; Path=/; HttpOnly; Secure; SameSite=Lax", cookie)


def test_visitors_spread_over_both_and_each_stays_where_its_photo_is(
    door: Door, apps: list[str]
) -> None:
    before = [connections(app) for app in apps]

    def come(colour: str) -> str:
        with door.visit() as visit:
            return visit.upload("bird.jpg", encode(draw_bird(colour, (640, 480))))

    with ThreadPoolExecutor(4) as pool:
        for colour, shown in zip(COLOURS * 2, pool.map(come, COLOURS * 2), strict=True):
            assert f"{NAMES[colour]} Bird, 85%" in shown
    # The app's counts are some seconds old.
    wait_until(
        lambda: all(now > then for now, then in zip(map(connections, apps), before, strict=True))
    )


def test_a_large_upload_is_refused_in_words(door: Door) -> None:
    answer = door.browser().put(
        f"{door.address}/_stcore/upload_file/a/b", data=bytes(52 * 2**20), timeout=TIMEOUT
    )
    assert answer.status_code == 413
    assert "more than 50 MB" in answer.text


def test_an_upload_from_another_site_is_refused(door: Door) -> None:
    with door.visit() as visit:
        response, _ = visit.put("bird.jpg", encode(draw_bird()), {})
        assert response.status_code == 403


def test_the_apps_own_counts_are_not_public(door: Door) -> None:
    assert door.browser().get(f"{door.address}/_stcore/metrics", timeout=TIMEOUT).status_code == 404


def test_one_address_that_uploads_without_end_is_asked_to_wait(door: Door) -> None:
    http = door.browser()

    def put(_: int) -> requests.Response:
        return http.put(f"{door.address}/_stcore/upload_file/a/b", data=b"?", timeout=TIMEOUT)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(put, range(400)))
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused
    assert "please try again in a moment" in refused[0].text
    assert http.get(f"{door.address}/_stcore/health", timeout=TIMEOUT).text == "ok"


def test_where_one_process_has_ended_the_other_serves_everybody(
    apps: list[str], tmp_path: Path
) -> None:
    with running(tmp_path, [apps[0], f"127.0.0.1:{reserve()}"]) as door:
        for _ in range(4):
            with door.visit() as visit:
                assert "Red Bird" in visit.upload("bird.jpg", encode(draw_bird("red")))
