"""A headless Chromium that a test drives over the DevTools protocol."""

import itertools
import json
import subprocess
import time
from pathlib import Path

import pytest

websocket = pytest.importorskip("websocket")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --remote-debugging-port=0 --window-size=1200,900"
).split()
WAIT = 120  # seconds; a busy machine is slow to start a browser


class Browser:
    """One page of a Chromium and everything that it complains about."""

    def __init__(self, path: str, profile: Path):
        command = [path, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.complaints: list[str] = []
        self.numbers = itertools.count(1)
        self.session: str | None = None
        try:
            self.socket = websocket.create_connection(self._address(profile), timeout=WAIT, suppress_origin=True)
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log"):
                self.call(f"{domain}.enable")
        except BaseException:
            self.close()
            raise

    def _address(self, profile: Path) -> str:
        for _ in range(10 * WAIT):
            try:
                port, path = (profile / "DevToolsActivePort").read_text().splitlines()
                return f"ws://127.0.0.1:{port}{path}"
            except (OSError, ValueError):
                assert self.process.poll() is None, "the browser ended before it listened"
                time.sleep(0.1)
        raise TimeoutError("the browser did not start")

    def call(self, method: str, **params):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        self.socket.send(json.dumps(message | ({"sessionId": self.session} if self.session else {})))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self._note(answer)

    def _note(self, event) -> None:
        kind, params = event.get("method"), event.get("params", {})
        if kind == "Log.entryAdded":
            self.complaints.append(params["entry"]["text"])
        elif kind in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            self.complaints.append(json.dumps(params))

    def open(self, path: Path) -> None:
        self.complaints.clear()
        self.call("Page.navigate", url=path.as_uri())
        deadline = time.monotonic() + WAIT
        while self.run("document.readyState + location.protocol") != "completefile:":
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def run(self, expression: str):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
