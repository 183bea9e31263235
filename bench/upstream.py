"""A mail service that does nothing but take its time: ``python -m bench.upstream PORT SECONDS CERT KEY``.

It speaks so much of HTTP/1.1 over TLS as the service needs: ``/v1.0/me`` answers whose token it was given, ``sendMail``
reads the body and answers 202 after SECONDS, ``/count`` says how many mails it took. One process, one loop.
"""

import asyncio
import base64
import json
import ssl
import sys

TAKEN = [0]


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Answer requests until the other side closes."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:-2])
            left = int(fields.get("content-length", "0"))
            while left:
                left -= len(await reader.read(min(left, 1 << 18)))
            status, body = "200 OK", b""
            if "/count" in head.split("\r\n")[0]:
                body = str(TAKEN[0]).encode()
            elif "sendMail" in head.split("\r\n")[0]:
                await asyncio.sleep(seconds)
                TAKEN[0] += 1
                status = "202 Accepted"
            else:
                token = head.partition("earer ")[2].split("\r\n")[0].split(".")[1]
                claims = json.loads(base64.urlsafe_b64decode(token + "=="))
                oid = claims["oid"]
                body = json.dumps({"id": oid, "mail": "a@contoso.example", "userPrincipalName": "a"}).encode()
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    """Serve until killed."""
    port, seconds, certificate, key = sys.argv[1:]
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    server = await asyncio.start_server(
        lambda reader, writer: talk(reader, writer, float(seconds)), "127.0.0.1", int(port), ssl=tls, limit=1 << 20
    )
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
