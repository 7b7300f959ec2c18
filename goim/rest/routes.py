"""Every route over HTTP, and the app that serves them."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.types import ASGIApp, ControllerRouterHandler
from prometheus_client.registry import Collector

from goim.figures import NodeFigures
from goim.rest.accounts import AccountController
from goim.rest.address import Addresses
from goim.rest.admin import ADMIN, require_admin
from goim.rest.auth import login_of, require_login
from goim.rest.bodies import MAX_BODY_BYTES, JsonRequest
from goim.rest.conversations import ConversationController
from goim.rest.errors import ERROR_HANDLERS
from goim.rest.favourites import FavouriteController
from goim.rest.files import FILES
from goim.rest.friends import BlockController, FriendController
from goim.rest.group_door import GroupDoorController
from goim.rest.group_notices import GroupNoticeController
from goim.rest.groups import GroupController
from goim.rest.messages import MessageController
from goim.rest.openapi import openapi_config
from goim.rest.operations import OPERATIONS, CountRequests, Readiness, Scrape
from goim.rest.paging import page_of, window_of
from goim.rest.presence import presence
from goim.rest.push import PushController
from goim.rest.tus import CORS_ASKED, CORS_TOLD, TusController
from goim.rest.unread import UnreadController
from goim.rest.users import UserController
from goim.rest.webrtc import WebrtcController
from goim.services.registry import Services

ROUTES: Sequence[ControllerRouterHandler] = [
    *OPERATIONS,
    AccountController,
    UserController,
    FriendController,
    BlockController,
    GroupController,
    GroupDoorController,
    GroupNoticeController,
    ConversationController,
    MessageController,
    FavouriteController,
    UnreadController,
    *FILES,
    TusController,
    presence,
    WebrtcController,
    PushController,
    ADMIN,
]


def build_api(
    services: Services,
    readiness: Readiness,
    *,
    figures: Collector | None = None,
    more: Sequence[ControllerRouterHandler] = (),
    is_whole: bool = True,
) -> ASGIApp:
    """The ASGI app: every route of the table, and `more` (sockets, the web client), which may be `public=True` too.

    Without `is_whole` only those for who runs the node, and `more`. `/metrics` tells `figures`, else this process's.
    """
    settings = services.settings
    scrape = Scrape(figures or NodeFigures(services.metrics), is_enabled=settings.metrics.enabled)
    addresses = Addresses(settings.server.trusted_proxies)

    async def provide_services() -> Services:
        return services

    async def provide_address(request: JsonRequest) -> str:
        return addresses.of(request)

    async def provide_readiness() -> Readiness:
        return readiness

    async def provide_scrape() -> Scrape:
        return scrape

    app = Litestar(
        route_handlers=[*(ROUTES if is_whole else OPERATIONS), *more],
        guards=[require_login(services.sessions), require_admin(services.administration.admins)],
        dependencies={
            "services": Provide(provide_services),
            "login": Provide(login_of),
            "address": Provide(provide_address),
            "page": Provide(page_of),
            "window": Provide(window_of),
            "readiness": Provide(provide_readiness),
            "scrape": Provide(provide_scrape),
        },
        exception_handlers=ERROR_HANDLERS,
        cors_config=_cors(settings.server.allowed_origins),
        request_class=JsonRequest,
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=openapi_config() if settings.server.docs and is_whole else None,
        logging_config=None,
    )
    return CountRequests(app, services.metrics)


def _cors(origins: Sequence[str]) -> CORSConfig | None:
    """Pages of these origins may ask; they bring a token, never a cookie."""
    if not origins:
        return None
    return CORSConfig(
        allow_origins=[*origins],
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["authorization", "content-type", *CORS_ASKED],
        expose_headers=["retry-after", *CORS_TOLD],
    )
