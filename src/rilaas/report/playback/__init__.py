"""A drive to look at again: what is kept of it in one file, and a page on which it is played on one clock.

Takes a ``Recording``; gives its bytes, a document for the player, and a page of HTML that needs no network.
May import core and the rest of report; the player's script and style are served by the hub too.
"""

from rilaas.report.playback.document import player_document
from rilaas.report.playback.file import MAX_FILE_BYTES, SUFFIX, read_recording, write_recording
from rilaas.report.playback.page import PLAYER_FILES, player_file, to_page
from rilaas.report.playback.recording import About, Box, Light, MapPicture, Mark, Mover, Recording, Signal, View

__all__ = [
    "MAX_FILE_BYTES",
    "PLAYER_FILES",
    "SUFFIX",
    "About",
    "Box",
    "Light",
    "MapPicture",
    "Mark",
    "Mover",
    "Recording",
    "Signal",
    "View",
    "player_document",
    "player_file",
    "read_recording",
    "to_page",
    "write_recording",
]
