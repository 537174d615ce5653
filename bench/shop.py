"""The store that the load is driven against: its settings, one example of each row, its logins, its members at Paid."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import seed
from running import Api, WrongResult

PASSWORD = "correct horse battery"
AUTH_CODE = "benchmerchant0001"
CREDIT_LINE = 10**12
PRODUCT = {"code": "TEA-100", "name": "宇治煎茶 100g", "unit_price": 1200, "tax_rate": 8, "active": True,
           "paid_allowed": True}
CART = [{"product_code": PRODUCT["code"], "quantity": 3}]
COMPANY = {
    "company_name": "株式会社みなと商会", "company_name_kana": "カブシキガイシャミナトショウカイ",
    "representative": {"family_name": "佐藤", "given_name": "健一", "family_name_kana": "サトウ", "given_name_kana": "ケンイチ"},
    "contact": {"family_name": "鈴木", "given_name": "美咲", "family_name_kana": "スズキ", "given_name_kana": "ミサキ"},
    "postal_code": "231-0002", "prefecture": "神奈川県", "city": "横浜市中区", "street": "海岸通4-1", "phone": "045-000-1234",
    "profile": "地域のお客様に長くご愛顧いただいている会社です。主に関東の小売店へ卸しており、月に3回ほど仕入れます。",
    "email": "example@minato.example", "password": PASSWORD, "wants_paid": True}


class Shop:
    """Made by one service; what it knows holds for every other one on a copy of the same database."""

    def __init__(self, service, slug="bench"):
        made = json.loads(service.command("store", "create", "--slug", slug, "--name", "ベンチ商店", "--json"))
        self.slug, self.store, self.publishable_key = slug, made["store_id"], made["publishable_key"]
        self.owner, self.command_line = made["owner"], service.command("token", "admin", "--store", slug).strip()
        self.paid = Api(service.sandbox)

    def open(self, service):
        """Settings, a product, a member with credit and an order of each kind; answers the ids of these."""
        admin = Api(service.address, self.command_line)
        settings = {"merchant_id": "100001", "api_auth_code": AUTH_CODE, "environment": "sandbox", "enabled": True,
                    "enable_for_new_members": False, "show_member_banner": False}
        admin.call("PUT", "/v1/admin/settings/paid", settings)
        admin.call("POST", "/v1/admin/products", PRODUCT)
        visitor = {"X-Publishable-Key": self.publishable_key}
        Api(service.address).call("POST", "/v1/storefront/members", COMPANY, visitor)
        member = admin.call("GET", "/v1/admin/members?limit=1")["data"][0]["id"]
        admin.call("PATCH", f"/v1/admin/members/{member}", {"payment_methods": ["paid", "bank_transfer"]})
        admin.call("POST", f"/v1/admin/members/{member}/paid/refresh", {})
        # Everything is bought by the example, so that it is told from what is seeded.
        number = admin.call("GET", f"/v1/admin/members/{member}")["paid"]["customer_number"]
        self.trust([number])
        buyer = Api(service.address, self.login(service, COMPANY["email"]))
        examples = {"member": member}
        for name, method in (("paid", "paid"), ("confirmed", "paid"), ("transfer", "bank_transfer")):
            examples[name] = buyer.call("POST", "/v1/storefront/orders", {"payment_method": method, "lines": CART},
                                        {"Idempotency-Key": str(uuid.uuid4())})["id"]
        admin.call("POST", f"/v1/admin/orders/{examples['confirmed']}/payment/confirm", {})
        return examples

    def at_paid(self, members):
        """Paid knows these members and trusts them."""
        self.trust([seed.customer_number(n) for n in members])

    def trust(self, numbers):
        for at in range(0, len(numbers), 5_000):
            members = [{"b2bMemberId": number, "status": "approved_active", "credit_line": CREDIT_LINE}
                       for number in numbers[at:at + 5_000]]
            self.paid.call("PUT", f"/_sandbox/{AUTH_CODE}/members", {"data": members})

    def sales_at_paid(self, orders, members):
        """Provisional sales of seeded orders, over Paid's own protocol."""
        total = sum(line["quantity"] for line in CART) * PRODUCT["unit_price"]
        price = total + total * PRODUCT["tax_rate"] // 100
        for at in range(0, len(orders), 100):
            credit = [{"b2bMemberId": seed.customer_number(seed.member_of(n, members)), "contents": "茶", "code": f"{n + seed.FIRST_NUMBER:08}",
                       "price": price, "b2bCreditId": seed.credit_key(n)} for n in orders[at:at + 100]]
            body = {"header": {"apiAuthCode": AUTH_CODE}, "body": {"credits": {"credit": credit}}}
            answer = self.paid.call("POST", "/y/coop/Register/b2bMemberId/ver1.0/p.json", body)
            if answer["header"]["status"] != "SUCCESS":
                raise WrongResult(f"the sandbox takes no sales: {str(answer)[:500]}")

    def login(self, service, address):
        visitor = {"X-Publishable-Key": self.publishable_key}
        answer = Api(service.address).call("POST", "/v1/storefront/sessions", {"email": address, "password": PASSWORD}, visitor)
        return answer["access_token"]

    def logins(self, service, count=seed.BUYERS):
        """The tokens of the owner and of the buyers, each with a session."""
        login = {"store": self.slug, "email": self.owner["email"], "password": self.owner["password"]}
        self.owner_token = Api(service.address).call("POST", "/v1/admin/sessions", login)["access_token"]
        with ThreadPoolExecutor(4) as several:
            addresses = [seed.email(n) for n in range(1, count + 1)]
            self.buyer_tokens = list(several.map(lambda address: self.login(service, address), addresses))
