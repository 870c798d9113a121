"""Fakes of the outside world as real HTTP servers, with scripted faults: for demonstrations, tests and try-outs."""
