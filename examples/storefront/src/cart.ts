import type { Storefront } from "@kakeuri/client";
import { kept } from "./kept";

/** What the buyer wants: codes and quantities. What that costs is the service's to say. */
export const cart = kept<Storefront.CartLine[]>("cart", []);

export function addToCart(added: Storefront.CartLine[]): void {
    const lines = new Map(cart.get().map((line) => [line.product_code, line.quantity]));
    for (const { product_code, quantity } of added) lines.set(product_code, (lines.get(product_code) ?? 0) + quantity);
    cart.set([...lines].map(([product_code, quantity]) => ({ product_code, quantity })));
}

export function setQuantity(code: string, quantity: number): void {
    cart.set(cart.get().map((line) => (line.product_code === code ? { ...line, quantity } : line)));
}

export function takeOut(code: string): void {
    cart.set(cart.get().filter((line) => line.product_code !== code));
}

const attempt = kept<{ body: string; key: string } | null>("attempt", null);

/**
 * The key under which an order is sent. As long as nobody knows whether it has arrived, the same order has the same
 * key, also after a reload: it is placed once.
 */
export function keyOf(order: Storefront.OrderIn): string {
    const body = JSON.stringify(order);
    const last = attempt.get();
    const key = last?.body === body ? last.key : crypto.randomUUID();
    attempt.set({ body, key });
    return key;
}

/** The order was answered; the next one is another. */
export function forgetKey(): void {
    attempt.set(null);
}
