"""The two app registrations: what they must be (``manifest``), what makes them so (``register``), and ``check``.

``register`` and ``check`` speak to Microsoft Graph through ``az rest`` (``graph``), with the rights of whoever is
signed in to the Azure CLI; no credential passes through here. Manifests are those of Graph's ``application`` resource.
"""
