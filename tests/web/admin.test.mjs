import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import test, { after, before } from "node:test";
import { DESKTOP, noViolations, openBrowser, openPage, PHONE, screenshot, startShop, until } from "./shop.mjs";

let shop;
let browser;

before(async () => {
    // Paid is waited for only shortly, and asked again soon; webhooks may go to this machine.
    const settings = { KAKEURI_PAID_WAIT: "1s", KAKEURI_RETRY_SCALE: "0.01", KAKEURI_WEBHOOK_ALLOW_PRIVATE: "on" };
    shop = await startShop(settings);
    browser = await openBrowser();
});
after(async () => {
    await browser?.close();
    await shop?.stop();
});

const button = (place, name) => place.getByRole("button", { name, exact: true });
const link = (place, name) => place.getByRole("link", { name });
const heading = (place, name) => place.getByRole("heading", { name });
const field = (place, name) => place.getByLabel(name, { exact: true });
const dialog = (page) => page.getByRole("dialog");
const card = (page, name) => page.getByRole("region", { name, exact: true });
const sees = (locator) => locator.first().waitFor();
const isGone = (locator) => locator.waitFor({ state: "detached" });
const at = (page, path) => page.goto(`${shop.admin}#/${path}`);

async function logIn(page, email = shop.staff[0], password = shop.password) {
    await field(page, "メールアドレス").fill(email);
    await field(page, "パスワード").fill(password);
    await button(page, "ログイン").click();
}

/** The demo store's owner, or another of the staff, at a screen. */
async function asStaff(t, path = "", { email, ...options } = {}) {
    const page = await openPage(t, browser, options);
    await page.goto(shop.admin);
    await until("the demo store is filled in", async () => await field(page, "店舗").inputValue());
    await logIn(page, email);
    await sees(heading(page, "ダッシュボード"));
    if (path) await at(page, path);
    return page;
}

const first = async (path) => (await shop.asOwner("GET", path)).data[0];

/** An order on account that is not confirmed yet, of 10 packets of tea (¥10,800). */
async function placeOrder() {
    const member = await first("/members?q=M000001");
    const lines = [{ name: "宇治煎茶 100g", product_code: "TEA-100", unit_price: 1000, quantity: 10, tax_rate: 8 }];
    const order = { member_id: member.id, payment_method: "paid", lines };
    return shop.asOwner("POST", "/orders", order, { "Idempotency-Key": crypto.randomUUID() });
}

/** The beginning of a `secret` that an app for codes shows at this moment (RFC 6238). */
function codeOf(secret) {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    const bits = [...secret].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0")).join("");
    const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000)));
    const mac = createHmac("sha1", key).update(time).digest();
    return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

test("one of the staff logs in, stays so over a reload, and logs out", async (t) => {
    const page = await openPage(t, browser, { expected: [401] });
    await page.goto(shop.admin);
    await until("the demo store is filled in", async () => await field(page, "店舗").inputValue());
    await logIn(page, shop.staff[0], "wrong horse battery");
    await sees(page.getByRole("alert").getByText("メールアドレスまたはパスワードが違います"));
    await logIn(page);
    await sees(heading(page, "ダッシュボード"));
    await page.reload();
    await sees(heading(page, "ダッシュボード"));
    await button(page, "ログアウト").click();
    await sees(button(page, "ログイン"));
    await page.reload();
    await sees(button(page, "ログイン"));
});

test("whoever has set a second factor up is asked for it", async (t) => {
    const page = await asStaff(t, "account", { email: shop.staff[1], expected: [401] });
    await button(page, "設定する").click();
    const secret = await page.getByRole("status", { name: "アプリに登録するキー" }).textContent();
    await field(page, "アプリに表示されたコード").fill(codeOf(secret));
    await button(page, "確認する").click();
    const codes = await page.getByRole("status", { name: "リカバリーコード" }).textContent();
    await sees(page.getByText("設定済みです。"));
    await button(page, "ログアウト").click();
    await logIn(page, shop.staff[1]);
    await sees(page.getByRole("alert").getByText("二段階認証が必要です"));
    await field(page, "またはリカバリーコード").fill(codes.split(" ")[0]);
    await button(page, "ログイン").click();
    await sees(link(page, "見本 花子"));
});

test("the main screens show the demo store", async (t) => {
    const [member, order] = [await first("/members?q=M000009"), await first("/orders?q=00000008")];
    const main = {
        dashboard: ["", (page) => page.getByText("本日の受注")],
        members: ["members", (page) => link(page, "M000001")],
        member: [`members/${member.id}`, (page) => card(page, "履歴").getByRole("listitem")],
        orders: ["orders", (page) => link(page, "00000001")],
        order: [`orders/${order.id}`, (page) => card(page, "履歴").getByRole("listitem")],
        reconciliation: ["reconciliation", (page) => link(page, "00000008")],
        settings: ["settings", (page) => field(page, "店舗名")],
    };
    const show = async (page, name, picture) => {
        const [path, loaded] = main[name];
        await at(page, path);
        await sees(loaded(page));
        await screenshot(page, `admin-${picture}`);
    };
    const page = await asStaff(t);
    for (const name of Object.keys(main)) await show(page, name, name);
    const phone = await asStaff(t, "", { viewport: PHONE });
    await show(phone, "members", "members-phone");
    const dark = await asStaff(t, "", { colorScheme: "dark" });
    await show(dark, "order", "order-dark");
});

test("the dashboard leads to what it counts", async (t) => {
    const page = await asStaff(t);
    await link(page, "未確定の決済").click();
    await sees(heading(page, "受注"));
    assert.equal(await field(page, "決済状況").inputValue(), "unconfirmed");
    await sees(page.getByText("全3件"));
});

test("a pending application is found, submitted and refreshed, and its state is seen", async (t) => {
    const page = await asStaff(t, "members");
    await field(page, "Paid申請").selectOption("申請待ち");
    await field(page, "会社名・メール・番号").fill("倉敷");
    await button(page, "検索").click();
    await sees(page.getByText("全1件"));
    await link(page, "M000008").click();
    await sees(card(page, "診断").getByText("Paidで支払えない理由"));
    await button(page, "申請する").click();
    await sees(page.getByText("申請しました。"));
    await sees(card(page, "Paid").getByText("申請済", { exact: true }));
    await button(page, "状態更新").click();
    await sees(card(page, "Paid").getByText("利用可能-取引中"));
    await sees(card(page, "診断").getByText("Paidで支払えます。"));
    await sees(card(page, "履歴").getByText("Paid申請の送信"));
});

test("what keeps a member from paying is named, and what is done about it as well", async (t) => {
    const { id } = await first("/members?q=M000013");
    const page = await asStaff(t, `members/${id}`, { expected: [409] });
    await sees(card(page, "診断").getByText("会員登録が有効になっていません。"));
    // The service says what is not possible, and why.
    await button(page, "承認").click();
    await sees(page.getByRole("alert"));
    await button(page, "再開").click();
    await sees(heading(page, /かもめ水産株式会社\s*有効/));
    await isGone(page.getByRole("alert"));
    await button(page, "停止").click();
    await sees(heading(page, /かもめ水産株式会社\s*停止中/));
});

test("a submission that Paid has not answered is waited for", async (t) => {
    const { id } = await first("/members?q=M000010");
    await shop.asOwner("PATCH", `/members/${id}`, {
        payment_methods: ["paid", "bank_transfer"],
        paid: { application_status: "pending" },
    });
    await shop.sandbox("POST", "/faults", { operation: "apply", kind: "delay", delay_ms: 4000, times: 1 });
    const page = await asStaff(t, `members/${id}`);
    await button(page, "申請する").click();
    await sees(page.getByRole("status").getByText("Paidの応答を待っています。"));
    await isGone(page.getByText("Paidの応答を待っています。"));
    await sees(card(page, "Paid").getByText("申請済", { exact: true }));
});

test("a bulk refresh shows how far it is, to its end", async (t) => {
    const page = await asStaff(t, "members");
    await button(page, "Paid状態を一括更新").click();
    const job = card(page, "会員のPaid状態更新");
    await sees(job.getByRole("progressbar"));
    await sees(job.getByText("完了"));
    const { value, max } = await job.getByRole("progressbar").evaluate(({ value, max }) => ({ value, max }));
    assert.equal(value, max);
    assert.ok(max > 5, `${max} members are known to Paid`);
});

test("members are chosen and submitted together", async (t) => {
    const page = await asStaff(t, "members?application_status=pending");
    await field(page, "土佐かつお本舗株式会社").check();
    await button(page, "1社を申請する").click();
    const job = card(page, "Paid申請の一括送信");
    await sees(job.getByText("完了"));
    await sees(job.getByText("拒否 1"));
    await link(job, "Paid申請の一括送信").click();
    await sees(page.getByRole("cell", { name: "拒否" }));
});

const CSV = [
    "number,company_name,contact_family_name,contact_given_name,phone,email",
    "C1,株式会社あさぎり,朝霧,環,045-000-2001,asagiri@asagiri.example",
    "C2,,夕凪,悠,not a number,yunagi",
].join("\n");

test("of a CSV file the good rows are taken over, and the faulty one is named by line and column", async (t) => {
    const page = await asStaff(t, "members");
    const take = async (isDryRun) => {
        await button(page, "CSV取込").click();
        const file = { name: "members.csv", mimeType: "text/csv", buffer: Buffer.from(CSV) };
        await field(page, "CSVファイル").setInputFiles(file);
        await field(page, "検証のみ（保存しない）").setChecked(isDryRun);
        await button(page, "取り込む").click();
        await sees(heading(page, "一括処理の内容"));
        await sees(card(page, "会員CSV取込").getByText("完了"));
        const faulty = page.getByRole("row").filter({ hasText: "拒否" });
        await sees(faulty);
        assert.match(await faulty.textContent(), /^3拒否.*company_name/);
        await sees(faulty.getByText("email", { exact: true }));
    };
    await take(true);
    await sees(card(page, "会員CSV取込").getByText("検証のみ"));
    await screenshot(page, "admin-import");
    assert.equal(await first("/members?q=C1"), undefined);
    await at(page, "members");
    await take(false);
    assert.equal((await first("/members?q=C1")).company_name, "株式会社あさぎり");
});

test("what the list shows is taken out as a CSV file", async (t) => {
    const page = await asStaff(t, "members?q=M000001");
    await button(page, "CSV出力").click();
    const [file] = await Promise.all([page.waitForEvent("download"), button(page, "出力する").click()]);
    assert.equal(file.suggestedFilename(), "members.csv");
    const lines = readFileSync(await file.path(), "utf8").trim().split("\n");
    assert.match(lines[0], /会員番号/);
    assert.equal(lines.length, 2);
});

test("an unconfirmed order is found and confirmed", async (t) => {
    const { number } = await placeOrder();
    const page = await asStaff(t, "orders?payment_status=unconfirmed", { expected: [409] });
    await link(page, number).click();
    await sees(card(page, "決済").getByText("未確定"));
    await button(page, "売上確定").click();
    await sees(dialog(page).getByText("¥10,800"));
    await button(page, "¥10,800で確定する").click();
    await sees(page.getByText("売上を確定しました。"));
    await sees(card(page, "決済").getByText("確定済み"));
    await sees(card(page, "履歴").getByText("売上確定"));
    // The service says that it cannot be done again.
    await button(page, "売上確定").click();
    await button(page, "¥10,800で確定する").click();
    await sees(dialog(page).getByRole("alert").getByText("payment_not_unconfirmed"));
});

test("amounts that differ are confirmed only by whoever says that he knows it", async (t) => {
    const { id, payment } = await placeOrder();
    const page = await asStaff(t, `orders/${id}`, { expected: [409] });
    await sees(card(page, "決済").getByText("未確定"));
    // Somebody changes the sale in Paid's own console.
    await shop.sandbox("PUT", `/sales/${payment.provider_reference}`, { price: 9000 });
    await button(page, "売上確定").click();
    await button(page, "¥10,800で確定する").click();
    await sees(dialog(page).getByRole("alert").getByText("amount_mismatch"));
    await button(page, "最新の内容を読み込む").click();
    await field(page, "金額の差を承知のうえで確定する").check();
    await button(page, "¥9,000で確定する").click();
    await sees(card(page, "決済").getByText("確定済み"));
});

test("an order is changed together with its amount at Paid, and another is cancelled with its payment", async (t) => {
    const [changed, cancelled] = [await placeOrder(), await placeOrder()];
    const page = await asStaff(t, `orders/${changed.id}`, { expected: [422] });
    await button(page, "受注を変更").click();
    await field(page, "宇治煎茶 100gの数量").fill("12");
    await button(page, "変更を保存").click();
    // It has to be said whether the amount at Paid follows.
    const follows = page.getByLabel("受注に合わせて変更する");
    await sees(page.getByRole("group", { name: "Paidの金額" }).locator(".fault"));
    assert.equal(await follows.evaluate((input) => input === document.activeElement), true);
    await follows.check();
    await button(page, "変更を保存").click();
    await sees(page.getByText("受注を変更しました。"));
    await sees(card(page, "決済").getByText("¥12,960"));
    await sees(card(page, "明細").getByText("¥12,960"));

    await at(page, `orders/${cancelled.id}`);
    await button(page, "受注取消").click();
    await field(page, "理由").fill("在庫切れ");
    await button(page, "受注を取り消す").click();
    await sees(page.getByText("受注を取り消しました。"));
    await sees(card(page, "決済").getByText("キャンセル済み"));
    const sale = await shop.sandbox("GET", `/sales/${cancelled.payment.provider_reference}`);
    assert.equal(sale.canceled_times, 1);
});

test("a confirmation that Paid has not answered is waited for, also after a reload", async (t) => {
    const { id } = await placeOrder();
    const page = await asStaff(t, `orders/${id}`);
    await shop.sandbox("POST", "/faults", { operation: "fix", kind: "delay", delay_ms: 4000, times: 1 });
    await button(page, "売上確定").click();
    await button(page, "¥10,800で確定する").click();
    await sees(page.getByText("受け付けました。Paidの応答を待っています。"));
    await page.reload();
    await sees(page.getByRole("status").getByText("売上確定"));
    await sees(card(page, "履歴").getByRole("listitem"));
    await screenshot(page, "admin-waiting");
    await isGone(page.getByText("Paidの応答を待っています。"));
    await sees(card(page, "決済").getByText("確定済み"));
});

test("what somebody else has changed meanwhile is not overwritten", async (t) => {
    const { id } = await placeOrder();
    const page = await asStaff(t, `orders/${id}`, { expected: [412] });
    await button(page, "受注を変更").click();
    await shop.asOwner("PATCH", `/orders/${id}`, { internal_note: "冷蔵で送る" });
    await field(page, "対応状況").selectOption("対応中");
    await button(page, "変更を保存").click();
    await sees(dialog(page).getByRole("alert").getByText("stale"));
    await button(page, "最新の内容を読み込む").click();
    await isGone(dialog(page).getByRole("alert"));
    await button(dialog(page), "閉じる").click();
    await sees(card(page, "受注情報").getByText("冷蔵で送る"));
    await button(page, "受注を変更").click();
    await field(page, "対応状況").selectOption("対応中");
    await button(page, "変更を保存").click();
    await sees(heading(page, /対応中/));
    await sees(card(page, "受注情報").getByText("冷蔵で送る"));
});

test("what needs a human is decided with one of the actions that the service allows", async (t) => {
    const page = await asStaff(t, "reconciliation", { expected: [422] });
    const row = page.getByRole("row").filter({ hasText: "00000008" });
    await sees(row.getByText("金額の不一致"));
    await button(row, "差異を承認").click();
    await button(dialog(page), "差異を承認").click();
    await sees(field(page, "理由").and(page.locator("[aria-invalid=true]:focus")));
    await field(page, "理由").fill("返品分を確認済み");
    await button(dialog(page), "差異を承認").click();
    await isGone(row);
});

test("a fault is shown at its field, which gets the focus", async (t) => {
    const page = await asStaff(t, "settings", { expected: [422] });
    await field(page, "店舗名").fill("");
    await field(page, "登録番号（適格請求書）").fill("T1");
    await card(page, "店舗の設定").getByRole("button", { name: "保存" }).click();
    const name = field(page, "店舗名").and(page.locator("[aria-invalid=true]:focus"));
    await sees(name);
    const described = await name.getAttribute("aria-describedby");
    assert.equal(await page.locator(`[id="${described}"]`).textContent(), "1〜100文字で入力してください。");
    await noViolations(page);
    await field(page, "店舗名").fill("見本商店");
    await field(page, "登録番号（適格請求書）").fill("T1234567890123");
    await card(page, "店舗の設定").getByRole("button", { name: "保存" }).click();
    await sees(page.getByText("店舗の設定を保存しました。"));
    await isGone(page.locator(".fault"));
});

test("the settings of Paid are saved, and the connection is tested", async (t) => {
    const page = await asStaff(t, "settings");
    await field(page, "新規会員の決済を有効にする").check();
    await card(page, "Paidの設定").getByRole("button", { name: "保存" }).click();
    await sees(page.getByText("Paidの設定を保存しました。"));
    await sees(page.getByText("パターン2"));
    await button(page, "接続テスト").click();
    await sees(page.getByText("接続を確認しました。"));
    await sees(card(page, "Paidの設定").getByText("正常"));
});

test("where the service asks again who it is, the call is done after the password", async (t) => {
    const page = await asStaff(t, "settings", { expected: [403, 422] });
    let asked = 0;
    await page.route("**/v1/admin/settings/store", async (route) => {
        if (route.request().method() !== "PUT" || asked++) return route.continue();
        const problem = { code: "step_up_required", status: 403, title: "本人確認が必要です", detail: "" };
        await route.fulfill({ status: 403, contentType: "application/problem+json", body: JSON.stringify(problem) });
    });
    await field(page, "未確定の警告（日）").fill("21");
    await card(page, "店舗の設定").getByRole("button", { name: "保存" }).click();
    await field(dialog(page), "パスワード").fill("wrong horse battery");
    await button(dialog(page), "続ける").click();
    await sees(field(dialog(page), "パスワード").and(page.locator("[aria-invalid=true]:focus")));
    await field(dialog(page), "パスワード").fill(shop.password);
    await button(dialog(page), "続ける").click();
    await sees(page.getByText("店舗の設定を保存しました。"));
    assert.equal((await shop.asOwner("GET", "/settings/store")).unconfirmed_alert_days, 21);
});

test("the language is switched, with the labels and the problems of the service", async (t) => {
    const { id } = await first("/members?q=M000013");
    const page = await asStaff(t, `members/${id}`, { expected: [409] });
    await button(page, "English").click();
    await sees(heading(page, /suspended/));
    assert.equal(await page.locator("html").getAttribute("lang"), "en");
    await sees(card(page, "Diagnosis").getByText(/active/));
    await screenshot(page, "admin-english");
    await button(page, "approve").click();
    await sees(page.getByRole("alert").getByText(/member/i));
    await noViolations(page);
    await page.reload();
    await sees(link(page, "Reconciliation"));
    await button(page, "日本語").click();
    await sees(heading(page, /停止中/));
});

test("what happens is seen as it happens", async (t) => {
    const page = await asStaff(t, "events");
    await sees(page.getByText("ライブ"));
    const { id } = await placeOrder();
    const row = page.getByRole("row").filter({ hasText: `…${id.slice(-6)}` });
    await sees(row.filter({ hasText: "payment_method: paid" }));
    await screenshot(page, "admin-events");
    await link(row.first(), "order").click();
    await sees(card(page, "決済").getByText("未確定"));
});

test("a partner's secret is shown once, changed over and taken away", async (t) => {
    const page = await asStaff(t, "clients", { expected: [422] });
    await button(page, "登録").click();
    await button(page, "登録する").click();
    await sees(field(page, "名称").and(page.locator("[aria-invalid=true]:focus")));
    await field(page, "名称").fill("会計連携");
    await field(page, "受注の閲覧").check();
    await button(page, "登録する").click();
    const secret = page.getByRole("status", { name: "クライアントシークレット" });
    const before = await secret.textContent();
    assert.match(before, /^kcs_/);
    await noViolations(page);
    await button(dialog(page), "閉じる").click();
    await link(page, "会計連携").click();
    await button(page, "シークレット更新").click();
    await field(page, "旧シークレットも有効な時間（分）").fill("60");
    await button(page, "更新する").click();
    assert.notEqual(await secret.textContent(), before);
    await button(dialog(page), "閉じる").click();
    await button(page, "削除").click();
    await button(page, "削除する").click();
    await sees(heading(page, "連携"));
    await isGone(link(page, "会計連携"));
});

test("a webhook's secret is shown once, and its deliveries are seen, tested and sent again", async (t) => {
    const told = [];
    const receiver = createServer((request, answer) => {
        told.push(request.headers["webhook-id"]);
        request.resume().on("end", () => answer.writeHead(204).end());
    }).listen(0, "127.0.0.1");
    t.after(() => receiver.close());
    await once(receiver, "listening");
    const page = await asStaff(t, "webhooks");
    await button(page, "登録").click();
    const url = `http://localhost:${receiver.address().port}/kakeuri`;
    await field(page, "URL").fill(url);
    await field(page, "店舗設定の変更").check();
    await button(page, "登録する").click();
    assert.match(await page.getByRole("status", { name: "署名シークレット" }).textContent(), /^whsec_/);
    await button(dialog(page), "閉じる").click();
    await link(page, url).click();
    await button(page, "テスト配信").click();
    const deliveries = card(page, "配信");
    await sees(deliveries.getByText("配信済み"));
    await shop.asOwner("PUT", "/settings/store", { applications_per_hour: 19 });
    await until("the event is delivered", () => told.length === 2);
    await page.reload();
    const row = deliveries.getByRole("row").filter({ hasText: "店舗設定の変更" });
    await button(row, "再送").click();
    await until("it is delivered again", () => told.length === 3);
    assert.equal(told[1], told[2]);
});

test("somebody is invited, sets a password, gets another role and is shut out", async (t) => {
    const page = await asStaff(t, "users", { expected: [401] });
    await button(page, "招待").click();
    await field(page, "氏名").fill("夏目 葉");
    await field(page, "メールアドレス").fill("natsume@demo.example");
    await button(page, "招待する").click();
    const invitation = await page.getByRole("status", { name: "本人に送るリンク" }).textContent();

    const guest = await openPage(t, browser, { expected: [401, 422] });
    await guest.goto(invitation);
    await field(guest, "新しいパスワード").fill("short");
    await button(guest, "設定する").click();
    await sees(guest.locator("[aria-invalid=true]:focus"));
    await field(guest, "新しいパスワード").fill("correct horse battery");
    await button(guest, "設定する").click();
    await sees(field(guest, "店舗"));
    await until("the demo store is filled in", async () => await field(guest, "店舗").inputValue());
    await logIn(guest, "natsume@demo.example", "correct horse battery");
    await sees(link(guest, "夏目 葉"));

    await button(dialog(page), "閉じる").click();
    await link(page, "夏目 葉").click();
    await field(page, "閲覧者").check();
    await button(page, "保存").click();
    await sees(page.getByText("保存しました。"));
    await button(page, "無効にする").click();
    await sees(heading(page, /夏目 葉\s*無効/));
    await guest.reload();
    await sees(button(guest, "ログイン"));
});

test("whoever may only look sees nothing that changes something", async (t) => {
    const page = await asStaff(t, "members", { email: shop.staff[2] });
    await link(page, "M000001").click();
    await sees(card(page, "Paid").getByText("利用可能-取引中"));
    assert.equal(await button(page, "停止").count(), 0);
    assert.equal(await link(page, "スタッフ").count(), 0);
    await at(page, `orders/${(await first("/orders")).id}`);
    await sees(card(page, "決済"));
    assert.equal(await button(page, "受注を変更").count(), 0);
    assert.equal(await button(page, "売上確定").count(), 0);
});

test("everything can be reached by keyboard, and a dialog gives the focus back", async (t) => {
    const page = await asStaff(t, "members");
    await sees(link(page, "M000001"));
    await page.reload();
    await sees(link(page, "M000001"));
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.tagName), "MAIN");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await sees(dialog(page).getByText("文字コード"));
    await page.keyboard.press("Escape");
    await isGone(dialog(page));
    assert.equal(await button(page, "CSV出力").evaluate((one) => one === document.activeElement), true);
});

/** Every screen by its name, with what is there when it has loaded. */
async function screens() {
    const order = await first("/orders?q=00000008");
    const member = await first("/members?q=M000009");
    await shop.asOwner("POST", "/members/paid/refresh", {}, { "Idempotency-Key": crypto.randomUUID() });
    const job = (await shop.asOwner("GET", "/jobs")).data.find(({ refused }) => refused);
    const id = async (path) => (await first(path)).id;
    const client = { name: "倉庫連携", scopes: ["orders:read", "events:read"] };
    const { id: partner } = await shop.asOwner("POST", "/clients", client, { "Idempotency-Key": crypto.randomUUID() });
    return {
        dashboard: ["", (page) => page.getByText("本日の受注")],
        members: ["members", (page) => link(page, "M000001")],
        member: [`members/${member.id}`, (page) => card(page, "診断")],
        orders: ["orders", (page) => link(page, "00000001")],
        order: [`orders/${order.id}`, (page) => card(page, "履歴").getByRole("listitem")],
        reconciliation: ["reconciliation", (page) => page.getByText(/全\d+件/)],
        jobs: ["jobs", (page) => page.getByText(/全\d+件/)],
        job: [`jobs/${job.id}`, (page) => page.getByRole("cell", { name: "拒否" })],
        events: ["events", (page) => page.getByText("ライブ")],
        webhooks: ["webhooks", (page) => page.getByText(/全\d+件/)],
        webhook: [`webhooks/${await id("/webhooks")}`, (page) => card(page, "配信").getByText(/全\d+件/)],
        clients: ["clients", (page) => page.getByText(/全\d+件/)],
        client: [`clients/${partner}`, (page) => field(page, "接続元アドレス")],
        users: ["users", (page) => page.getByText(/全\d+件/)],
        user: [`users/${await id("/users")}`, (page) => field(page, "氏名")],
        settings: ["settings", (page) => field(page, "店舗名")],
        account: ["account", (page) => page.getByText("二段階認証")],
        nothing: ["nowhere", (page) => page.getByText("ページが見つかりません")],
    };
}

for (const [place, viewport] of [["a desktop", DESKTOP], ["a phone", PHONE]]) {
    for (const colorScheme of ["light", "dark"]) {
        test(`every screen is good for everybody on ${place} in ${colorScheme} colours`, async (t) => {
            const page = await openPage(t, browser, { viewport, colorScheme });
            await page.goto(shop.admin);
            await until("the demo store is filled in", async () => await field(page, "店舗").inputValue());
            await noViolations(page);
            await logIn(page);
            await sees(heading(page, "ダッシュボード"));
            for (const [path, loaded] of Object.values(await screens())) {
                await at(page, path);
                await sees(loaded(page));
                await noViolations(page);
            }
            const { id } = await placeOrder();
            await at(page, `orders/${id}`);
            for (const name of ["受注を変更", "受注取消", "売上確定", "決済キャンセル"]) {
                await button(page, name).click();
                await noViolations(page);
                await button(dialog(page), "閉じる").click();
            }
            if (viewport === PHONE) {
                await button(page, "メニュー").click();
                await link(page, "会員").first().click();
                await sees(heading(page, "会員"));
                assert.equal(await link(page, "スタッフ").isVisible(), false);
            }
        });
    }
}
