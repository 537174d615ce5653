import { createRoot } from "react-dom/client";
import { App } from "./app";
import { ShopProvider, type Settings } from "./shop";
import { Loading, Trouble } from "./parts";
import "./style.css";

async function settingsOf(): Promise<Settings> {
    // A shop of its own, built with VITE_PUBLISHABLE_KEY, needs no other.
    const key = import.meta.env["VITE_PUBLISHABLE_KEY"] as string | undefined;
    if (key) return { publishable_key: key, store: "" };
    const answer = await fetch("/examples/config.json");
    if (!answer.ok) throw new Error("There is no /examples/config.json, and VITE_PUBLISHABLE_KEY was not set");
    return (await answer.json()) as Settings;
}

const root = createRoot(document.getElementById("root") ?? document.body);
try {
    root.render(
        <ShopProvider settings={await settingsOf()} instead={({ t, error, retry }) => (
            <main className="alone">
                {error === undefined ? <Loading t={t} /> : <Trouble t={t} error={error} retry={retry} />}
            </main>
        )}>
            <App />
        </ShopProvider>,
    );
} catch (error) {
    root.render(<main className="alone"><p role="alert">{String(error)}</p></main>);
}
