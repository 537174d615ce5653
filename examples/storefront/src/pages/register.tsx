import type { Storefront } from "@kakeuri/client";
import { useId, useState } from "react";
import { useAction } from "../load";
import { announce, Field, Form, Page, Submit } from "../parts";
import { filledIn, ProfileFields } from "../profile";
import { useShop } from "../shop";
import { textOf } from "./log-in";

export function RegisterPage() {
    const { t, api, config } = useShop();
    const id = useId();
    const [wish, setWish] = useState(false);
    const { run, isRunning, error } = useAction(async (form: FormData) => {
        const password = textOf(form, "/password");
        const body = { ...filledIn(form), password, wants_paid: wish } as Storefront.RegistrationIn;
        await api.post("/v1/storefront/members", { body });
        await api.logIn({ email: body.email, password });
        announce(t("registered"));
    });
    return (
        <Page title={t("register")} lead={t("registerLead")}>
            <Form error={error} label={t("register")} onSend={run}>
                <fieldset>
                    <legend>{t("account")}</legend>
                    <div className="fields">
                        <Field name="/email" type="email" required autoComplete="username" />
                        <Field name="/password" type="password" required autoComplete="new-password"
                            hint={t("passwordHint")} />
                    </div>
                </fieldset>
                {config.paid.application_at_registration && (
                    <div className="wish">
                        <input type="checkbox" id={id} checked={wish} aria-describedby={`${id}-about`}
                            onChange={(event) => setWish(event.target.checked)} />
                        <label htmlFor={id}>{t("wish")}</label>
                        <p id={`${id}-about`}>{t("wishDetail")}</p>
                    </div>
                )}
                <ProfileFields />
                <Submit isRunning={isRunning}>{t("register")}</Submit>
            </Form>
            <p className="beside">{t("hasAccount")} <a href="#/log-in">{t("logIn")}</a></p>
        </Page>
    );
}
