"""The sender of the channels of the kind kmip: connect, make sure who listens, decide, send, and read the answer.

The client is known before anything is decided for it, and the decision is as young as it can be: an object that is
destroyed while its receiver is away is put no more. No transaction is open while a receiver is waited for.
"""

from __future__ import annotations

from dataclasses import dataclass

from kmip_server.announcing.contents import Asking, Content, content_of, version_of
from kmip_server.announcing.messages import check_answer
from kmip_server.announcing.receivers import Receivers
from kmip_server.identity.certificate import IdentityError
from kmip_server.operations.services import Services
from kmip_server.storage.port import StorageConflict, StorageUnavailable
from kmip_server.storage.store import Store
from notifying.transport import Delivery, NotDeliveredError
from policy.channels import announcement


@dataclass(frozen=True)
class KmipSender:
    """Sends Notify and Put for a store. It is called in threads."""

    receivers: Receivers
    store: Store
    services: Services

    def __call__(self, delivery: Delivery) -> str:
        """Deliver a message; what came back. Raises NotDeliveredError, WithheldError, OSError."""
        message = delivery.message
        with self.receivers.connected(delivery) as peer:
            content = self._content(delivery)
            answer = peer.exchange(content.message)
        check_answer(answer, content.version, content.operation, message.message_id)
        return f"{content.operation.title} taken"

    def _content(self, delivery: Delivery) -> Content:
        announced = announcement(delivery.channel)
        try:
            directory = self.receivers.directory()
            caller = directory.named(announced.client)
            with self.store.unit(writes=True) as unit:
                if unit.epoch() != directory.epoch:
                    # The service reads the new ones in a moment.
                    raise NotDeliveredError("accounts or policy have just changed")
                version = version_of(announced)
                asking = Asking(unit, self.services, directory.ruling, caller, version, delivery.now)
                return content_of(asking, announced, delivery.message)
        except IdentityError as error:
            raise NotDeliveredError(f"{announced.client}: {error}") from None
        except (StorageConflict, StorageUnavailable) as error:
            raise NotDeliveredError(f"the server's storage: {error}") from None
