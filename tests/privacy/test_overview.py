"""What a person sees is what is his, and nothing else."""

from typing import Any

import pytest

from shared.organisations import RANGES
from shared.privacy import Trace
from shared.storage import key
from tests.privacy.conftest import ADELE, BEN, CONTOSO, FABRIKAM, PRINTER, Desk


def pin(desk: Desk, group: str = "office") -> None:
    """Adele is pinned in a group of printers."""
    desk.rooms.traces.note(CONTOSO, ADELE, Trace("pin", (group, "user"), desk.clock()))
    desk.rooms.storage.table("people").put(
        key(CONTOSO, group, "user"),
        "person",
        {"tid": CONTOSO, "oid": ADELE, "account_hint": "a•••@contoso.example", "pinned": desk.clock()},
    )


def enrol(desk: Desk, tid: str, group: str) -> None:
    """The printer that she scanned at stands there now."""
    desk.rooms.storage.table("devices").put(
        key(PRINTER),
        "device",
        {
            "tid": tid,
            "group": group,
            "location": "2nd floor",
            "name": "Printer 2F",
            "model": "Virtual",
            "serial": "S1",
            "locale": "en",
            "status": "active",
            "jwk": "{}",
            "enrolled_at": desk.clock(),
            "replaces": False,
        },
    )


@pytest.mark.parametrize(
    ("tid", "group", "seen"), [(CONTOSO, "office", ["Printer 2F"]), (FABRIKAM, "office", []), (CONTOSO, "cellar", [])]
)
def test_a_printer_is_shown_where_it_stands(desk: Desk, tid: str, group: str, seen: list[str]) -> None:
    """I05: a printer that went to another group or organisation shows neither its name nor its place here."""
    pin(desk)
    desk.scan()
    enrol(desk, tid, group)
    [place] = desk.rooms.overviews.of(CONTOSO, ADELE).places
    assert (place.group, [printer.name for printer in place.printers]) == ("office", seen)


def test_a_trace_is_no_key_to_a_scan(desk: Desk) -> None:
    """I05, E15: whoever writes a trace that names somebody else's job does not see that job."""
    theirs = desk.scan(BEN)
    [trace] = desk.rooms.traces.of(CONTOSO, BEN, "job")
    desk.rooms.traces.note(CONTOSO, ADELE, trace)
    assert desk.rooms.overviews.of(CONTOSO, ADELE).scans == ()
    assert [job.blob for job in desk.rooms.overviews.of(CONTOSO, BEN).scans] == [theirs.blob]


def test_a_scan_that_was_handed_over_twice_is_shown_once(desk: Desk) -> None:
    """R03: the attempt that died left its trace, and the one that succeeded left another; there is one scan."""
    died = desk.announce()
    scanned = desk.store(desk.announce(manifest=died.manifest))
    assert [job.blob for job in desk.rooms.overviews.of(CONTOSO, ADELE).scans] == [scanned.blob]


@pytest.mark.parametrize("thing", ["nothing", "grant", "scan", "consent"])
def test_whether_there_is_anything_to_end(desk: Desk, thing: str) -> None:
    """I04: whatever is stored, alone, is enough to be offered its end; and nothing is not."""
    made: dict[str, Any] = {
        "nothing": lambda: None,
        "grant": lambda: desk.rooms.grants.store(CONTOSO, ADELE, "{}"),
        "scan": desk.announce,
        "consent": lambda: desk.rooms.organisations.consented(
            CONTOSO, name="Contoso", consented_range=RANGES["send"], proven_by="admin", oid=ADELE
        ),
    }
    made[thing]()
    overview = desk.rooms.overviews.of(CONTOSO, ADELE)
    assert overview.anything == (thing != "nothing")
    assert overview.consented == ("Contoso" if thing == "consent" else "")
    assert not desk.rooms.overviews.of(CONTOSO, BEN).anything
