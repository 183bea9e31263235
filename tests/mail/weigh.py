"""Send a document of given size by a transport and print how far this process's memory rose. Run by test_memory."""

import gc
import hashlib
import sys
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime

from shared.mail import Draft, Graph, GraphDraft, GraphSend, Message, Sender

PIECE = 4 * 1024 * 1024


class Endless:
    """A document that is made while it is read."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.sha256 = hashlib.sha256()

    def chunks(self) -> Iterator[bytes]:
        """Yield pieces of 4 MiB, each fresh."""
        self.sha256 = hashlib.sha256()
        for start in range(0, self.size, PIECE):
            piece = bytes([start % 251]) * min(PIECE, self.size - start)
            self.sha256.update(piece)
            yield piece


def main(url: str, token: str, address: str, slug: str, size: int) -> None:
    """Send one small document to load everything, and then the one that is weighed."""
    graph = Graph(url, lambda: datetime.now(UTC))
    transport = {"graph": GraphSend(graph), "graph-draft": GraphDraft(graph, time.sleep)}[slug]
    draft = Draft("", look=False, remember=lambda _: None)

    def send(job: str, document: Endless) -> None:
        transport.send(
            token, Sender("oid", address), Message(job, "Scan", "text", "scan.pdf", "application/pdf"), document, draft
        )

    send("first", Endless(10_000))
    gc.collect()
    tracemalloc.start()
    weighed = Endless(size)
    send("second", weighed)
    print(tracemalloc.get_traced_memory()[1], weighed.sha256.hexdigest())  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
