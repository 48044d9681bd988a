"""A visitor of the running app: what a browser does, without one."""

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import requests
from ephemeral_port_reserve import reserve
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileUploaderState
from streamlit.proto.Delta_pb2 import Delta
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets import Subprotocol
from websockets.sync.client import ClientConnection, connect

TIMEOUT = 300  # seconds: a machine that is busy with other work is no fault


@contextlib.contextmanager
def serving(command: Sequence[str], folder: Path, **environment: str) -> Iterator[tuple[str, int]]:
    """Run the app by a command, to which a free port is added; its host:port and process."""
    port = reserve()  # and no other program is given it while the app starts
    process = subprocess.Popen(
        [*command, f"--server.port={port}"], cwd=folder, env=os.environ | environment
    )
    host = f"localhost:{port}"
    try:
        wait_until_healthy(host, process)
        yield host, process.pid
    finally:
        process.terminate()
        process.wait(timeout=TIMEOUT)


def wait_until_healthy(host: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the server answers; raises AssertionError where it ends or never does."""

    def healthy() -> bool:
        assert process.poll() is None, "the server did not come up"
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"http://{host}/_stcore/health", timeout=TIMEOUT).text == "ok"
        return False

    wait_until(healthy)


def wait_until(holds: Callable[[], bool]) -> None:
    """Return once this holds; fail where it does not in TIMEOUT seconds."""
    give_up = time.monotonic() + TIMEOUT
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.05)


class Visit:
    """One browser tab: runs the page, sends files, reads what is shown."""

    def __init__(
        self, host: str, socket: ClientConnection, http: requests.Session | None = None
    ) -> None:
        """`http`: with the cookies of a browser that came by TLS; None for one that did not."""
        self.host, self.socket = host, socket
        self.address = f"{'https' if http else 'http'}://{host}"
        self.http = http or requests.Session()
        self.http.get(f"{self.address}/_stcore/health", timeout=TIMEOUT).raise_for_status()
        self.session_id = ""
        self.widgets: dict[str, str] = {}
        self.held = ""  # the address of the file that the page's widget holds
        self.pages: dict[str, str] = {}  # by their place in the address, as the server names them
        self.page = ""

    def rerun(self, *states: WidgetState) -> str:
        """Run the page; returns everything that it sent, as text."""
        return "\n".join(map(str, self.run(*states)))

    def run(self, *states: WidgetState) -> list[Delta]:
        """Run the page; returns everything that it sent."""
        message = BackMsg()
        message.rerun_script.widget_states.widgets.extend(states)
        message.rerun_script.page_script_hash = self.page
        self.socket.send(message.SerializeToString())
        shown = []
        while True:
            answer = self.receive()
            kind = answer.WhichOneof("type")
            if kind == "new_session":
                self.session_id = answer.new_session.initialize.session_id
            elif kind == "navigation":
                self.page = answer.navigation.page_script_hash
                self.pages = {
                    page.url_pathname: page.page_script_hash for page in answer.navigation.app_pages
                }
            elif kind == "delta":
                element = answer.delta.new_element
                if element.WhichOneof("type") == "file_uploader":
                    self.widgets["photo"] = element.file_uploader.id
                shown.append(answer.delta)
            elif kind == "script_finished":
                return shown

    def go_to(self, page: str) -> list[Delta]:
        """Change to a page by its place in the address; returns everything that it sent."""
        self.page, self.held = self.pages[page], ""
        return self.run()

    def receive(self) -> ForwardMsg:
        """The server's next message."""
        message = ForwardMsg()
        message.ParseFromString(self.socket.recv(timeout=TIMEOUT))
        return message

    def put(
        self, name: str, data: bytes, headers: dict[str, str]
    ) -> tuple[requests.Response, WidgetState]:
        """Send a file to the address that the server names; returns its answer and the widget.

        As in a browser the file that it takes the place of is deleted first.
        """
        message = BackMsg()
        message.file_urls_request.file_names.append(name)
        message.file_urls_request.session_id = self.session_id
        self.socket.send(message.SerializeToString())
        while (answer := self.receive()).WhichOneof("type") != "file_urls_response":
            pass
        (urls,) = answer.file_urls_response.file_urls
        if self.held:
            self.http.delete(
                f"{self.address}{self.held}",
                json={"sessionId": self.session_id},
                headers=headers,
                timeout=TIMEOUT,
            ).raise_for_status()
        response = self.http.put(
            f"{self.address}{urls.upload_url}",
            files={"file": (name, data, "image/jpeg")},
            headers=headers,
            timeout=TIMEOUT,
        )
        self.held = urls.delete_url if response.ok else ""
        state = FileUploaderState()
        state.uploaded_file_info.add(
            file_id=urls.file_id, name=name, size=len(data), file_urls=urls
        )
        return response, WidgetState(id=self.widgets["photo"], file_uploader_state_value=state)

    def send(self, name: str, data: bytes) -> WidgetState:
        """Send a file as the page's own script does; returns the widget that holds it."""
        token = str(self.http.cookies["_streamlit_xsrf"])
        response, state = self.put(name, data, {"X-Xsrftoken": token})
        assert response.ok, response.text
        return state

    def upload(self, name: str, data: bytes) -> str:
        """Drop a file on the page; returns what the page then shows."""
        return self.rerun(self.send(name, data))


def open_tab(host: str) -> ClientConnection:
    """Connect to the app as a browser's tab does."""
    return connect(
        f"ws://{host}/_stcore/stream",
        subprotocols=[Subprotocol("streamlit")],
        max_size=None,
        ping_interval=None,
        open_timeout=TIMEOUT,
    )
