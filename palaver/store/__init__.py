"""What outlives the process: services, room definitions, tokens, jobs."""

from palaver.store.errors import Conflict, StoreError
from palaver.store.invites import Invite, Invites
from palaver.store.jobs import JobRecord, JobRecords
from palaver.store.rooms import RoomDefinition, RoomDefinitions
from palaver.store.services import Service, Services
from palaver.store.standings import Standing, Standings
from palaver.store.store import Store
from palaver.store.tokens import TokenRecord, Tokens
from palaver.store.webhooks import Delivery, WebhookRecord, Webhooks

__all__ = [
    "Conflict",
    "Delivery",
    "Invite",
    "Invites",
    "JobRecord",
    "JobRecords",
    "RoomDefinition",
    "RoomDefinitions",
    "Service",
    "Services",
    "Standing",
    "Standings",
    "Store",
    "StoreError",
    "TokenRecord",
    "Tokens",
    "WebhookRecord",
    "Webhooks",
]
