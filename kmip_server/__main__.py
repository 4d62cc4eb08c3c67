"""`python -m kmip_server` is the command line `kmip-server`."""

import sys

from kmip_server.cli.main import main

sys.exit(main())
