"""A proxy between the function and a service that injects faults: see tests/fault_proxy/server.py."""

from tests.fault_proxy.faults import Faults
from tests.fault_proxy.record import Call, Record
from tests.fault_proxy.server import FaultProxy

__all__ = ["Call", "FaultProxy", "Faults", "Record"]
