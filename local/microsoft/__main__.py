"""The emulated Microsoft cloud as a process: ``python -m local.microsoft --port 24443 --run-dir .run``."""

import argparse
import signal
import sys
from contextlib import suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from local.tls import prepare

from .cloud import Cloud
from .records import Application
from .server import Server, listening
from .smtp_server import running as submitting
from .snapshot import Keeper, load

# The app registration of a local run; the app's CLIENT_ID must be the same.
LOCAL_CLIENT_ID = "7a1c9b52-4e0d-4c35-9c52-0d5f3c8e2b61"
LOCAL_MAILBOX_CLIENT_ID = "aaaaaaaa-0000-4000-8000-000000000002"


def main() -> int:
    """Serve until it is interrupted; answer the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.microsoft", description=__doc__)
    parser.add_argument("--port", type=int, default=24443)
    parser.add_argument("--smtp-port", type=int, default=24587, help="of Exchange Online's submission")
    parser.add_argument("--outlook-smtp-port", type=int, default=24588, help="of Outlook.com's")
    parser.add_argument("--run-dir", type=Path, default=Path(".run"))
    parser.add_argument("--public-url", default="http://127.0.0.1:7071", help="where the app is")
    parser.add_argument("--client-id", default=LOCAL_CLIENT_ID)
    parser.add_argument("--mailbox-client-id", default=LOCAL_MAILBOX_CLIENT_ID, help="for printers' own mailboxes")
    parser.add_argument("--certificate", type=Path, help="the app's certificate, default RUN_DIR/app/client.pem")
    given = parser.parse_args()
    certificate_file = given.certificate or given.run_dir / "app" / "client.pem"
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    except (OSError, ValueError) as error:
        print(f"The app's certificate cannot be read: {error}", file=sys.stderr)
        return 1
    application = Application(
        client_id=given.client_id,
        redirect_uris=tuple(
            f"{given.public_url}{path}" for path in ("/auth/callback", "/consent/callback", "/auth/signed-out")
        ),
        certificates=(certificate.public_bytes(Encoding.PEM).decode(),),
    )
    mailboxes = Application(
        client_id=given.mailbox_client_id,
        redirect_uris=(f"{given.public_url}/auth/mailbox",),
        name="To My Email Mailbox",
        audience="AzureADandPersonalMicrosoftAccount",
        public=True,
    )
    state_file = given.run_dir / "microsoft" / "state.json"
    try:
        state, keys = load(state_file) or (None, None)
    except ValueError:
        print(f"{state_file} is of another version and cannot be read: delete it.", file=sys.stderr)
        return 1
    cloud = Cloud([application, mailboxes], state=state, keys=keys)
    tls = prepare(given.run_dir / "tls")
    server = Server(cloud, tls)
    smtp = submitting(cloud, tls, server.switchboard, (given.smtp_port, given.outlook_smtp_port))
    # uvicorn, done with a signal, raises it again: it must then end us, not cut us off before the state is kept.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with listening(given.port) as opened, smtp, Keeper(cloud, state_file), suppress(KeyboardInterrupt):
        url = f"https://localhost:{opened.getsockname()[1]}"
        print(f"Emulated Microsoft: {url} (mailboxes at /mailbox, faults at /faults)", flush=True)
        server.uvicorn.run(sockets=[opened])
    return 0


if __name__ == "__main__":
    sys.exit(main())
