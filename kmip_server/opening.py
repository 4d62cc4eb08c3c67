"""Opening the server of a directory: from its settings and master key to a service that answers requests."""

from __future__ import annotations

import gc
from contextlib import closing
from dataclasses import replace
from time import time

from twisted.internet.base import ReactorBase

from kmip_server.announcing.receivers import Receivers
from kmip_server.announcing.sender import KmipSender
from kmip_server.automating.automation import Automation
from kmip_server.config import Settings
from kmip_server.cryptography.self_test import self_test
from kmip_server.engine import Engine
from kmip_server.etsi014.delivery import GatewayDelivery
from kmip_server.etsi014.resource import KeysResource
from kmip_server.etsi014.service import KeyDelivery
from kmip_server.etsi014.service import NoGateway as NoKeys
from kmip_server.gateway.client import GatewayClient, NoGateway
from kmip_server.identity.directory import DirectorySource
from kmip_server.listeners.handler import Resource
from kmip_server.listeners.settings import TlsSettings
from kmip_server.operations.negotiation import Negotiator
from kmip_server.operations.services import OperationLimits, Services
from kmip_server.service import Service
from kmip_server.storage.accounts import EpochReader, list_clients, read_accounts, read_policy
from kmip_server.storage.database import Database
from kmip_server.storage.master_key import MasterKey
from kmip_server.storage.store import Store
from kmip_server.ttlv.item import Limits
from kmip_server.ttlv.versions import SUPPORTED_VERSIONS
from notifying.deliverer import DeliverySettings
from policy.model import ChannelKind


def open_service(
    reactor: ReactorBase, settings: Settings, master_key: MasterKey, tls: TlsSettings, *, trace: bool = False
) -> Service:
    """The service of a server directory. Raises what its store, its policies and the self-test raise."""
    store = Store.open(settings.storage.url, master_key)
    engine, directories = open_engine(settings, store)
    limits = settings.limits
    negotiator: Negotiator = NoGateway()
    if settings.dscc.enabled:
        negotiator = GatewayClient(reactor, settings.directory, settings.dscc.answer_seconds)
    service = Service(
        reactor,
        engine,
        store.lanes(
            on_group_done=reactor.callFromThread,
            call_soon=lambda function: reactor.callLater(0, function),
            queue_limit=limits.queue,
        ),
        directories,
        limits=Limits(message_bytes=limits.message_bytes, depth=limits.depth, nodes=limits.nodes),
        principal=settings.tls.principal,
        require_client_auth_usage=settings.tls.require_client_auth_usage,
        trace=trace,
        delivery=delivery_settings(settings),
        senders={ChannelKind.KMIP: KmipSender(open_receivers(settings, tls, directories), store, engine.services)},
        automation=Automation(store, engine, lambda: directories.current),
        period_seconds=settings.automation.period_seconds,
        negotiator=negotiator,
    )
    service.resources = _resources(reactor, settings, service, directories, negotiator)
    _settle_memory()
    return service


def run_gateway(settings: Settings, master_key: MasterKey) -> None:
    """Run the gateway of a server directory until SIGTERM. Raises as `open_service`, and what its device raises."""
    from kmip_server.gateway.process import run

    store = Store.open(settings.storage.url, master_key)
    try:
        engine, directories = open_engine(settings, store)
        _settle_memory()
        run(settings, store, engine, directories)
    finally:
        store.close()


def _resources(
    reactor: ReactorBase,
    settings: Settings,
    service: Service,
    directories: DirectorySource,
    negotiator: Negotiator,
) -> tuple[Resource, ...]:
    """What the HTTPS port answers beside KMIP."""
    wanted = settings.etsi014
    if not wanted.enabled:
        return ()
    delivery: KeyDelivery = NoKeys()
    if settings.dscc.enabled:
        delivery = GatewayDelivery(
            service.carry_out, lambda: directories.current, negotiator, wanted.saes, wanted.lifetime_seconds, time
        )
    return (KeysResource(delivery, reactor),)


def open_engine(settings: Settings, store: Store) -> tuple[Engine, DirectorySource]:
    """What carries out requests on a store, and the directory that it decides by. Raises as `open_service`."""
    self_test()
    directories = directory_source(store)
    limits = settings.limits
    services = Services(
        ruling=directories.current.ruling,
        limits=OperationLimits(
            batch_items=limits.batch_items,
            locate_items=limits.locate_items,
            pbkdf2_iterations=limits.pbkdf2_iterations,
            random_bytes=limits.random_bytes,
        ),
        legacy_algorithms=settings.policy.legacy_algorithms,
        time_stamp_skew_seconds=settings.policy.time_stamp_skew_seconds,
        short_listings=frozenset(
            version for version in SUPPORTED_VERSIONS if str(version) in settings.compatibility.short_listings
        ),
    )
    return Engine(services), directories


def delivery_settings(settings: Settings) -> DeliverySettings:
    """How notifications are delivered."""
    wanted = settings.notifications
    return DeliverySettings(
        wanted.secrets_file,
        wanted.authorities,
        wanted.timeout_seconds,
        wanted.first_retry_seconds,
        wanted.attempts,
        wanted.kept_days * 86_400,
    )


def open_receivers(settings: Settings, tls: TlsSettings, directories: DirectorySource) -> Receivers:
    """How clients who listen are reached; with the certificate that is for them, if there is one."""
    wanted = settings.notifications
    if wanted.certificate is not None and wanted.key is not None:
        tls = replace(tls, certificate=wanted.certificate, key=wanted.key, key_passphrase=None)
    return Receivers(
        tls=tls,
        principal=settings.tls.principal,
        require_client_auth_usage=settings.tls.require_client_auth_usage,
        directory=lambda: directories.current,
    )


def _settle_memory() -> None:
    """Leave what was made at start out of garbage collection; collect soon, for a closed connection is a cycle.

    But not so soon that every group of requests is searched while nothing of it is garbage yet.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(6_000, 5, 5)


def directory_source(store: Store) -> DirectorySource:
    """The directory of a store, kept up to date."""
    return directories_in(store.database)


def directories_in(database: Database) -> DirectorySource:
    """The same of a database, whose keys nobody opens."""

    def current_epoch() -> int:
        with closing(EpochReader(database)) as reader:
            return reader.current()

    return DirectorySource(
        lambda: read_accounts(database),
        lambda: [client.name for client in list_clients(database)],
        current_epoch,
        lambda: read_policy(database),
    )
