import type { Admin } from "@kakeuri/client";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { useLoad } from "./hooks.ts";
import { useRoute } from "./router.ts";
import { AccountScreen, InvitationScreen } from "./screens/account.tsx";
import { ClientScreen, ClientsScreen } from "./screens/clients.tsx";
import { DashboardScreen } from "./screens/dashboard.tsx";
import { EventsScreen } from "./screens/events.tsx";
import { JobScreen, JobsScreen } from "./screens/jobs.tsx";
import { LoginScreen } from "./screens/login.tsx";
import { MemberScreen } from "./screens/member.tsx";
import { MembersScreen } from "./screens/members.tsx";
import { OrderScreen } from "./screens/order.tsx";
import { OrdersScreen } from "./screens/orders.tsx";
import { ReconciliationScreen } from "./screens/reconciliation.tsx";
import { SettingsScreen } from "./screens/settings.tsx";
import { UserScreen, UsersScreen } from "./screens/users.tsx";
import { WebhookScreen, WebhooksScreen } from "./screens/webhooks.tsx";
import { useShop } from "./shop.tsx";
import { Heading, LanguageSwitch, Pending } from "./ui/index.ts";

/** The screens by the first part of the address: a list, and one of its things by the second. */
const SCREENS: Record<string, [list: () => ReactNode, one?: (props: { id: string }) => ReactNode]> = {
    "": [DashboardScreen],
    members: [MembersScreen, MemberScreen],
    orders: [OrdersScreen, OrderScreen],
    reconciliation: [ReconciliationScreen],
    jobs: [JobsScreen, JobScreen],
    events: [EventsScreen],
    webhooks: [WebhooksScreen, WebhookScreen],
    clients: [ClientsScreen, ClientScreen],
    users: [UsersScreen, UserScreen],
    settings: [SettingsScreen],
    account: [AccountScreen],
};

export function App() {
    const { isLoggedIn, notice } = useShop();
    const [name = "", id] = useRoute().path;
    const content = () => {
        if (name === "invitation" && id) return <InvitationScreen token={id} />;
        return isLoggedIn ? <Inside name={name} id={id} /> : <LoginScreen />;
    };
    return (
        <>
            {content()}
            <p className={notice ? "notice" : "unseen"} role="status">{notice}</p>
        </>
    );
}

function Inside({ name, id = "" }: { name: string; id: string | undefined }) {
    const { api, t, setMe } = useShop();
    const me = useLoad(async (signal) => {
        const me = await api.get("/v1/admin/me", { signal });
        setMe(me);
        return me;
    }, [api]);
    const main = useRef<HTMLElement>(null);
    const place = `${name}/${id}`;
    const before = useRef(place);
    useEffect(() => {
        // Another screen begins at its top, also for whoever listens.
        if (before.current !== place) main.current?.focus();
        before.current = place;
    }, [place]);
    const [List, One] = SCREENS[name] ?? [];
    const screen = () => {
        if (!me.data) return <Pending of={me} />;
        if (id && One) return <One key={id} id={id} />;
        return List && !id ? <List key={name} /> : <Heading title={t("ページが見つかりません", "There is no such page")} />;
    };
    return (
        <div className="frame">
            <button type="button" className="skip" onClick={() => main.current?.focus()}>
                {t("本文へ", "To the content")}
            </button>
            <Bar here={name} />
            <main ref={main} tabIndex={-1}>{screen()}</main>
        </div>
    );
}

function Bar({ here }: { here: string }) {
    const { api, me, can, t } = useShop();
    const [isOpen, setOpen] = useState(false);
    const entries: [path: string, name: string, scope?: Admin.Scope][] = [
        ["", t("ダッシュボード", "Dashboard")],
        ["members", t("会員", "Members"), "members:read"],
        ["orders", t("受注", "Orders"), "orders:read"],
        ["reconciliation", t("要確認", "Reconciliation"), "orders:read"],
        ["jobs", t("一括処理", "Jobs")],
        ["events", t("履歴", "Events"), "events:read"],
        ["webhooks", t("Webhook", "Webhooks"), "webhooks:write"],
        ["clients", t("連携", "Partners"), "clients:write"],
        ["users", t("スタッフ", "Staff"), "users:write"],
        ["settings", t("設定", "Settings"), "settings:read"],
    ];
    const close = () => setOpen(false);
    return (
        <header className={isOpen ? "bar open" : "bar"}>
            <a className="brand" href="#/">
                <img src={`${import.meta.env.BASE_URL}icon.svg`} alt="" width="24" height="24" />
                {t("掛売り管理", "Kakeuri")}
            </a>
            <button type="button" className="menu" aria-expanded={isOpen} aria-controls="menu"
                onClick={() => setOpen(!isOpen)}>{t("メニュー", "Menu")}</button>
            <div id="menu" className="side">
                <nav aria-label={t("メインメニュー", "Main menu")}>
                    {entries.map(([path, name, scope]) => (!scope || can(scope)) && (
                        <a key={path} href={`#/${path}`} aria-current={here === path && "page"} onClick={close}>
                            {name}
                        </a>
                    ))}
                </nav>
                <div className="self">
                    {me && <a href="#/account" onClick={close}>{me.name}</a>}
                    <div className="tools">
                        <LanguageSwitch />
                        <button type="button" className="quiet" onClick={() => void api.logOut()}>
                            {t("ログアウト", "Log out")}
                        </button>
                    </div>
                </div>
            </div>
        </header>
    );
}
