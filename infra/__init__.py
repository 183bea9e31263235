"""What brings the service into Azure: Bicep, app registrations, the package that is deployed.

Owns: the templates (``main.bicep`` and ``modules/``), the two app registrations (``entra/``), the package and its bill
of materials (``package``, ``sbom``), what ``azd`` calls (``hooks/``). None of it is deployed itself, and nothing of the
service imports it. It may import nothing from ``functions`` or ``local``, and from ``shared`` only names that both sides
must agree on.
"""
