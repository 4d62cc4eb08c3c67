"""Two sites share a key, replace it and revoke it, by the hand of PyKMIP alone: the example of the README."""

import sys
import time

from kmip.core.enums import AttributeType, CryptographicAlgorithm, CryptographicUsageMask, RevocationReasonCode, State
from kmip.core.factories.attributes import AttributeFactory
from kmip.pie.client import ProxyKmipClient

folder = sys.argv[1] if len(sys.argv) > 1 else "run"
site_a = ProxyKmipClient(config_file=f"{folder}/site-a/clients/demo/pykmip.conf")
site_b = ProxyKmipClient(config_file=f"{folder}/site-b/clients/demo/pykmip.conf")
uses = [CryptographicUsageMask.ENCRYPT, CryptographicUsageMask.DECRYPT]
# Keys with such names are shared, by the policy of both sites. A Name is given once: next time it is another one.
name = f"shared-{int(time.time())}"
named = [AttributeFactory().create_attribute(AttributeType.NAME, name)]


def state(client, key):
    return client.get_attributes(key, ["State"])[1][0].attribute_value.value


with site_a, site_b:
    key = site_a.create(CryptographicAlgorithm.AES, 256, name=name, cryptographic_usage_mask=uses)
    print("site-a has created", key)
    print("site-b locates    ", *site_b.locate(attributes=named))
    print("the same key:", site_a.get(key).value == site_b.get(key).value)

    site_a.activate(key)
    new = site_a.rekey(key)
    print("site-a has replaced it by", new)
    while site_b.locate(attributes=named) == [key]:
        time.sleep(0.1)
    print("site-b locates           ", *site_b.locate(attributes=named))
    print("the same key:", site_a.get(new).value == site_b.get(new).value)

    site_b.revoke(RevocationReasonCode.KEY_COMPROMISE, new, "lost")
    while state(site_a, new) is not State.COMPROMISED:
        time.sleep(0.1)
    print("site-b has revoked it; at site-a it is", state(site_a, new).name)
