import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { DESKTOP, noViolations, openBrowser, openPage, PHONE, screenshot, startShop, until } from "./shop.mjs";

const PAID = "https://paid.example/link";
let shop;
let browser;

before(async () => {
    // Paid is waited for only shortly, and asked again soon.
    const settings = { KAKEURI_PAID_WAIT: "1s", KAKEURI_RETRY_SCALE: "0.01", KAKEURI_PAID_LINK_URL: PAID };
    shop = await startShop(settings);
    browser = await openBrowser();
});
after(async () => {
    await browser?.close();
    await shop?.stop();
});

const button = (page, name) => page.getByRole("button", { name, exact: true });
const link = (page, name) => page.getByRole("link", { name });
const heading = (page, name) => page.getByRole("heading", { name });
const sees = (locator) => locator.first().waitFor();

/** The shop, at a screen of it. */
async function visit(t, path = "", options = {}) {
    const page = await openPage(t, browser, options);
    await page.goto(`${shop.storefront}#/${path}`);
    return page;
}

async function logIn(page, email = shop.member) {
    await page.getByLabel("メールアドレス").fill(email);
    await page.getByLabel("パスワード").fill(shop.password);
    await button(page, "ログイン").click();
}

/** The demo store's first member, who may pay on account, at a screen of the shop. */
async function asBuyer(t, path, options) {
    const page = await visit(t, path, options);
    await logIn(page);
    await sees(button(page, "ログアウト"));
    return page;
}

async function putIntoCart(page, ...names) {
    await page.goto(`${shop.storefront}#/products`);
    for (const name of names) {
        await button(page, `${name}をカートに入れる`).click();
        await sees(page.getByText(`${name}をカートに入れました。`));
    }
    await link(page, "カート").click();
}

/** A field by its label; those of a person are in a group of their own. */
function field(page, label) {
    const [name, group] = label.split(" @ ");
    const within = group ? page.getByRole("group", { name: group }) : page;
    return within.getByRole("textbox", { name, exact: true });
}

async function fill(page, fields) {
    for (const [label, text] of Object.entries(fields)) await field(page, label).fill(text);
}

const fillRegistration = (page, email) =>
    fill(page, {
        メールアドレス: email,
        パスワード: "correct horse battery",
        会社名: "株式会社うみかぜ雑貨",
        電話番号: "045-000-1234",
        "姓 @ ご担当者": "鈴木",
        "名 @ ご担当者": "美咲",
    });

const fillWhatPaidAsks = (page) =>
    fill(page, {
        会社名フリガナ: "カブシキガイシャウミカゼザッカ",
        郵便番号: "231-0002",
        都道府県: "神奈川県",
        市区町村: "横浜市中区",
        町名番地: "海岸通4-1",
        "姓フリガナ @ ご担当者": "スズキ",
        "名フリガナ @ ご担当者": "ミサキ",
        "姓 @ 代表者": "佐藤",
        "名 @ 代表者": "健一",
        "姓フリガナ @ 代表者": "サトウ",
        "名フリガナ @ 代表者": "ケンイチ",
    });

/** A picture without the pointer, and without what passes by. */
async function picture(page, name) {
    if (process.env.KAKEURI_SCREENSHOTS !== "1") return;
    await page.mouse.move(0, 0);
    await page.locator(".toast p").waitFor({ state: "hidden" });
    await screenshot(page, `storefront-${name}`);
}

async function addProduct(product) {
    const active = { tax_rate: 10, active: true, paid_allowed: true };
    return shop.asOwner("POST", "/products", { ...active, ...product });
}

const ordersNow = async () => (await shop.asOwner("GET", "/orders?limit=200")).data;

test("a visitor sees what the shop sells, and what it costs with a log-in only", async (t) => {
    const page = await visit(t);
    await sees(heading(page, "宇治煎茶 100g"));
    const card = page.getByRole("article").filter({ hasText: "宇治煎茶 100g" });
    assert.match(await card.innerText(), /1,200円\s*税抜/);
    await sees(page.getByRole("article").filter({ hasText: "商品券" }).getByText("掛け払い対象外"));
    await picture(page, "products");

    await putIntoCart(page, "宇治煎茶 100g");
    await sees(page.getByText("ログインすると、合計金額と"));
    assert.equal(await page.getByText("合計（税込）").count(), 0);

    await page.getByRole("main").getByRole("link", { name: "ログイン" }).click();
    await logIn(page);
    // Back in the cart, which is still filled.
    await sees(page.getByText("合計（税込）"));
    await sees(heading(page, "宇治煎茶 100g"));
});

test("a visitor registers with the wish to pay on account, and sees how that stands", async (t) => {
    const page = await visit(t, "register", { expected: [422] });
    await fillRegistration(page, "buyer@umikaze.example");
    await page.getByLabel("Paid（掛け払い）の利用を申し込む").check();
    await button(page, "会員登録").click();

    // What Paid needs to know is told at each field.
    const kana = page.getByLabel("会社名フリガナ");
    await sees(page.getByText("会社名カナを入力してください"));
    assert.equal(await kana.getAttribute("aria-invalid"), "true");
    assert.ok(await kana.evaluate((field) => field === document.activeElement), "the first wrong field has the focus");
    await noViolations(page);
    await picture(page, "register");

    await fillWhatPaidAsks(page);
    await button(page, "会員登録").click();
    await sees(heading(page, "マイページ"));
    await sees(page.getByText("申請中"));
    await sees(page.getByText("Paid（掛け払い）のお申し込みを受け付けました。"));

    // The shop approves and submits, and Paid says yes.
    const { data } = await shop.asOwner("GET", "/members?application_status=pending&limit=200");
    const member = data.find(({ email }) => email === "buyer@umikaze.example");
    await shop.asOwner("POST", `/members/${member.id}/approve`);
    await shop.asOwner("POST", `/members/${member.id}/paid/application`);
    await shop.asOwner("POST", `/members/${member.id}/paid/refresh`);
    await page.reload();
    await sees(page.getByText("Paid（掛け払い）をご利用いただけます。"));
});

test("a visitor registers without the wish, and applies later on my page, where what is missing is asked for", async (t) => {
    const page = await visit(t, "register", { expected: [422] });
    await fillRegistration(page, "later@umikaze.example");
    await button(page, "会員登録").click();
    await sees(page.getByText("未申請"));

    await button(page, "掛け払いを申し込む").click();
    await sees(page.getByText("会社名カナを入力してください"));
    await fillWhatPaidAsks(page);
    await button(page, "保存する").click();
    await sees(page.getByText("会員情報を保存しました。"));

    await button(page, "掛け払いを申し込む").click();
    await sees(page.getByText("申請中"));
    assert.equal(await button(page, "掛け払いを申し込む").count(), 0);
});

test("a member of Paid already is led to Paid's side", async (t) => {
    const page = await visit(t, "register");
    await fillRegistration(page, "known@umikaze.example");
    await button(page, "会員登録").click();
    await sees(heading(page, "すでにPaid会員の方"));
    await button(page, "Paidアカウントをつなげる").click();
    const paid = link(page, "Paidのサイトへ進む");
    await sees(paid);
    assert.equal(await paid.getAttribute("href"), PAID);
    await sees(page.getByText("Paid（掛け払い）のお申し込みを受け付けました。"));
    await noViolations(page);
});

test("a member changes the own profile, and a wrong field is told at its field", async (t) => {
    const page = await asBuyer(t, "my-page", { expected: [422] });
    await button(page, "会員情報を編集").click();
    await fill(page, { 電話番号: "?" });
    await button(page, "保存する").click();
    const phone = field(page, "電話番号");
    await until("the field is marked", async () => (await phone.getAttribute("aria-invalid")) === "true");
    const fault = await phone.getAttribute("aria-describedby");
    assert.notEqual(await page.locator(`[id="${fault}"]`).innerText(), "");

    await fill(page, { 電話番号: "045-000-2002", ウェブサイト: "https://minato.example/" });
    await button(page, "保存する").click();
    await sees(page.getByText("会員情報を保存しました。"));
    await sees(page.getByText("045-000-2002"));
});

test("an approved buyer sees the totals, orders on account, and the order is placed", async (t) => {
    const page = await asBuyer(t, "log-in");
    await putIntoCart(page, "宇治煎茶 100g", "美濃焼 湯呑み");
    await button(page, "宇治煎茶 100gを1つ増やす").click();
    // 2 × 1,200 at 8 %, 900 at 10 %.
    const place = button(page, "3,582円で注文する");
    await sees(place);
    await sees(page.getByText("消費税（8%対象 2,400円）"));
    assert.ok(await page.getByLabel("Paid", { exact: true }).isChecked());
    await picture(page, "cart");

    await place.click();
    await sees(heading(page, "ご注文ありがとうございます"));
    await sees(page.getByText("未確定"));
    await picture(page, "order");

    const number = (await heading(page, /^ご注文 \d+$/).innerText()).replace(/\D/g, "");
    const [order] = (await ordersNow()).filter((order) => order.number === number);
    assert.deepEqual([order.totals.total, order.payment.status], [3582, "unconfirmed"]);
    await link(page, "カート").click();
    await sees(page.getByText("カートに商品がありません。"));
    await link(page, "注文履歴").click();
    await sees(link(page, new RegExp(number)));
});

test("a cart that Paid does not cover says why, and is paid in another way", async (t) => {
    const page = await asBuyer(t, "log-in");
    await putIntoCart(page, "商品券 5,000円");
    await sees(page.getByText("カートに、Paid（掛け払い）をご利用いただけない商品が含まれています。"));
    assert.ok(await page.getByLabel("Paid", { exact: true }).isDisabled());
    await noViolations(page);
    await page.getByLabel("代金引換").check();
    await button(page, "5,000円で注文する").click();
    await sees(heading(page, "ご注文ありがとうございます"));
    await sees(page.getByRole("main").getByText("代金引換"));
});

test("while Paid does not answer the buyer waits on a page that follows the order, also after a reload", async (t) => {
    const page = await asBuyer(t, "log-in");
    await putIntoCart(page, "特別栽培米 10kg");
    await shop.sandbox("POST", "/faults", { operation: "register", kind: "http_500" });
    await button(page, "6,048円で注文する").click();
    await sees(heading(page, "Paidに確認しています"));
    await noViolations(page);
    await picture(page, "waiting");

    await page.reload();
    await sees(heading(page, "Paidに確認しています"));
    await shop.sandbox("DELETE", "/faults");
    await sees(page.getByText("未確定"));
    await sees(heading(page, "ご注文ありがとうございます"));
    assert.equal(await heading(page, "Paidに確認しています").count(), 0);
});

test("where Paid did its work and the answer got lost the order is placed, and once", async (t) => {
    const page = await asBuyer(t, "log-in");
    await putIntoCart(page, "業務用ほうじ茶 500g");
    const before = (await ordersNow()).length;
    await shop.sandbox("POST", "/faults", { operation: "register", kind: "drop_answer", times: 1 });
    await button(page, "2,592円で注文する").click();
    await sees(heading(page, "ご注文ありがとうございます"));
    assert.equal((await ordersNow()).length, before + 1);
});

test("a sale that Paid refuses after all is told, and its goods go back into the cart", async (t) => {
    const page = await asBuyer(t, "log-in");
    await putIntoCart(page, "ギフト用紙袋 50枚");
    const late = { kind: "refuse", code: "B01", delay_ms: 3000 };
    await shop.sandbox("POST", "/faults", { operation: "register", times: 1, ...late });
    await button(page, "3,850円で注文する").click();
    await sees(heading(page, "Paidに確認しています"));
    await sees(heading(page, "ご注文は成立しませんでした"));
    await noViolations(page);
    await picture(page, "failed");
    await button(page, "同じ商品をカートに入れる").click();
    await sees(button(page, "3,850円で注文する"));
});

test("an order whose answer gets lost on the way to the browser is sent again, and placed once", async (t) => {
    const page = await asBuyer(t, "log-in", { expected: [503] });
    await putIntoCart(page, "今治フェイスタオル 10枚組");
    const before = (await ordersNow()).length;
    const keys = [];
    await page.route("**/v1/storefront/orders", async (route) => {
        keys.push(route.request().headers()["idempotency-key"]);
        if (keys.length > 1) return route.continue();
        await route.fetch();
        await route.fulfill({ status: 503, headers: { "Retry-After": "0" }, body: "" });
    });
    await button(page, "7,480円で注文する").click();
    await sees(heading(page, "ご注文ありがとうございます"));
    assert.equal(new Set(keys).size, 1);
    assert.equal((await ordersNow()).length, before + 1);
});

test("refused credit is told kindly, and nothing is ordered", async (t) => {
    // 44,002 yen and the tax of 10 %: the sandbox refuses whatever ends in 402.
    await addProduct({ code: "VASE-01", name: "信楽焼 大壺", unit_price: 44_002 });
    const page = await asBuyer(t, "log-in", { expected: [402], viewport: { width: 1280, height: 960 } });
    await putIntoCart(page, "信楽焼 大壺");
    const before = (await ordersNow()).length;
    await button(page, "48,402円で注文する").click();
    await sees(page.getByText("与信枠を利用できません"));
    await sees(page.getByText("カートの中身はそのままです。"));
    await noViolations(page);
    await page.getByText("カートの中身はそのままです。").scrollIntoViewIfNeeded();
    await picture(page, "declined");
    assert.equal((await ordersNow()).length, before);

    await page.getByLabel("銀行振込").check();
    await button(page, "48,402円で注文する").click();
    await sees(heading(page, "ご注文ありがとうございます"));
});

test("a price that has changed since is shown before anything is ordered", async (t) => {
    const product = await addProduct({ code: "TRAY-01", name: "輪島塗 小盆", unit_price: 3000 });
    const page = await asBuyer(t, "log-in", { expected: [409] });
    await putIntoCart(page, "輪島塗 小盆");
    await sees(button(page, "3,300円で注文する"));
    await shop.asOwner("PATCH", `/products/${product.id}`, { unit_price: 3200 });
    await button(page, "3,300円で注文する").click();
    await sees(page.getByText("金額が変わりました"));
    await sees(page.getByText("新しい合計は3,520円です。"));
    await button(page, "3,520円で注文する").click();
    await sees(heading(page, "ご注文ありがとうございます"));
});

test("a product that is sold no more is told at its line", async (t) => {
    const product = await addProduct({ code: "FAN-01", name: "京うちわ", unit_price: 700 });
    const page = await asBuyer(t, "log-in", { expected: [422] });
    await putIntoCart(page, "京うちわ", "宇治煎茶 100g");
    await shop.asOwner("PATCH", `/products/${product.id}`, { active: false });
    await page.reload();
    await sees(page.getByRole("listitem").filter({ hasText: "FAN-01" }).getByText("指定された商品は販売されていません。"));
    await button(page, "FAN-01をカートから削除").click();
    await sees(button(page, "1,296円で注文する"));
});

test("a wrong password is told, and the right one goes on", async (t) => {
    const page = await visit(t, "orders", { expected: [401] });
    await sees(page.getByText("このページをご覧いただくにはログインが必要です。"));
    await page.getByLabel("メールアドレス").fill(shop.member);
    await page.getByLabel("パスワード").fill("is not the one");
    await button(page, "ログイン").click();
    await sees(page.getByRole("alert").getByText("メールアドレスまたはパスワードが違います").first());
    await logIn(page);
    await sees(heading(page, "注文履歴"));
});

test("a session outlives a reload, is the same in another tab, and ends with the log-out", async (t) => {
    const page = await asBuyer(t, "orders");
    await page.reload();
    await sees(heading(page, "注文履歴"));
    const other = await page.context().newPage();
    await other.goto(`${shop.storefront}#/my-page`);
    await sees(heading(other, "マイページ"));

    await button(page, "ログアウト").click();
    await sees(page.getByText("ログアウトしました。"));
    await sees(other.getByText("このページをご覧いただくにはログインが必要です。"));
    await page.reload();
    await sees(page.getByRole("banner").getByRole("link", { name: "ログイン" }));
});

test("everything is there in English too, what the service says included", async (t) => {
    const page = await asBuyer(t, "my-page");
    await button(page, "English").click();
    await sees(heading(page, "My page"));
    await sees(page.getByText("You may pay with Paid."));
    assert.equal(await page.locator("html").getAttribute("lang"), "en");
    await page.reload();
    await link(page, "Orders").click();
    await sees(page.getByText("unconfirmed"));
    await noViolations(page);
    await picture(page, "english");
    await button(page, "日本語").click();
    await sees(heading(page, "注文履歴"));
});

test("the keyboard is enough, and a new page is read from its title on", async (t) => {
    const page = await visit(t);
    await sees(heading(page, "宇治煎茶 100g"));
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "main");
    await link(page, "会員登録").focus();
    await page.keyboard.press("Enter");
    await sees(heading(page, "会員登録"));
    await until("the title has the focus", () => page.evaluate(() => document.activeElement.tagName === "H1"));
    assert.equal(await page.title(), "会員登録 | 見本商店（デモ）");
});

const SCREENS = {
    "": "商品",
    register: "会員登録",
    "log-in": "ログイン",
    nowhere: "ページが見つかりません",
};
const SCREENS_OF_A_MEMBER = { "my-page": "マイページ", cart: "カート", orders: "注文履歴" };

for (const [name, options] of Object.entries({
    "a desktop": { viewport: DESKTOP },
    "a phone": { viewport: PHONE, hasTouch: true, isMobile: true, deviceScaleFactor: 1 },
    "a phone at night": { viewport: PHONE, hasTouch: true, isMobile: true, colorScheme: "dark" },
})) {
    test(`on ${name} every screen fits, and keeps nobody out`, async (t) => {
        const isPhone = name === "a phone";
        const page = await visit(t, "", options);
        for (const [path, title] of Object.entries(SCREENS)) {
            await page.goto(`${shop.storefront}#/${path}`);
            await sees(heading(page, title));
            if (path === "") await sees(heading(page, "宇治煎茶 100g"));
            await noViolations(page);
            if (isPhone && path === "") await picture(page, "phone-products");
        }
        await page.goto(`${shop.storefront}#/log-in`);
        await logIn(page);
        await sees(heading(page, "マイページ"));
        await putIntoCart(page, "宇治煎茶 100g", "国産ひのき卓上台");
        await sees(button(page, "27,696円で注文する"));
        for (const [path, title] of Object.entries(SCREENS_OF_A_MEMBER)) {
            await page.goto(`${shop.storefront}#/${path}`);
            await sees(heading(page, title));
            await until("all is loaded", async () => (await page.getByText("読み込んでいます…").count()) === 0);
            await noViolations(page);
            if (isPhone && path === "cart") await picture(page, "phone-cart");
            if (name === "a phone at night" && path === "my-page") await picture(page, "phone-night");
            if (name === "a desktop" && path === "my-page") await picture(page, "my-page");
        }
        await page.goto(`${shop.storefront}#/my-page`);
        await button(page, "会員情報を編集").click();
        await noViolations(page);
        await page.goto(`${shop.storefront}#/orders`);
        await page.locator(".orders a").first().click();
        await sees(heading(page, "明細"));
        await noViolations(page);
    });
}
