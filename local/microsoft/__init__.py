"""An emulated Microsoft cloud: Entra ID, Graph's mail, Exchange's SMTP, the mailboxes, and Key Vault.

Owns a counterpart that behaves on the wire, over TLS, as Microsoft documents it, so that unchanged
MSAL and the unchanged app can be run, tried and tested on one machine. It is strict: what Entra or
Graph refuses is refused here with the error that they give. It owns no test and no part of the app,
and it may import nothing from ``shared`` or ``functions``: a counterpart that shares code with what
it judges would share its mistakes.

``directory``       tenants, accounts and roles that exist from the start
``permissions``     what scopes mean, who may consent to them
``refusals``        the AADSTS errors
``keys``            signing keys and JWKS
``records``         what the cloud keeps; ``cloud`` keeps it, behind one lock; ``refresh_tokens`` rotates
``tokens``          ID tokens and access tokens
``clients``         how a client proves itself at the token endpoint
``login``           metadata, keys, authorize, logout; ``admin_consent`` and ``token`` its siblings
``device_code``     the device code flow, ``device_codes`` what was given out
``interaction``     a request that a person is answering; ``sign_in`` its pages; ``pages`` renders
``graph``           /v1.0/me and sendMail; ``drafts`` /v1.0/me/messages and upload sessions
``mail``            parses and delivers messages; ``mailbox_pages`` shows them
``smtp``            a connection to Exchange's submission; ``smtp_submission`` what they share,
                    ``smtp_replies`` its refusals, ``smtp_server`` serves it
``key_vault``       Azure Key Vault with one key; ``managed_identity`` the token endpoint of App Service
``switchboard``     faults and the journal; ``wire`` lays them on; ``switch_pages`` its page and API
``person``          somebody with a browser, driven over HTTP, for tests and benches
``server``          serves it in a thread; ``__main__`` as a process; ``snapshot`` outlives that

Not emulated: multi-factor prompts, continuous access evaluation by itself (its
challenge can be switched on as a fault), directory administration.
"""
