import { useAction } from "../load";
import { Field, Form, Page, Submit } from "../parts";
import { useShop } from "../shop";

/** Whoever needs to be logged in stays where he is, and goes on there. */
export function LogInPage({ isNeeded }: { isNeeded?: boolean }) {
    const { t, api, isDemo } = useShop();
    const { run, isRunning, error } = useAction(async (form: FormData) => {
        await api.logIn({ email: textOf(form, "/email"), password: textOf(form, "/password") });
    });
    return (
        <Page title={t("logIn")} lead={t(isNeeded ? "logInNeeded" : "logInLead")}>
            <div className="narrow card">
                <Form error={error} label={t("logIn")} onSend={run}>
                    <Field name="/email" type="email" autoComplete="username" />
                    <Field name="/password" type="password" autoComplete="current-password" />
                    <Submit isRunning={isRunning}>{t("logIn")}</Submit>
                </Form>
                {isDemo && <p className="hint">{t("demoHint")}</p>}
            </div>
            <p className="beside">{t("noAccount")} <a href="#/register">{t("register")}</a></p>
        </Page>
    );
}

export function textOf(form: FormData, name: string): string {
    const text = form.get(name);
    return typeof text === "string" ? text : "";
}
