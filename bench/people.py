"""Members as a shop might bring them: a file in the columns of the export, made the same way every time."""

import csv
import random

COLUMNS = """number company_name company_name_kana representative_family_name representative_given_name
    representative_family_name_kana representative_given_name_kana contact_family_name contact_given_name
    contact_family_name_kana contact_given_name_kana postal_code prefecture city street building phone mobile_phone fax
    email founded_year founded_month annual_sales business_type brands shop_count url1 url2 url3 profile closing_day
    paid_payment_method payment_methods paid_application_status paid_customer_number""".split()

FAMILIES = [("佐藤", "サトウ"), ("鈴木", "スズキ"), ("高橋", "タカハシ"), ("田中", "タナカ"), ("伊藤", "イトウ"), ("渡辺", "ワタナベ"),
            ("山本", "ヤマモト"), ("中村", "ナカムラ"), ("小林", "コバヤシ"), ("加藤", "カトウ"), ("吉田", "ヨシダ"), ("斎藤", "サイトウ")]
GIVENS = [("健一", "ケンイチ"), ("美咲", "ミサキ"), ("大輔", "ダイスケ"), ("陽子", "ヨウコ"), ("翔太", "ショウタ"), ("恵子", "ケイコ"),
          ("浩二", "コウジ"), ("由美", "ユミ"), ("誠", "マコト"), ("直子", "ナオコ")]
TRADES = [("商会", "ショウカイ"), ("物産", "ブッサン"), ("食品", "ショクヒン"), ("製作所", "セイサクショ"), ("堂", "ドウ"), ("書店", "ショテン")]
PLACES = [("北海道", "札幌市中央区"), ("宮城県", "仙台市青葉区"), ("東京都", "千代田区"), ("神奈川県", "横浜市中区"), ("愛知県", "名古屋市中村区"),
          ("京都府", "京都市下京区"), ("大阪府", "大阪市北区"), ("兵庫県", "神戸市中央区"), ("広島県", "広島市中区"), ("福岡県", "福岡市博多区")]
STREETS = ["本町", "栄町", "海岸通", "中央", "緑が丘", "駅前通"]
BRANDS = ["みなと茶, 緑茶", "北の恵み", "Blue Harbor, 和紙工房", "山吹", ""]
PROFILE = "地域のお客様に長くご愛顧いただいている会社です。主に関東の小売店へ卸しており、月に{}回ほど仕入れます。"
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def member(at, pick, at_paid):
    """The cells of one member. No two are alike: number, e-mail address and customer number count up."""
    family, family_kana = pick.choice(FAMILIES)
    given, given_kana = pick.choice(GIVENS)
    contact, contact_kana = pick.choice(FAMILIES)
    contact_given, contact_given_kana = pick.choice(GIVENS)
    trade, trade_kana = pick.choice(TRADES)
    prefecture, city = pick.choice(PLACES)
    wishes_paid = at_paid or pick.random() < 0.5
    line = f"{pick.randrange(1000):03}-{pick.randrange(10000):04}"
    site = f"https://shop{at}.example"
    return [
        f"B-{at:07}", f"株式会社{family}{trade}{at}", f"カブシキガイシャ{family_kana}{trade_kana}", family, given, family_kana,
        given_kana, contact, contact_given, contact_kana, contact_given_kana,
        f"{pick.randrange(1000):03}-{pick.randrange(10000):04}", prefecture, city,
        f"{pick.choice(STREETS)}{pick.randrange(1, 9)}-{pick.randrange(1, 30)}-{pick.randrange(1, 30)}",
        f"{family}ビル{pick.randrange(1, 12)}階" if pick.random() < 0.4 else "",
        f"03-{line[-4:]}-{pick.randrange(10000):04}", f"090-{pick.randrange(10000):04}-{line[-4:]}", f"045-{line}",
        f"buyer{at}@shop{at % 997}.example", pick.randrange(1900, 2024), pick.randrange(1, 13),
        pick.randrange(1_000_000, 900_000_000), pick.randrange(1, 100), pick.choice(BRANDS), pick.randrange(1, 40),
        site, f"{site}/about" if pick.random() < 0.3 else "", "", PROFILE.format(pick.randrange(1, 20)),
        pick.choice([20, 31]), pick.choice([1, 2]),
        "paid|bank_transfer" if wishes_paid else "bank_transfer|cash_on_delivery",
        "pending" if wishes_paid and not at_paid and pick.random() < 0.2 else "",
        "".join(pick.choices(DIGITS, k=20)) if at_paid else "",
    ]


def write_members(path, count, at_paid=False):
    """Writes the file. With `at_paid` they are members that Paid knows already; answers their customer numbers."""
    pick, numbers = random.Random(count), []
    with open(path, "w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(COLUMNS)
        for at in range(count):
            cells = member(at, pick, at_paid)
            lines.writerow(cells)
            numbers.append(cells[-1])
    return numbers


def differences(imported, exported):
    """In what an export differs from the file that was imported; `None` if in nothing but the order of the rows."""
    def rows(path):
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            header = next(lines)
            places = [header.index(column) for column in COLUMNS]
            return sorted([line[place] for place in places] for line in lines)

    ours, theirs = rows(imported), rows(exported)
    if len(ours) != len(theirs):
        return f"{len(theirs)} rows instead of {len(ours)}"
    return next((f"{b} instead of {a}" for a, b in zip(ours, theirs) if a != b), None)
