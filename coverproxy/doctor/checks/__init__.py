"""The doctor's checks: a module per part of the installation; each check yields findings with advice."""
