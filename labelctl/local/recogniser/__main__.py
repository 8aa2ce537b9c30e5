from __future__ import annotations

from labelctl.local.recogniser.server import main

raise SystemExit(main())
