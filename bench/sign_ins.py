"""What a refresh of a sign-in costs: ``python -m bench.sign_ins [--quick]``.

One process of the service gives access tokens: from the vault where it holds one that is good, and by a refresh at
Entra where it does not. The floor is what a refresh is made of at least: MSAL itself, with a cache in memory.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic, process_time

from bench.figures import Figures, arguments, keep, percentile
from bench.office import office
from local.microsoft.directory import Account
from shared.identity.token_cache import TokenCache
from tests.vault.conftest import SCOPES, TID, Staff


def timed(people: list[Account], use: Callable[[Account], object]) -> list[float]:
    """Return how many a second, p50 and p99 in ms, and the CPU of each in ms (the emulated Entra's is in it)."""
    taken, begun, used = [], monotonic(), process_time()
    for account in people:
        one = monotonic()
        use(account)
        taken.append((monotonic() - one) * 1000)
    spent, used = monotonic() - begun, process_time() - used
    return [
        len(people) / spent,
        percentile(taken, 0.5),
        percentile(taken, 0.99),
        used / len(people) * 1000,
    ]


def measure(staff: Staff, count: int, figures: Figures) -> None:
    """Fill the table."""
    people = staff.hire(count)
    figures.table("refresh", "what", "a second", "p50 ms", "p99 ms", "CPU ms each, with the emulated Entra")
    staff.token(people[0])
    figures.row("a token that is held", *timed(people, staff.token))
    staff.clock.advance(hours=2)
    figures.row("a refresh", *timed(people, staff.token))
    caches = {account.oid: staff.tokens_for(account) for account in people}

    def bare(account: Account) -> None:
        cache = TokenCache(staff.clock)
        cache.deserialize(caches[account.oid])
        app = staff.rooms.entra._app(TID, cache)  # noqa: SLF001
        [found] = app.get_accounts()
        answer = app.acquire_token_silent_with_error(list(SCOPES), found, force_refresh=True)
        assert "access_token" in answer

    figures.row("MSAL alone", *timed(people, bare))


def main() -> None:
    """Show the table."""
    asked, figures = arguments(__doc__).parse_args(), Figures()
    with tempfile.TemporaryDirectory() as name, office(Path(name)) as found:
        measure(found.staff, 10 if asked.quick else 200, figures)
    keep(figures, asked.json)


if __name__ == "__main__":
    main()
