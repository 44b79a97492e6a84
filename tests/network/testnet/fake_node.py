"""What a supervisor sees of a validator, without a ledger: `python fake_node.py HOME PORT CHAIN`.

Files in HOME make it misbehave: `refuse` (end at once, with words), `stubborn` (ignore SIGTERM),
`silent` (take requests and answer none), and `health` (JSON that replaces parts of its answer).
"""

import json
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

home, port, chain_id = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
HEALTH = {"height": 1, "app_hash": "ab" * 32, "chain_id": chain_id, "peers": 3}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if (home / "silent").exists():
            time.sleep(600)
        own = home / "health"
        health = HEALTH | (json.loads(own.read_text()) if own.exists() else {})
        self.send_response(503 if "error" in health else 200)
        self.end_headers()
        self.wfile.write(json.dumps(health).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


if (home / "refuse").exists():
    print("\n".join(f"reason {number}" for number in range(9)), flush=True)
    sys.exit(7)
signal.signal(
    signal.SIGTERM,
    signal.SIG_IGN if (home / "stubborn").exists() else lambda *_: sys.exit(0),
)
server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
server.daemon_threads = True
server.serve_forever()
