"""Critical points: found, merged modulo symmetry, classified."""
