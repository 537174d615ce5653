import type { Storefront } from "@kakeuri/client";
import { useCallback, useState } from "react";
import { Art } from "../art";
import { addToCart } from "../cart";
import { usePages } from "../load";
import { announce, Page, Shown } from "../parts";
import { Quantity } from "../quantity";
import { useShop } from "../shop";

export function ProductsPage() {
    const { t, api } = useShop();
    const load = useCallback(
        (signal: AbortSignal, cursor: { cursor?: string }) =>
            api.get("/v1/storefront/products", { query: { limit: 24, ...cursor }, signal }),
        [api],
    );
    const products = usePages(load);
    return (
        <Page title={t("products")} lead={t("productsLead")}>
            <Shown of={products}>
                {({ data }) => (
                    <>
                        <ul className="products">
                            {data.map((product) => <li key={product.id}><Card product={product} /></li>)}
                        </ul>
                        {products.more && (
                            <p className="more">
                                <button type="button" className="quiet" onClick={products.more}>{t("more")}</button>
                            </p>
                        )}
                    </>
                )}
            </Shown>
        </Page>
    );
}

function Card({ product }: { product: Storefront.Product }) {
    const { t, yen } = useShop();
    const [quantity, setQuantity] = useState(1);
    const { code, name, unit_price, tax_rate, paid_allowed } = product;
    const add = () => {
        addToCart([{ product_code: code, quantity }]);
        announce(t("added", { name }));
    };
    return (
        <article className="card product">
            <Art code={code} name={name} />
            <h2>{name}</h2>
            <p className="code">{code}</p>
            <p className="price">
                <strong>{yen(unit_price)}</strong> {t("withoutTax")}
            </p>
            <p className="tags">
                <span className="tag">{t("taxRate", { n: tax_rate })}</span>
                {!paid_allowed && <span className="tag warn">{t("notOnAccount")}</span>}
            </p>
            <div className="buy">
                <Quantity name={name} value={quantity} onChange={setQuantity} />
                <button type="button" className="primary" aria-label={t("addOf", { name })} onClick={add}>
                    {t("add")}
                </button>
            </div>
        </article>
    );
}
