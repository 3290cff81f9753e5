"""Writes the JSON Schemas anew."""

from schema.json import FOLDER, schemas

for name, text in schemas().items():
    (FOLDER / name).write_text(text)
