"""The rooms: one package per capability, wired together by ``services.py``.

A room imports ``storage``, ``faults`` and the standard library; another room only through
the object that ``services.py`` hands it. No room imports a door (``functions/``) and none
knows whether it runs in Azure or on one machine.
"""
