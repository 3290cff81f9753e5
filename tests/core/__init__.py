"""The rules on their own: tables of named cases, and what must hold of every case."""
