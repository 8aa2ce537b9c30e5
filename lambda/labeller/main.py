"""What Lambda calls: `handler`, the template's Handler. Lambda imports this module once per process."""

from __future__ import annotations

import os

from labeller.clients import Clients
from labeller.handler import Handler

handler = Handler(Clients(), os.environ).handle
