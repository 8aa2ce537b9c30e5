from __future__ import annotations

from labelctl.local.rekognition.server import main

raise SystemExit(main())
