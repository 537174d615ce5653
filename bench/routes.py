"""What is driven: for each route the load that wrk makes, the single requests that are recorded, and how the replay
chooses its subjects."""

import base64
import json
import uuid
from dataclasses import dataclass

import replay
import seed
from running import Api
from shop import CART

ORDERS = "/v1/admin/orders"
ORDER = f"{ORDERS}/{seed.ORDER}000-%012d"
LIST = f"{ORDERS}?limit=50&payment_status=unconfirmed"
PLACE = "/v1/storefront/orders"
MEMBER_CHOICE = ("\\set m random(1, :members)",)


@dataclass
class Route:
    """`peers`: the peers have it; `uses_up`: each order serves once; `writes`: the disk is waited for; `slow`: fewer
    connections for longer, as the service refuses who would wait for more than five seconds; `of_pgbench` and `of_peers`:
    the aims."""

    name: str
    title: str
    peers: bool = False
    uses_up: bool = False
    writes: bool = False
    slow: bool = False
    of_pgbench: float | None = None
    of_peers: float | None = None


ROUTES = [
    Route("get", "order by id, an owner's session", peers=True, of_pgbench=0.6, of_peers=2.5),
    Route("get-token", "order by id, a token of the command line", of_pgbench=0.65),
    Route("list", "list of 50, one filter", peers=True, of_pgbench=0.6, of_peers=2.5),
    Route("place", "storefront order on Paid", peers=True, writes=True, of_pgbench=0.7, of_peers=3),
    Route("transfer", "storefront order otherwise", writes=True),
    Route("confirm", "confirm, with inquiry", uses_up=True, writes=True, of_pgbench=0.7),
    Route("search", "search of members"),
    Route("summary", "summary, 4 connections", slow=True),
]
ROUTE = {route.name: route for route in ROUTES}


def cart(method):
    return json.dumps({"payment_method": method, "lines": CART})


class Subjects:
    """The store as it is driven; `first` is the next order that was not yet used up, for whoever asks."""

    def __init__(self, shop, sizes):
        self.shop, self.sizes = shop, sizes
        self.buyers = [f"Bearer {token}" for token in shop.buyer_tokens]
        self.owner, self.command_line = f"Bearer {shop.owner_token}", f"Bearer {shop.command_line}"
        self.next_order = sizes.older + 1

    def take(self, count):
        """So many orders that await their confirmation; the first and the last."""
        first, self.next_order = self.next_order, self.next_order + count
        if self.next_order > self.sizes.orders + 1:
            raise SystemExit("there are too few unconfirmed orders for this: --unconfirmed")
        return first, self.next_order - 1

    def give_back(self, first, used):
        """Of those that were taken last, the ones that nobody came to."""
        self.next_order = min(self.next_order, first + used)

    def plan(self, route, confirms=None):
        """For drive.lua; `confirms`: the first and the last order to be confirmed."""
        read = {"method": "GET", "tokens": [self.owner]}
        place = {"method": "POST", "path": PLACE, "tokens": self.buyers, "key": uuid.uuid4().hex[:12]}
        orders = {"path": ORDER, "first": 1, "last": self.sizes.orders}
        match route.name:
            case "get": return read | orders
            case "get-token": return read | orders | {"tokens": [self.command_line]}
            case "list": return read | {"path": LIST}
            case "place": return place | {"body": cart("paid")}
            case "transfer": return place | {"body": cart("bank_transfer")}
            case "confirm":
                return {"method": "POST", "tokens": [self.owner], "path": f"{ORDER}/payment/confirm", "body": "{}",
                        "key": uuid.uuid4().hex[:12], "first": confirms[0], "last": confirms[1], "once": True}
            case "search": return read | {"path": "/v1/admin/members?q=buyer%d%%40", "first": 1, "last": self.sizes.members}
            case "summary": return read | {"path": "/v1/admin/summary"}

    def request(self, route, address):
        """One request for the subject of a number, as a function."""
        def send(number):
            buys = route.name in ("place", "transfer")
            token = self.buyers[number - 1] if buys else self.command_line if route.name == "get-token" else self.owner
            api.token = token.removeprefix("Bearer ")
            plan = self.plan(route, (number, number))
            body = plan.get("body") and json.loads(plan["body"])
            path = plan["path"] % number if "first" in plan else plan["path"]
            return api.call(plan["method"], path, body, {"Idempotency-Key": uuid.uuid4().hex} if body is not None else None)

        api = Api(address)
        return send

    def numbers(self, route, count):
        """Subjects to be asked for one after the other."""
        if route.uses_up:
            return list(range(*self.take(count))) + [self.next_order - 1]
        return list(range(1, count + 1))

    def known(self, route, number):
        """The texts of a subject, for the replay."""
        match route.name:
            case "get" | "get-token" | "confirm": return replay.of_order(number, self.sizes)
            case "place" | "transfer": return replay.of_buyer(number, self.sessions())
            case "search": return replay.of_member(number)
        return {}

    def choice(self, route):
        """Lines of pgbench that choose the subject of a transaction."""
        of_order = ("\\set m 1 + :n * 7919 % :members", f"\\set number :n + {seed.FIRST_NUMBER}",
                    f"\\set placed {self.sizes.placed_sql(':n')}")
        match route.name:
            case "get" | "get-token": return ("\\set n random(1, :orders)", *of_order)
            case "confirm": return ("\\set n :first + (:seq - 1) * :clients + :client_id", *of_order)
            case "place" | "transfer": return (f"\\set m random(1, {seed.BUYERS})",)
        return MEMBER_CHOICE

    def sessions(self):
        """The sessions of the buyers, which stand in their tokens."""
        def session(token):
            content = token.split(".")[1]
            return json.loads(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)))["jti"]

        return [session(token) for token in self.buyers]
