"""Two sites share a key, replace it and revoke it, by the hand of PyKMIP alone, which knows nothing of DSCC.

make run                                    # in one terminal
.venv/bin/pip install pykmip                # in another
.venv/bin/python demo/walk.py run
"""

import sys
import time

from kmip.core.enums import AttributeType, CryptographicAlgorithm, CryptographicUsageMask, RevocationReasonCode
from kmip.core.factories.attributes import AttributeFactory
from kmip.pie.client import ProxyKmipClient

folder = sys.argv[1] if len(sys.argv) > 1 else "run"
site_a, site_b = (
    ProxyKmipClient(config_file=f"{folder}/{site}/clients/demo/pykmip.conf") for site in ("site-a", "site-b")
)
uses = [CryptographicUsageMask.ENCRYPT, CryptographicUsageMask.DECRYPT]
# The policy of both sites has keys with such names negotiated. A Name is given once: next time it is another one.
name = f"shared-{int(time.time())}"
named = [AttributeFactory().create_attribute(AttributeType.NAME, name)]

with site_a, site_b:
    key = site_a.create(CryptographicAlgorithm.AES, 256, name=name, cryptographic_usage_mask=uses)
    print("site-a has created", key)
    print("site-b locates    ", *site_b.locate(attributes=named))
    print("the same key:", site_a.get(key).value == site_b.get(key).value)

    site_a.activate(key)
    new = site_a.rekey(key)
    print("site-a has replaced it by", new)
    print("site-b locates           ", *site_b.locate(attributes=named))
    print("the same key:", site_a.get(new).value == site_b.get(new).value)

    site_b.revoke(RevocationReasonCode.KEY_COMPROMISE, new, "lost")
    _, states = site_a.get_attributes(new, ["State"])
    print("site-b has revoked it; at site-a it is", states[0].attribute_value.value.name)
