"""The program ``to-my-email-gateway``.

exit codes:
  0   done
  1   not done, or not ready: the lines say why
  2   the command line is wrong
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from to_my_email import Api, Error
from to_my_email.store import write
from to_my_email.wire import origin
from to_my_email_gateway import server, settings
from to_my_email_gateway.printers import Printers, PrintersError, enrolled

DONE, NOT_DONE, USAGE = 0, 1, 2

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    asked = _parser().parse_args(_tickets(sys.argv[1:] if arguments is None else arguments))
    command: Command = asked.command
    try:
        return command(asked)
    except settings.SettingsError as wrong:
        for mistake in wrong.mistakes:
            _note(mistake)
    except PrintersError as wrong:
        _note(str(wrong))
    except Error as error:
        _note(" ".join(filter(None, (error.title, error.remedy))) or error.reason)
    except OSError as fault:
        _note(fault.strerror or type(fault).__name__)
    return NOT_DONE


def _init(asked: argparse.Namespace) -> int:
    path: Path = asked.directory / settings.FILE
    try:
        service = origin(asked.service)
    except ValueError as wrong:
        _note(f"--service: {wrong}")
        return USAGE
    if any(not re.fullmatch(r"[^\s\"\\@]+\.[^\s\"\\@]+", domain) for domain in asked.domain):
        _note("--domain: a domain is like contoso.example")
        return USAGE
    if path.exists():
        _note(f"{settings.FILE} is there already, and stays as it is")
        return NOT_DONE
    asked.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    domains = ", ".join(f'"{domain}"' for domain in asked.domain)
    write(path, settings.TEMPLATE.format(service=service, domains=domains).encode())
    _line(f"Written: {path}. Look it through; then: to-my-email-gateway printer add NAME --ticket TICKET")
    return DONE


def _add(asked: argparse.Namespace) -> int:
    told = settings.read(asked.directory)
    printers = Printers(asked.directory)
    secret = printers.add(asked.name, asked.address)
    try:
        api = Api(told.service, printers.store(asked.name))
        try:
            enrolment = api.enrol(asked.ticket, model=asked.model, serial=asked.serial or asked.name, name=asked.name)
        finally:
            api.close()
    except BaseException:
        # The device's key stays: the same ticket again is the same device.
        printers.remove(asked.name)
        raise
    _line(f"Enrolled with {enrolment.organisation} as {asked.name} ({enrolment.status}); key: {enrolment.words}")
    if secret is None:
        _line("It is known by its address and needs no secret.")
    else:
        _line("Enter at the printer, under SMTP authentication (shown only now):")
        _line(f"  user name  {asked.name}")
        _line(f"  password   {secret}")
    _line(f"SMTP server: this machine, port {told.port}{', STARTTLS' if told.certificate else ', no encryption'}")
    return DONE


def _list(asked: argparse.Namespace) -> int:
    told = settings.read(asked.directory)
    for printer in Printers(asked.directory).all():
        known = ", ".join(map(str, printer.addresses)) or "secret"
        _line(f"{printer.name:40} {known:24} {'enrolled' if enrolled(printer, told.service) else 'not enrolled'}")
    return DONE


def _remove(asked: argparse.Namespace) -> int:
    Printers(asked.directory).remove(asked.name)
    _line(f"{asked.name} is let in no more. Remove it in the console as well.")
    return DONE


def _run(asked: argparse.Namespace) -> int:
    logging.basicConfig(format="%(name)s: %(message)s", level=logging.WARNING)
    for name in ("to_my_email_gateway", "to_my_email"):
        logging.getLogger(name).setLevel(logging.INFO)
    told = settings.read(asked.directory)

    def ready(port: int, end: Callable[[], object]) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: end())
        _line(f"Printers may come: port {port}")

    server.run(asked.directory, told, ready)
    return DONE


def _check(asked: argparse.Namespace) -> int:
    told = settings.read(asked.directory)
    server.tls_context(told)
    printers = Printers(asked.directory).all()
    if not printers:
        _note("there is no printer yet: to-my-email-gateway printer add NAME --ticket TICKET")
        return NOT_DONE
    well = True
    for place, printer in enumerate(printers):
        api = Api(told.service, printer.store)
        api.language = told.language
        try:
            record = api.about()
            consented = record.consent.get("status") == "consented"
            _line(f"{printer.name}: {record.status}, organisation {'has' if consented else 'has NOT'} consented")
            well = well and record.status == "active" and consented
            for user in told.people.user_ids if place == 0 else ():
                status = api.user(user)
                _line(f"  {user}: {status.status.replace('_', ' ')}{f' ({status.code})' if status.code else ''}")
                well = well and status.status == "ready"
        except Error as error:
            _line(f"{printer.name}: {error.title or error.reason} {error.remedy}".rstrip())
            well = False
        finally:
            api.close()
    return DONE if well else NOT_DONE


def _tickets(arguments: Sequence[str]) -> list[str]:
    """Join ``--ticket`` and what follows: a ticket is base64url and may begin with ``-``, as options do."""
    joined = list(arguments)
    if "--ticket" in joined[:-1]:
        at = joined.index("--ticket")
        joined[at : at + 2] = [f"--ticket={joined[at + 1]}"]
    return joined


def _line(text: str) -> None:
    print(text, flush=True)  # noqa: T201  (a program's output)


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="to-my-email-gateway",
        description="Takes the scan mail of printers that only speak SMTP, and hands it to To My Email.",
        epilog=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kept = Path(os.environ.get("TO_MY_EMAIL_GATEWAY") or "/var/lib/to-my-email-gateway")
    parser.add_argument("--directory", type=Path, default=kept, help="the gateway's own (now: %(default)s)")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    init = commands.add_parser("init", help="write a gateway.toml to begin with")
    init.add_argument("--service", required=True, help="the service's address, such as https://scan.example")
    init.add_argument("--domain", action="append", default=[], help="every address of this domain is a person")
    init.set_defaults(command=_init)

    printer = commands.add_parser("printer", help="printers that may hand in mail")
    actions = printer.add_subparsers(title="actions", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="let a printer in, as a device of its own at the service")
    add.add_argument("name", metavar="NAME", help="such as second-floor; its user name for SMTP")
    add.add_argument("--ticket", required=True, help="an administrator's enrolment ticket or code")
    add.add_argument("--address", action="append", default=[], help="know it by this IP address, without a secret")
    add.add_argument("--model", default="SMTP printer")
    add.add_argument("--serial", help="the printer's; its name where it is not given")
    add.set_defaults(command=_add)
    actions.add_parser("list", help="show the printers").set_defaults(command=_list)
    remove = actions.add_parser("remove", help="let a printer in no more")
    remove.add_argument("name", metavar="NAME")
    remove.set_defaults(command=_remove)

    commands.add_parser("run", help="serve printers until it is ended").set_defaults(command=_run)
    commands.add_parser("check", help="say whether everything is ready (exit code 1: it is not)").set_defaults(
        command=_check
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
