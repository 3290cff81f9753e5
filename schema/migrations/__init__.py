"""How a database comes from any earlier form of the tables to the present one, one revision at a time.

A revision runs while the previous version of the program is still up: it adds, and what it replaces goes one
version later. `REVISIONS` names them in order; the last is what this program needs.
"""

REVISIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0007",
    "0008",
    "0009",
    "0010",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
)
