import type { Admin } from "@kakeuri/client";
import { time } from "../format.ts";
import { useOne } from "../hooks.ts";
import { useShop } from "../shop.tsx";
import {
    Act, Badge, Card, Check, Choices, Facts, Field, Form, Heading, Pending, Problem, Select,
} from "../ui/index.ts";

export function SettingsScreen() {
    const { t } = useShop();
    return (
        <>
            <Heading title={t("設定", "Settings")} />
            <div className="columns even">
                <PaidSettings />
                <StoreSettings />
            </div>
        </>
    );
}

function PaidSettings() {
    const { api, t, word, choices, can, notify } = useShop();
    const page = useOne("paid", ({ signal }) => api.get("/v1/admin/settings/paid", { signal }));
    const { data: paid, known: { ifMatch }, error, reload } = page;
    if (!paid) return <Pending of={page} />;
    const { set, last4 } = paid.api_auth_code;
    const kept = t(`登録済み（…${last4}）。変更時のみ入力`, `Set (…${last4}); enter one to replace it`);
    return (
        <Card title={t("Paidの設定", "Paid")} tools={can("settings:write") && (
            <Act on={page} label={t("接続テスト", "Test the connection")} done={t("接続を確認しました。", "Tested.")}
                call={() => api.post("/v1/admin/settings/paid/test")} />
        )}>
            <Problem error={error} reload={reload} />
            <Facts facts={[
                [t("接続状態", "Connection"), <Badge key="health" of="Health" value={paid.health.status} />],
                [t("最終確認", "Checked"), time(paid.health.checked_at)],
                [t("申請パターン", "Pattern"), paid.pattern && word("Pattern", paid.pattern)],
            ]} />
            <Form key={ifMatch} label={t("保存", "Save")} isOff={!can("settings:write")} reload={reload}
                submit={async (form) => {
                    const body = {
                        merchant_id: form.orNull("/merchant_id"),
                        ...(form.text("/api_auth_code") && { api_auth_code: form.text("/api_auth_code") }),
                        environment: form.text("/environment") as Admin.Environment,
                        enabled: form.isChecked("/enabled"),
                        enable_for_new_members: form.isChecked("/enable_for_new_members"),
                        show_member_banner: form.isChecked("/show_member_banner"),
                    };
                    await api.put("/v1/admin/settings/paid", { body, ifMatch });
                    notify(t("Paidの設定を保存しました。", "The settings of Paid are saved."));
                    reload();
                }}>
                <Field name="/merchant_id" label={t("加盟企業ID", "Merchant id")} defaultValue={paid.merchant_id ?? ""} />
                <Field name="/api_auth_code" label={t("API認証コード", "API auth code")} type="password"
                    autoComplete="new-password" hint={set ? kept : t("未登録", "Not set")} />
                <Choices name="/environment" label={t("接続先", "Environment")} type="radio"
                    choices={choices("Environment")} chosen={[paid.environment]} />
                <Check name="/enabled" label={t("Paidを利用する", "Use Paid")} defaultChecked={paid.enabled} />
                <Check name="/enable_for_new_members" label={t("新規会員の決済を有効にする", "Tick Paid for new members")}
                    defaultChecked={paid.enable_for_new_members} />
                <Check name="/show_member_banner" defaultChecked={paid.show_member_banner}
                    label={t("サイドメニューにバナーを表示する", "Show the banner for members of Paid")} />
            </Form>
        </Card>
    );
}

function StoreSettings() {
    const { api, t, choices, can, notify } = useShop();
    const page = useOne("store", ({ signal }) => api.get("/v1/admin/settings/store", { signal }));
    const { data: store, known: { ifMatch }, reload } = page;
    if (!store) return <Pending of={page} />;
    return (
        <Card title={t("店舗の設定", "Store")}>
            <Form key={ifMatch} label={t("保存", "Save")} isOff={!can("settings:write")} reload={reload}
                submit={async (form) => {
                    const body = {
                        name: form.text("/name"),
                        invoice_registration_number: form.orNull("/invoice_registration_number"),
                        member_approval: form.text("/member_approval") as Admin.MemberApproval,
                        tax_rounding: form.text("/tax_rounding") as Admin.TaxRounding,
                        unconfirmed_alert_days: Number(form.text("/unconfirmed_alert_days")),
                        status_refresh_minutes: Number(form.text("/status_refresh_minutes")),
                        applications_per_hour: Number(form.text("/applications_per_hour")),
                        require_email_verification: form.isChecked("/require_email_verification"),
                        require_second_factor: form.isChecked("/require_second_factor"),
                    };
                    await api.put("/v1/admin/settings/store", { body, ifMatch });
                    notify(t("店舗の設定を保存しました。", "The settings of the store are saved."));
                    reload();
                }}>
                <Field name="/name" label={t("店舗名", "Name")} defaultValue={store.name} />
                <Field name="/invoice_registration_number" label={t("登録番号（適格請求書）", "Invoice registration number")}
                    defaultValue={store.invoice_registration_number ?? ""} />
                <Choices name="/member_approval" label={t("会員承認", "Approval of members")} type="radio"
                    choices={choices("MemberApproval")} chosen={[store.member_approval]} />
                <Select name="/tax_rounding" label={t("消費税の端数", "Rounding of tax")} choices={choices("TaxRounding")}
                    chosen={store.tax_rounding} />
                <Field name="/unconfirmed_alert_days" type="number" defaultValue={store.unconfirmed_alert_days}
                    label={t("未確定の警告（日）", "Warn of unconfirmed after (days)")} />
                <Field name="/status_refresh_minutes" type="number" defaultValue={store.status_refresh_minutes}
                    label={t("Paid状態の自動更新（分、0は無効）", "Refresh applications every (minutes, 0 is never)")} />
                <Field name="/applications_per_hour" type="number" defaultValue={store.applications_per_hour}
                    label={t("自動申請の上限（件/時）", "Applications by themselves per hour")} />
                <Check name="/require_email_verification" defaultChecked={store.require_email_verification}
                    label={t("メールアドレスの確認を求める", "Ask for a verified e-mail address")} />
                <Check name="/require_second_factor" defaultChecked={store.require_second_factor}
                    label={t("オーナーに二段階認証を求める", "Ask owners for a second factor")} />
            </Form>
        </Card>
    );
}
