"""A proxy between the function and a service that injects faults: see tests/standin/server.py."""

from tests.standin.faults import Faults
from tests.standin.record import Call, Record
from tests.standin.server import StandIn

__all__ = ["Call", "Faults", "Record", "StandIn"]
