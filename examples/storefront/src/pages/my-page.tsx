import { isProblem, type Storefront } from "@kakeuri/client";
import { type ReactNode, useCallback, useState } from "react";
import { type Loaded, useAction, useLoad } from "../load";
import { announce, Field, Form, Page, Shown, Submit, Trouble } from "../parts";
import { changedIn, ProfileFields } from "../profile";
import { useShop } from "../shop";
import { textOf } from "./log-in";

type Mine = { me: Storefront.Me; etag: string | undefined; paid: Storefront.MyPaid };

export function MyPage() {
    const { t, api } = useShop();
    const load = useCallback(
        async (signal: AbortSignal): Promise<Mine> => {
            const profile = api.get("/v1/storefront/me", { signal }).withResponse();
            const [{ data, etag }, paid] = await Promise.all([profile, api.get("/v1/storefront/me/paid", { signal })]);
            return { me: data, etag, paid };
        },
        [api],
    );
    const mine = useLoad(load);
    return (
        <Page title={t("myPage")}>
            <Shown of={mine}>{(data) => <Account {...data} reload={mine.reload} />}</Shown>
        </Page>
    );
}

type Reload = Pick<Loaded<Mine>, "reload">;

function Account({ me, etag, paid, reload }: Mine & Reload) {
    const { t, api, label } = useShop();
    const [isEdited, setEdited] = useState(false);
    const apply = useAction(async () => {
        try {
            await api.post("/v1/storefront/me/paid/application");
        } catch (error) {
            // What Paid needs to know and the profile does not say is asked for there.
            if (isProblem(error, "invalid")) setEdited(true);
            throw error;
        }
        announce(t("applied"));
        reload();
    });
    return (
        <div className="columns">
            <section className="card" aria-labelledby="profile">
                <h2 id="profile">{t("profile")}</h2>
                {isEdited
                    ? <Edit me={me} etag={etag} fault={apply.error} leave={(isSaved) => {
                        setEdited(false);
                        apply.forget();
                        if (isSaved) reload();
                    }} />
                    : (
                        <>
                            <Facts me={me} status={label("MemberStatus", me.status)} />
                            <button type="button" className="quiet" onClick={() => setEdited(true)}>{t("edit")}</button>
                        </>
                    )}
            </section>
            <section className="card paid" aria-labelledby="paid">
                <h2 id="paid">{t("paid")}</h2>
                <p><span className={`tag ${paid.state}`}>{label("BuyerState", paid.state)}</span></p>
                <p>{paid.message}</p>
                {apply.error !== undefined && <Trouble t={t} error={apply.error} retry={apply.run} />}
                {paid.can_apply && (
                    <button type="button" className="primary" aria-disabled={apply.isRunning} onClick={apply.run}>
                        {t("apply")}
                    </button>
                )}
                {paid.banner.visible && <Banner known={paid.banner.url} reload={reload} />}
            </section>
        </div>
    );
}

function Facts({ me, status }: { me: Storefront.Me; status: string }) {
    const { t } = useShop();
    const fact = (name: string, value: ReactNode) => <div><dt>{name}</dt><dd>{value}</dd></div>;
    return (
        <dl className="facts wide">
            {fact(t("/company_name"), me.company_name)}
            {fact(t("memberNumber"), me.number)}
            {fact(t("memberStatus"), <span className="tag">{status}</span>)}
            {fact(t("contact"), `${me.contact.family_name} ${me.contact.given_name}`)}
            {fact(t("/email"), me.email)}
            {fact(t("/phone"), me.phone)}
            {fact(t("address"), `〒${me.postal_code} ${me.prefecture}${me.city}${me.street} ${me.building}`)}
        </dl>
    );
}

/** For those whom Paid knows already: they link themselves on Paid's side. */
function Banner({ known, reload }: { known: string | null } & Reload) {
    const { t, api } = useShop();
    const [used, setUsed] = useState<Storefront.PaidBanner>();
    const use = useAction(async () => {
        setUsed((await api.post("/v1/storefront/me/paid/link")).banner);
        reload();
    });
    const url = used?.url ?? (used ? known : null);
    return (
        <div className="banner">
            <h3>{t("bannerTitle")}</h3>
            <p>{t("bannerDetail")}</p>
            {use.error !== undefined && <Trouble t={t} error={use.error} retry={use.run} />}
            <div aria-live="polite">
                {url && (
                    <a className="button" href={url} target="_blank" rel="noopener noreferrer">
                        {t("bannerGo")} <span className="unseen">({t("newTab")})</span>
                    </a>
                )}
                {used && !url && <p>{t("bannerUnknown")}</p>}
            </div>
            {!used && (
                <button type="button" className="quiet" aria-disabled={use.isRunning} onClick={use.run}>
                    {t("bannerUse")}
                </button>
            )}
        </div>
    );
}

type EditProps = Omit<Mine, "paid"> & { fault: unknown; leave: (isSaved: boolean) => void };

function Edit({ me, etag, fault, leave }: EditProps) {
    const { t, api } = useShop();
    const [email, setEmail] = useState(me.email);
    const { run, isRunning, error } = useAction(async (form: FormData) => {
        const current_password = textOf(form, "/current_password");
        const body = { ...changedIn(form, me), ...(current_password && { current_password }) };
        await api.patch("/v1/storefront/me", { body, ifMatch: etag });
        announce(t("saved"));
        leave(true);
    });
    return (
        <Form error={error ?? fault} label={t("edit")} onSend={run}>
            <fieldset>
                <legend>{t("account")}</legend>
                <div className="fields">
                    <Field name="/email" type="email" required autoComplete="username" value={me.email}
                        onInput={setEmail} />
                    {email !== me.email && (
                        <Field name="/current_password" type="password" required autoComplete="current-password"
                            hint={t("emailChange")} />
                    )}
                </div>
            </fieldset>
            <ProfileFields of={me} />
            <div className="actions">
                <Submit isRunning={isRunning}>{t("save")}</Submit>
                <button type="button" className="quiet" onClick={() => leave(false)}>{t("cancel")}</button>
            </div>
        </Form>
    );
}
