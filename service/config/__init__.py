"""The configuration: one definition of every key, read from file, variables and credentials, checked offline.

A key `desk.user` is also the variable ALONGSIDE_DESK__USER. A secret `desk.token` may instead lie in a file
(`desk.token_file`, ALONGSIDE_DESK__TOKEN_FILE) or be a systemd credential named `desk.token`. Variables go
before credentials, credentials before the file; a relative path starts at the configuration file's folder.
"""

from service.config import agreement
from service.config.forms import Secret, Toml, read_key, say_length, sqlite_url
from service.config.loading import DEFAULT_FILE, fault_of, load
from service.config.reading import OTHER_VARIABLES
from service.config.sections import BY_NAME, KEYS, SECTIONS, Key, WebSection
from service.config.settings import Settings
from service.config.writing import example, render, to_toml

__all__ = [
    "BY_NAME",
    "DEFAULT_FILE",
    "KEYS",
    "OTHER_VARIABLES",
    "SECTIONS",
    "Key",
    "Secret",
    "Settings",
    "Toml",
    "WebSection",
    "agreement",
    "example",
    "fault_of",
    "load",
    "read_key",
    "render",
    "say_length",
    "sqlite_url",
    "to_toml",
]
