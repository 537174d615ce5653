import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";
import { ShopProvider } from "./shop.tsx";
import "./style.css";

const root = document.getElementById("root");
if (root) {
    createRoot(root).render(
        <StrictMode>
            <ShopProvider><App /></ShopProvider>
        </StrictMode>,
    );
}
