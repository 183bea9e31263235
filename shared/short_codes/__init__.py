"""Codes that people type: how they look, how they are read, and how often anybody may guess.

Owns: the alphabet, the reading of what was typed, and the counters of wrong guesses. Does not own: what a code
stands for, nor where its row lies; whoever gives codes out brings the table. It may import ``shared.faults`` and
``shared.storage``.
"""

from shared.short_codes.codes import ALPHABET, CODE_LETTERS, new_code, normal_code, shown
from shared.short_codes.guesses import Guesses, network_of

__all__ = ["ALPHABET", "CODE_LETTERS", "Guesses", "network_of", "new_code", "normal_code", "shown"]
