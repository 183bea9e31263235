"""What brings the service into Azure: Bicep, app registrations, the package that is deployed.

Owns: the templates (``main.bicep`` and ``modules/``) and what checks them (``bicep``, ``models``), the two app
registrations (``entra/``), the package and its bill of materials (``package``, ``sbom``), and what ``azd`` calls
(``hooks/``). None of it is deployed itself, and nothing of the service imports it. It may import nothing from
``functions``, ``shared`` or ``local``: names that both sides must agree on are compared by tests.
"""
