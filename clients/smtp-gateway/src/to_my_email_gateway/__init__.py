r"""A gateway for printers that only speak SMTP: their scan mail becomes scans of To My Email.

::

    printer --SMTP--> session --> documents --> handover --HTTPS--> the service
                         \-- printers (who may), people (whose mailbox) --/

What it owns, from the bottom up: ``replies`` (what a printer is told, and which faults it tries again),
``people`` (address to the service's user id), ``settings`` (gateway.toml), ``printers`` (who may hand in mail,
their hashed secrets), ``documents`` (the scans in a mail), ``handover`` (bringing them to the service, under ids
that a repeated mail has again), ``reading`` (a mail up to its dot), ``session`` (SMTP as printers speak it),
``server`` (listening and its limits), ``cli`` (the program ``to-my-email-gateway``).

It promises one thing: 250 is said only once the service has the scan. It keeps no queue; whatever is not yet
at the service is still the printer's. It imports ``aiosmtpd`` and ``to_my_email``, the device client; nothing
of the service. Its logger is ``to_my_email_gateway``; no address, subject, secret or file name is ever logged.
"""
