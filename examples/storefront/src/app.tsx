import { type ReactNode, useEffect } from "react";
import { cart } from "./cart";
import { useKept } from "./kept";
import { CartPage } from "./pages/cart";
import { LogInPage } from "./pages/log-in";
import { MyPage } from "./pages/my-page";
import { OrderPage, OrdersPage } from "./pages/orders";
import { ProductsPage } from "./pages/products";
import { RegisterPage } from "./pages/register";
import { announce, Page, Toast } from "./parts";
import { go, useRoute } from "./route";
import { switchLanguage, useShop } from "./shop";

const ICONS = {
    products: "M4 7h16l-1.2 12.5H5.2zM8.5 9.5V6a3.5 3.5 0 0 1 7 0v3.5",
    orders: "M6 3.5h12v17l-3-2-3 2-3-2-3 2zM9 8.5h6M9 12.5h6",
    "my-page": "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.5c.6-4 3.5-5.5 7.5-5.500s6.9 1.5 7.5 5.5",
    cart: "M3 4.500h2.500l2.200 10.500h9.600l2.200-7.500H6.500M9 19.500a.8.8 0 1 0 0 .1M16 19.500a.8.8 0 1 0 0 .1",
} as const;

export function App() {
    const { t, config, isLoggedIn } = useShop();
    const [page = "products", id, ...more] = useRoute();
    const screen = <Screen key={`${page}/${id ?? ""}`} page={page} id={id} isNew={more[0] === "new"} />;
    return (
        <>
            <a className="skip" href="#main" onClick={(event) => {
                event.preventDefault();
                document.getElementById("main")?.focus();
            }}>{t("skip")}</a>
            <header>
                <a className="name" href="#/">{config.store_name}</a>
                <Menu page={page} />
                <div className="tools">
                    {isLoggedIn ? <LogOut /> : <a href="#/log-in">{t("logIn")}</a>}
                    {!isLoggedIn && <a href="#/register">{t("register")}</a>}
                    <Language />
                </div>
            </header>
            <main id="main" tabIndex={-1}>{screen}</main>
            <footer>
                <p>{t("footer")}</p>
                <p><a href="/docs/">{t("api")}</a></p>
            </footer>
            <Toast />
        </>
    );
}

function Menu({ page }: { page: string }) {
    const { t, isLoggedIn } = useShop();
    const count = useKept(cart).length;
    const entry = (to: keyof typeof ICONS, label: string, extra?: ReactNode) => (
        <li>
            <a href={`#/${to}`} aria-current={page === to ? "page" : undefined}>
                <svg viewBox="0 0 24 24" aria-hidden="true"><path d={ICONS[to]} /></svg>
                <span>{label}</span>
                {extra}
            </a>
        </li>
    );
    return (
        <nav aria-label={t("menu")}>
            <ul>
                {entry("products", t("products"))}
                {isLoggedIn && entry("orders", t("orders"))}
                {isLoggedIn && entry("my-page", t("myPage"))}
                {entry("cart", t("cart"), count > 0 && (
                    <span className="count"><span aria-hidden="true">{count}</span>
                        <span className="unseen">{t("cartCount", { n: count })}</span></span>
                ))}
            </ul>
        </nav>
    );
}

function LogOut() {
    const { t, api } = useShop();
    const logOut = () => {
        // It ends here even where the service cannot be reached; what is shown next is asked for without it.
        void api.logOut().catch(() => undefined).then(() => {
            go("/");
            announce(t("loggedOut"));
        });
    };
    return <button type="button" className="bare" onClick={logOut}>{t("logOut")}</button>;
}

function Language() {
    const { language } = useShop();
    const [lang, name] = language === "ja" ? ["en", "English"] : ["ja", "日本語"];
    return <button type="button" className="bare" lang={lang} onClick={switchLanguage}>{name}</button>;
}

function Screen({ page, id, isNew }: { page: string; id: string | undefined; isNew: boolean }) {
    const { t, isLoggedIn } = useShop();
    switch (page) {
        case "products":
            return <ProductsPage />;
        case "cart":
            return <CartPage />;
        case "register":
            return isLoggedIn ? <Forward to="my-page" /> : <RegisterPage />;
        case "log-in":
            return isLoggedIn ? <Forward to={id ?? "my-page"} /> : <LogInPage />;
        case "my-page":
            return isLoggedIn ? <MyPage /> : <LogInPage isNeeded />;
        case "orders":
            if (!isLoggedIn) return <LogInPage isNeeded />;
            return id ? <OrderPage id={id} isNew={isNew} /> : <OrdersPage />;
        default:
            return <Page title={t("notFound")}><p><a href="#/">{t("toProducts")}</a></p></Page>;
    }
}

/** Whoever has logged in goes where he was going. */
function Forward({ to }: { to: string }) {
    useEffect(() => location.replace(`#/${to}`), [to]);
    return null;
}
