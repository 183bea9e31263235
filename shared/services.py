"""The composition root: builds the rooms from the settings, each once, when it is first asked for."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING

from shared import settings as settings_room
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.administrators import Sessions as ConsoleSessions
    from shared.audit import Audit
    from shared.devices import Devices, Groups, Limits, Nonces, Serials, Tickets, Tokens
    from shared.devices.enrolment import Enrolments
    from shared.devices.rollover import Rollover
    from shared.doctor import Doctor
    from shared.handoffs import Handoffs
    from shared.identity import Authorizations, Entra, MailboxEntra
    from shared.identity.client_assertion import ClientAssertion, FederatedAssertion
    from shared.identity.managed_identity import ManagedIdentity
    from shared.mail import Graph, Mailboxes, Smtp, Transports
    from shared.mailboxes import Accounts, MailboxConsent, Outgoings, SignIns, SignInsByLink, Statuses
    from shared.organisations import Consents, Organisations
    from shared.pages import Pages
    from shared.people import FirstLogins, PanelBrowser, People
    from shared.privacy import Erasure, Overviews, Sessions, Traces
    from shared.scans import (
        Acceptance,
        Announcements,
        Delivery,
        Desk,
        FailureNotices,
        HoldIndex,
        Holds,
        Jobs,
        Ledger,
        Restored,
        Retention,
        Slots,
        Sweep,
        Uploads,
        Ways,
    )
    from shared.storage import Storage
    from shared.vault import Grant, Grants, KeepAlive, Renewals, Sealer
    from shared.vault.data_keys import DataKeys
    from shared.vault.key_encryption import KeyEncryption
    from shared.vault.key_upkeep import KeyUpkeep


def now() -> datetime:
    """Return the time now, aware, in UTC."""
    return datetime.now(UTC)


class Services:
    """Every room, built lazily: a door that never sends mail never imports what sends mail.

    Args:
        settings: what the app is told from outside.
        clock: the time now.
        random_bytes: gives n unpredictable bytes.
        below: ``below(n)`` gives an unpredictable number from 0 to n-1.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime] = now,
        random_bytes: Callable[[int], bytes] = os.urandom,
        below: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self._random_bytes = random_bytes
        self._below = below
        self._identities: dict[str, ManagedIdentity] = {}
        # The SDKs tell every request at INFO, addresses included.
        for vendor in ("azure", "msal", "urllib3"):
            logging.getLogger(vendor).setLevel(logging.WARNING)

    def secret(self) -> str:
        """Make an unguessable text, fit for a cookie or a state."""
        return self._random_bytes(32).hex()

    @cached_property
    def storage(self) -> Storage:
        """Tables, queues and blobs."""
        from shared.storage import Addresses, ByIdentity, Storage, Token

        told = self.settings
        new_id = lambda: self._random_bytes(8).hex()  # noqa: E731
        if told.data_storage:
            return Storage(told.data_storage, new_id)
        addresses = Addresses(told.data_blob_service, told.data_queue_service, told.data_table_service)
        identity = self._identity(told.data_client_id)

        def token(resource: str) -> Token:
            made = identity.dated_token(resource)
            # The SDKs and MSAL look at the machine's own clock.
            return Token(made.text, int(time.time()) + made.lives, made.stale)

        return Storage(ByIdentity(addresses, token), new_id)

    @cached_property
    def sealer(self) -> Sealer:
        """The cipher."""
        from shared.vault import Sealer

        return Sealer(self.data_keys, self.settings.environment, self._random_bytes)

    @cached_property
    def key_encryption(self) -> KeyEncryption:
        """What wraps the tenants' data keys."""
        if self.settings.vault_keys:
            from shared.vault.key_encryption import KeyFile

            return KeyFile(self.settings.vault_keys)
        from shared.vault.key_vault import KeyVault

        return KeyVault(self.settings.key_encryption_key, self.managed_identity.token, self.clock)

    @cached_property
    def managed_identity(self) -> ManagedIdentity:
        """The identity that Azure gives this app."""
        return self._identity(self.settings.managed_identity_client_id)

    @cached_property
    def data_keys(self) -> DataKeys:
        """The tenants' data keys."""
        from shared.vault.data_keys import DataKeys

        return DataKeys(
            self.storage.table("keys"),
            self.key_encryption,
            self.settings.environment,
            [key for key in (self.settings.service_key, self.settings.former_service_key) if key],
            self.clock,
            self._random_bytes,
        )

    @cached_property
    def key_upkeep(self) -> KeyUpkeep:
        """Rotation of keys."""
        from shared.vault.key_upkeep import KeyUpkeep

        return KeyUpkeep(self.data_keys, [self.grants.rows, self.mailbox_grants.rows], self.clock)

    @cached_property
    def entra(self) -> Entra:
        """Entra ID."""
        from shared.identity import Entra

        return Entra(self.settings.authority_url, self.settings.client_id, self.client_proof, self.clock)

    @cached_property
    def client_proof(self) -> ClientAssertion | FederatedAssertion:
        """By what the app proves itself to Entra."""
        from shared.identity.client_assertion import ClientAssertion, FederatedAssertion

        told = self.settings
        if told.client_certificate:
            return ClientAssertion(told.client_id, told.client_certificate, self.clock)
        return FederatedAssertion(self.managed_identity.token)

    @cached_property
    def authorizations(self) -> Authorizations:
        """Authorizations under way."""
        from shared.identity import Authorizations

        return Authorizations(
            self.storage.table("authorizations"),
            self.sealer,
            self.entra,
            f"{self.settings.public_url}/auth/callback",
            self.clock,
            self.secret,
        )

    @cached_property
    def grants(self) -> Grants:
        """People's sealed tokens."""
        from shared.vault import Grants

        return Grants(
            self.storage.table("grants"),
            self.renewals,
            self.sealer,
            self.entra,
            self.clock,
            new_id=lambda: self._random_bytes(8).hex(),
            sleep=time.sleep,
            below=self._below,
        )

    @cached_property
    def renewals(self) -> Renewals:
        """When sleeping grants must be renewed."""
        from shared.vault import Renewals

        return Renewals(self.storage.table("renewals"), self.clock, lambda: self._random_bytes(8).hex())

    @cached_property
    def keep_alive(self) -> KeepAlive:
        """Renewing what is due."""
        from shared.mail import Notices
        from shared.vault import KeepAlive

        notices = Notices(self.graph)

        def notice(grant: Grant, token: str) -> None:
            assert grant.ends is not None
            notices.sign_in_ends(token, grant.ends, grant.locale)

        return KeepAlive(self.renewals, self.grants, self.organisations, notice, self.clock)

    @cached_property
    def mailbox_entra(self) -> MailboxEntra | None:
        """Entra ID for printers' own mailboxes; None where they have no app registration."""
        from shared.identity import MailboxEntra

        told = self.settings
        if not told.mailbox_client_id:
            return None
        return MailboxEntra(told.authority_url, told.mailbox_client_id, self.entra, self.clock)

    @cached_property
    def mailbox_grants(self) -> Grants:
        """Sealed tokens of printers' own mailboxes."""
        from shared.vault import Grants

        return Grants(
            self.storage.table("mailboxgrants"),
            self.mailbox_renewals,
            self.sealer,
            self.mailbox_entra or self.entra,
            self.clock,
            new_id=lambda: self._random_bytes(8).hex(),
            sleep=time.sleep,
            below=self._below,
            name="mailboxgrants",
        )

    @cached_property
    def mailbox_renewals(self) -> Renewals:
        """When sleeping tokens of printers' mailboxes must be renewed."""
        from shared.vault import Renewals

        return Renewals(self.storage.table("mailboxrenewals"), self.clock, lambda: self._random_bytes(8).hex())

    @cached_property
    def mailbox_keep_alive(self) -> KeepAlive:
        """Renewing the tokens of printers' mailboxes. No policy ends these, so nobody is told of an end."""
        from shared.vault import KeepAlive

        return KeepAlive(self.mailbox_renewals, self.mailbox_grants, self.mailbox_accounts, lambda *_: None, self.clock)

    @cached_property
    def mailbox_accounts(self) -> Accounts:
        """The accounts that printers send from in their own name."""
        from shared.mailboxes import Accounts

        return Accounts(self.storage.table("mailboxes"), self.mailbox_grants)

    @cached_property
    def mailbox_authorizations(self) -> Authorizations:
        """Authorizations under way through the mailbox's app registration."""
        from shared.identity import Authorizations

        return Authorizations(
            self.storage.table("authorizations"),
            self.sealer,
            self.mailbox_entra or self.entra,
            f"{self.settings.public_url}/auth/mailbox",
            self.clock,
            self.secret,
        )

    @cached_property
    def mailbox_consent(self) -> MailboxConsent:
        """The consent link of the mailbox's app registration."""
        from shared.mailboxes import MailboxConsent

        return MailboxConsent(self.mailbox_entra, f"{self.settings.public_url}/auth/mailbox")

    @cached_property
    def mailbox_sign_ins(self) -> SignIns:
        """Sign-ins of printers' mailboxes under way."""
        from shared.mailboxes import SignIns

        return SignIns(
            self.storage.table("handoffs"),
            self.mailbox_accounts,
            self.mailbox_grants,
            self.mailbox_entra,
            self.graph,
            self.sealer,
            self.clock,
            self._random_bytes,
        )

    @cached_property
    def mailbox_sign_ins_by_link(self) -> SignInsByLink:
        """Sign-ins of printers' mailboxes that go through a browser."""
        from shared.mailboxes import SignInsByLink

        return SignInsByLink(
            self.mailbox_sign_ins, self.organisations, self.authorizations, self.mailbox_authorizations
        )

    @cached_property
    def outgoings(self) -> Outgoings:
        """The way out for printers' own mail."""
        from shared.mail import GraphSend, Transports
        from shared.mailboxes import Outgoings
        from shared.organisations import RANGES

        outlook = Transports(GraphSend(self.graph), None, self.outlook_smtp, RANGES.values())
        return Outgoings(
            self.mailbox_accounts,
            self.mailbox_grants,
            self.devices,
            self.organisations,
            {"exchange_online": self.transports, "outlook_com": outlook},
            self.clock,
        )

    @cached_property
    def mailbox_statuses(self) -> Statuses:
        """The status of printers' mail and fax servers."""
        from shared.mailboxes import Statuses

        return Statuses(self.mailbox_accounts, self.mailbox_grants, self.outgoings)

    @cached_property
    def handoffs(self) -> Handoffs:
        """Tasks on their way between a panel and a browser."""
        from shared.handoffs import Handoffs

        return Handoffs(self.storage.table("handoffs"), self.sealer, self.settings.service_key, self.clock, self._below)

    @cached_property
    def organisations(self) -> Organisations:
        """Customer tenants."""
        from shared.organisations import Organisations

        return Organisations(self.storage.table("organisations"), self.clock)

    @cached_property
    def consents(self) -> Consents:
        """Admin consent under way."""
        from shared.organisations import Consents

        return Consents(
            self.organisations,
            self.handoffs,
            self.authorizations,
            self.entra,
            f"{self.settings.public_url}/consent/callback",
        )

    @cached_property
    def nonces(self) -> Nonces:
        """Nonces for devices."""
        from shared.devices import Nonces

        return Nonces(self.settings.service_key, self.clock, self._random_bytes)

    @cached_property
    def tickets(self) -> Tickets:
        """Enrolment tickets."""
        from shared.devices import Tickets

        return Tickets(
            self.storage.table("tickets"), self.settings.service_key, self.clock, self._random_bytes, self._below
        )

    @cached_property
    def devices(self) -> Devices:
        """Enrolled printers."""
        from shared.devices import Devices

        return Devices(self.storage.table("devices"))

    @cached_property
    def serials(self) -> Serials:
        """The serial numbers that organisations let enrol."""
        from shared.devices import Serials

        return Serials(self.storage.table("devices"), self.storage.table("tickets"), self.clock)

    @cached_property
    def groups(self) -> Groups:
        """The rules of device groups."""
        from shared.devices import Groups

        return Groups(self.storage.table("devices"))

    @cached_property
    def enrolments(self) -> Enrolments:
        """Enrolling printers."""
        from shared.devices.enrolment import Enrolments

        return Enrolments(self.devices, self.tickets, self.serials, self.nonces, self.settings.public_url, self.clock)

    @cached_property
    def rollover(self) -> Rollover:
        """Replacing printers' keys."""
        from shared.devices.rollover import Rollover

        return Rollover(self.storage.table("devices"), self.nonces, self.settings.public_url, self.clock)

    @cached_property
    def limits(self) -> Limits:
        """How much printers may ask for."""
        from shared.devices import Limits

        return Limits(self.storage.table("assertions"), self.settings.service_key, self.clock, self._below)

    @cached_property
    def tokens(self) -> Tokens:
        """Tokens of the device API."""
        from shared.devices import Tokens
        from shared.devices.assertions import Assertions
        from shared.devices.once import Once

        return Tokens(
            self.devices,
            Assertions(self.devices, self.rollover, self.nonces, self.settings.public_url),
            self.rollover,
            self.groups,
            self.limits,
            Once(self.storage.table("assertions"), self.clock),
            self.nonces,
            self.settings.public_url,
            self.settings.service_key,
            self.clock,
            self._random_bytes,
        )

    @cached_property
    def graph(self) -> Graph:
        """Microsoft Graph."""
        from shared.mail import Graph

        return Graph(self.settings.graph_url, self.clock)

    @cached_property
    def mailboxes(self) -> Mailboxes:
        """Whose mailbox a token is for."""
        from shared.mail import Mailboxes

        return Mailboxes(self.graph, self.clock)

    @cached_property
    def transports(self) -> Transports:
        """The ways out, and the choice between them."""
        from shared.mail import GraphDraft, GraphSend, Transports
        from shared.organisations import RANGES

        drafts = GraphDraft(self.graph, time.sleep)
        return Transports(GraphSend(self.graph), drafts, self.exchange_smtp, RANGES.values())

    @cached_property
    def exchange_smtp(self) -> Smtp:
        """Exchange Online's submission."""
        from shared.mail import Smtp

        return Smtp("exchange-smtp", self.settings.smtp_host, self.settings.public_url, self.clock)

    @cached_property
    def outlook_smtp(self) -> Smtp:
        """Outlook.com's submission."""
        from shared.mail import Smtp

        return Smtp("outlook-smtp", self.settings.outlook_smtp_host, self.settings.public_url, self.clock)

    @cached_property
    def people(self) -> People:
        """The people of device groups."""
        from shared.people import People

        return People(self.storage.table("people"), self.organisations, self.grants, self.traces, self.clock)

    @cached_property
    def first_logins(self) -> FirstLogins:
        """First logins of printers' users."""
        from shared.people import FirstLogins

        return FirstLogins(
            self.people,
            self.organisations,
            self.grants,
            self.handoffs,
            self.authorizations,
            self.graph,
            self.traces,
            # Asked for when it happens: a page that only looks needs nothing of what is held.
            lambda tid, group, user: self.holds.signed_in(tid, group, user),  # noqa: PLW0108
            self.clock,
        )

    @cached_property
    def panel_browser(self) -> PanelBrowser:
        """First logins in panels' own browsers."""
        from shared.people import PanelBrowser

        return PanelBrowser(self.first_logins, self.handoffs, self.organisations, self.entra, self.settings.public_url)

    @cached_property
    def traces(self) -> Traces:
        """Where a person's things lie."""
        from shared.privacy import Traces

        return Traces(self.storage.table("traces"), self.storage.table("jobs"))

    @cached_property
    def erasure(self) -> Erasure:
        """Erasing people."""
        from shared.privacy import Erasure

        return Erasure(
            self.storage.table("erasures"),
            self.traces,
            self.grants,
            self.organisations,
            self.people,
            self.handoffs,
            self.retention,
            self.console_sessions,
            self.clock,
        )

    @cached_property
    def overviews(self) -> Overviews:
        """What is stored about a person."""
        from shared.privacy import Overviews

        return Overviews(self.traces, self.grants, self.people, self.jobs, self.devices, self.organisations)

    @cached_property
    def sessions(self) -> Sessions:
        """The cookie of a person's own page."""
        from shared.privacy import Sessions

        return Sessions(lambda: self.authorizations, self.settings.service_key, self.clock)

    @cached_property
    def jobs(self) -> Jobs:
        """The rows of scan jobs."""
        from shared.scans import Jobs

        return Jobs(self.storage.table("jobs"), self.clock)

    @cached_property
    def announcements(self) -> Announcements:
        """What is written before a scan's first byte."""
        from shared.scans import Announcements

        return Announcements(self.storage.table("jobs"), self.traces)

    @cached_property
    def retention(self) -> Retention:
        """How long jobs live."""
        from shared.scans import Retention

        return Retention(
            self.jobs,
            self.announcements,
            self.slots,
            self.storage.blobs("documents"),
            self.hold_index,
            self.failure_notices,
            self.clock,
        )

    @cached_property
    def restored(self) -> Restored:
        """The jobs of a backup."""
        from shared.scans import Restored

        return Restored(self.jobs)

    @cached_property
    def hold_index(self) -> HoldIndex:
        """Where a sign-in finds what it releases."""
        from shared.scans import HoldIndex

        return HoldIndex(self.storage.table("jobs"))

    @cached_property
    def holds(self) -> Holds:
        """What waits for its person."""
        from shared.scans import Holds

        return Holds(
            self.hold_index,
            self.jobs,
            self.announcements,
            self.storage.blobs("documents"),
            self.storage.queue("deliveries"),
            self.organisations,
            self.people,
            self.failure_notices,
            self.clock,
        )

    @cached_property
    def ways(self) -> Ways:
        """Where a scan goes whose document is there."""
        from shared.scans import Ways

        return Ways(self.jobs, self.holds, self.people, self.storage.queue("deliveries"), self.clock)

    @cached_property
    def uploads(self) -> Uploads:
        """What waits for its document."""
        from shared.scans import Uploads

        return Uploads(self.jobs, self.storage.blobs("documents"), self.ways, self.clock)

    @cached_property
    def failure_notices(self) -> FailureNotices:
        """Telling people what failed."""
        from shared.mail import GraphSend
        from shared.scans import FailureNotices

        return FailureNotices(
            self.storage.table("jobs"),
            self.grants,
            self.organisations,
            self.mailboxes,
            GraphSend(self.graph),
            self.clock,
        )

    @cached_property
    def acceptance(self) -> Acceptance:
        """Accepting scans."""
        from shared.scans import Acceptance

        return Acceptance(
            self.jobs,
            self.announcements,
            self.storage.blobs("documents"),
            self.organisations,
            self.transports,
            self.ways,
            self.holds,
            self.hold_index,
            self.clock,
            self.outgoings,
        )

    @cached_property
    def delivery(self) -> Delivery:
        """Delivering scans."""
        from shared.scans import Claims, Delivery, Heartbeats, Outcomes

        documents, deliveries = self.storage.blobs("documents"), self.storage.queue("deliveries")
        claims = Claims(self.jobs, self.organisations, self.clock)
        outcomes = Outcomes(
            self.jobs,
            documents,
            deliveries,
            self.organisations,
            claims,
            self.holds,
            self.failure_notices,
            self.outgoings,
            self.clock,
            self._below,
        )
        return Delivery(
            self.jobs,
            documents,
            deliveries,
            self.grants,
            self.organisations,
            self.mailboxes,
            self.transports,
            self.slots,
            claims,
            Heartbeats(claims),
            self.outgoings,
            outcomes,
            self.clock,
            self._below,
        )

    def _identity(self, client_id: str) -> ManagedIdentity:
        from shared.identity.managed_identity import ManagedIdentity

        return self._identities.setdefault(client_id, ManagedIdentity(client_id))

    @cached_property
    def slots(self) -> Slots:
        """Mails that are about to leave."""
        from shared.scans import Slots

        return Slots(self.storage.table("jobs"), self.clock)

    @cached_property
    def sweep(self) -> Sweep:
        """What nobody else wakes."""
        from shared.scans import Sweep

        return Sweep(
            self.jobs,
            self.storage.blobs("documents"),
            self.storage.queue("deliveries"),
            self.holds,
            self.uploads,
            self.clock,
        )

    @cached_property
    def ledger(self) -> Ledger:
        """The scans of an organisation."""
        from shared.scans import Ledger

        return Ledger(self.storage.table("jobs"), self.jobs, self.clock)

    @cached_property
    def desk(self) -> Desk:
        """What an administrator may do with a scan."""
        from shared.scans import Desk

        return Desk(self.jobs, self.holds, self.acceptance, self.storage.queue("deliveries"), self.clock)

    @cached_property
    def console_sessions(self) -> ConsoleSessions:
        """Who is at the console."""
        from shared.administrators import Sessions

        return Sessions(self.storage.table("sessions"), self.authorizations, self.clock, self.secret)

    @cached_property
    def audit(self) -> Audit:
        """Who did what in the console."""
        from shared.audit import Audit

        return Audit(self.storage.table("audit"), self.clock, lambda: self._random_bytes(8).hex())

    @cached_property
    def doctor(self) -> Doctor:
        """Who proves what sending needs, by asking."""
        from shared.doctor import Doctor
        from shared.doctor.rounds import Rounds
        from shared.doctor.subjects import Subjects

        def account_hint(tid: str, oid: str) -> str:
            return next((pin.account_hint for _, pin in self.people.pinned(tid, oid)), "")

        subjects = Subjects(
            self.organisations,
            self.grants,
            self.mailbox_grants,
            self.devices,
            self.mailbox_accounts,
            self.outgoings,
            self.exchange_smtp,
            self.outlook_smtp,
            account_hint,
        )
        return Doctor(
            subjects,
            Rounds(self.entra, self.client_proof, self.graph, self.key_encryption, self.clock),
            self.storage,
            self.limits,
            self.exchange_smtp,
            self.clock,
            key_file=bool(self.settings.vault_keys),
            federated=not self.settings.client_certificate,
        )

    @cached_property
    def pages(self) -> Pages:
        """What people see in a browser."""
        from shared.pages import Pages

        return Pages([self.settings.authority_url])


@cache
def services() -> Services:
    """Return the services of this process, built from its environment on the first call.

    Raises:
        SettingsInvalid: the environment is incomplete; asked again the next time.
    """
    return Services(settings_room.from_environment())
