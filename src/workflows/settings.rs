//! A store's settings: credentials and switches of Paid, the store's own options, and the connection test.

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::provider::{self, About, Calls, PaidReader};
use crate::app::App;
use crate::crypto;
use crate::db::event::{self, NewEvent, Subject};
use crate::db::paid_settings::{self, PaidSettings};
use crate::db::store::{self, Store, StoreOptions};
use crate::db::{member, operation, payment};
use crate::domain::events::EventType;
use crate::domain::store::{
    APPLICATIONS_PER_HOUR, Environment, Health, NAME_LENGTH, STATUS_REFRESH_MINUTES,
    UNCONFIRMED_ALERT_DAYS, is_invoice_registration_number,
};
use crate::domain::{Faults, PaidKey, StoreId};
use crate::error::{Code, Error, OrNotFound};
use crate::paid::{Codes, StatusAnswer};

/// The payment settings as they are to be.
pub struct PaidChange {
    /// The store's id at Paid.
    pub merchant_id: Option<String>,
    /// A new auth code; absent: the stored one stays.
    pub api_auth_code: Option<SecretString>,
    /// Which Paid.
    pub environment: Environment,
    /// May members apply, and pay with Paid?
    pub enabled: bool,
    /// 新規会員の決済を有効にする: do new members have Paid ticked?
    pub enable_for_new_members: bool,
    /// Does the storefront show the banner to members of Paid that are not linked yet?
    pub show_member_banner: bool,
}

/// Changes the payment settings. `change` is asked under their lock how they are to be.
pub async fn change_paid(
    app: &App,
    store: StoreId,
    actor: &str,
    change: impl FnOnce(&PaidSettings) -> Result<PaidChange, Error> + Send,
) -> Result<PaidSettings, Error> {
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let before = paid_settings::lock(store, conn).await?;
        let change = change(&before)?;
        check(app, &before, &change)?;
        let now = app.clock.now();
        let reset = move_account(&before, &change, now, conn).await?;
        let mut after = PaidSettings {
            merchant_id: change.merchant_id,
            environment: change.environment,
            enabled: change.enabled,
            enable_for_new_members: change.enable_for_new_members,
            show_member_banner: change.show_member_banner,
            ..before.clone()
        };
        if let Some(code) = &change.api_auth_code {
            let code = code.expose_secret();
            after.auth_code_sealed = Some(
                app.keys
                    .seal(&provider::auth_code_purpose(store), code.as_bytes()),
            );
            after.auth_code_last4 = Some(last4(code));
        }
        if change.api_auth_code.is_some() || reset.is_some() {
            (after.health, after.health_at) = (Health::Unknown, None);
        }
        let fields = changed(&before, &after, change.api_auth_code.is_some());
        if fields.is_empty() {
            return Ok(before);
        }
        paid_settings::save(&mut after, now, conn).await?;
        let data = json!({
            "fields": fields, "environment": after.environment, "enabled": after.enabled,
            "applications_reset": reset,
        });
        event::append(
            store,
            &[NewEvent::new(
                EventType::PaidSettingsChanged,
                Subject::Store(store),
                data,
            )],
            actor,
            now,
            conn,
        )
        .await?;
        Ok(after)
    })
    .await
}

fn check(app: &App, before: &PaidSettings, change: &PaidChange) -> Result<(), Error> {
    let mut faults = Faults::new();
    if let Some(merchant) = &change.merchant_id {
        let good = (1..=50).contains(&merchant.chars().count())
            && merchant.chars().all(|c| c.is_ascii_graphic());
        faults.check(
            good,
            "/merchant_id",
            "malformed",
            text!("merchant-id-has-1-to-50-letters"),
        );
    }
    if let Some(code) = &change.api_auth_code {
        let code = code.expose_secret();
        let good =
            (8..=200).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_graphic());
        faults.check(
            good,
            "/api_auth_code",
            "malformed",
            text!("auth-code-has-8-to-200-letters"),
        );
    }
    if change.enabled {
        let needed = text!("paid-can-be-enabled-only-with-both");
        faults.check(
            change.merchant_id.is_some(),
            "/merchant_id",
            "required",
            needed.clone(),
        );
        let has_code = change.api_auth_code.is_some() || before.auth_code_sealed.is_some();
        faults.check(has_code, "/api_auth_code", "required", needed);
    }
    faults.into_result()?;
    let chosen = change.environment != before.environment || (change.enabled && !before.enabled);
    if chosen && app.config.paid_url(change.environment).is_none() {
        return Err(provider::live_not_configured(change.environment));
    }
    Ok(())
}

/// Another account at Paid knows nothing of what stands at the present one: nothing may be open, and every application
/// begins anew. Says how many did, where the account changed at all.
async fn move_account(
    before: &PaidSettings,
    change: &PaidChange,
    now: DateTime<Utc>,
    conn: &mut AsyncPgConnection,
) -> Result<Option<usize>, Error> {
    // Without an auth code nothing was ever asked, so there is nothing to lose.
    let had_account = before.auth_code_sealed.is_some();
    let moves =
        change.merchant_id != before.merchant_id || change.environment != before.environment;
    if !had_account || !moves {
        return Ok(None);
    }
    let store = before.store_id;
    if operation::any_open(store, conn).await? || payment::any_open(store, conn).await? {
        return Err(Code::OpenPayments.because(text!("payments-or-submissions-are-still-open")));
    }
    Ok(Some(member::reset_applications(store, now, conn).await?))
}

/// Enough to tell two codes apart, never more than half of a short one.
fn last4(code: &str) -> String {
    let shown = (code.len() / 2).min(4);
    code[code.len() - shown..].to_owned()
}

fn changed(before: &PaidSettings, after: &PaidSettings, new_code: bool) -> Vec<&'static str> {
    let fields = [
        (before.merchant_id != after.merchant_id, "merchant_id"),
        (new_code, "api_auth_code"),
        (before.environment != after.environment, "environment"),
        (before.enabled != after.enabled, "enabled"),
        (
            before.enable_for_new_members != after.enable_for_new_members,
            "enable_for_new_members",
        ),
        (
            before.show_member_banner != after.show_member_banner,
            "show_member_banner",
        ),
    ];
    fields
        .into_iter()
        .filter(|(changed, _)| *changed)
        .map(|(_, name)| name)
        .collect()
}

/// What a connection test found.
#[derive(Clone, Debug)]
pub struct Tested {
    /// `ok`, `auth_failed` or `unreachable`.
    pub health: Health,
    /// Paid's codes.
    pub codes: Codes,
    /// When.
    pub at: DateTime<Utc>,
}

/// Asks Paid for the status of a key that cannot exist: that it does not is the best answer.
pub async fn test_connection(app: &App, store: StoreId) -> Result<Tested, Error> {
    let deadline = provider::deadline(app);
    let settings = paid_settings::find(store, &*app.db().await?).await?;
    let account = provider::account(app, &settings, settings.environment)?;
    let key = PaidKey::from_random(crypto::random());
    let mut reader = PaidReader::until(
        deadline,
        app,
        account,
        Calls::new(app, store, About::default()),
    );
    let (health, codes) = match reader.statuses(std::slice::from_ref(&key)).await {
        Ok(mut answers) => match answers.remove(&key) {
            Some(StatusAnswer::Reported(_)) => (Health::Ok, Codes::none()),
            Some(StatusAnswer::Refused(codes)) => (Health::Ok, codes),
            Some(StatusAnswer::Unclear) | None => (Health::Unreachable, Codes::none()),
        },
        Err(failure) if failure.codes().is_auth_failure() => {
            (Health::AuthFailed, failure.codes().clone())
        }
        Err(failure) => (Health::Unreachable, failure.codes().clone()),
    };
    let at = app.clock.now();
    let conn = &mut *app.db().await?;
    reader.calls.write(conn).await?.about_no_single_one();
    paid_settings::set_health(store, health, at, conn).await?;
    Ok(Tested { health, codes, at })
}

/// Changes the store's own options. `change` is asked under the store's lock how they are to be.
pub async fn change_store(
    app: &App,
    id: StoreId,
    actor: &str,
    change: impl FnOnce(&Store) -> Result<StoreOptions, Error> + Send,
) -> Result<Store, Error> {
    let now = app.clock.now();
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let before = store::lock(id, conn).await?.or_not_found()?;
        let mut options = change(&before)?;
        options.name = options.name.trim().to_owned();
        check_options(&options)?;
        let fields = changed_options(&before, &options);
        if fields.is_empty() {
            return Ok(before);
        }
        let after = store::set_options(id, &options, now, conn).await?;
        let data = json!({
            "fields": fields, "member_approval": after.member_approval, "tax_rounding": after.tax_rounding,
        });
        event::append(id, &[NewEvent::new(EventType::StoreSettingsChanged, Subject::Store(id), data)], actor, now, conn).await?;
        Ok(after)
    })
    .await
}

fn check_options(options: &StoreOptions) -> Result<(), Error> {
    let mut faults = Faults::new();
    let name = NAME_LENGTH.contains(&options.name.chars().count());
    faults.check(
        name,
        "/name",
        "out_of_range",
        text!("from-1-to-100-characters"),
    );
    let number = options
        .invoice_registration_number
        .as_deref()
        .is_none_or(is_invoice_registration_number);
    faults.check(
        number,
        "/invoice_registration_number",
        "malformed",
        text!("registration-number-is-t-and-13-digits"),
    );
    let minutes = options.status_refresh_minutes;
    let minutes = minutes == 0 || STATUS_REFRESH_MINUTES.contains(&minutes);
    faults.check(
        minutes,
        "/status_refresh_minutes",
        "out_of_range",
        text!("off-or-15-to-10080-minutes"),
    );
    let days = UNCONFIRMED_ALERT_DAYS.contains(&options.unconfirmed_alert_days);
    faults.check(
        days,
        "/unconfirmed_alert_days",
        "out_of_range",
        text!("from-1-to-3650-days"),
    );
    let applications = APPLICATIONS_PER_HOUR.contains(&options.applications_per_hour);
    faults.check(
        applications,
        "/applications_per_hour",
        "out_of_range",
        text!("from-0-to-10000-an-hour"),
    );
    Ok(faults.into_result()?)
}

fn changed_options(before: &Store, after: &StoreOptions) -> Vec<&'static str> {
    let number = before.invoice_registration_number != after.invoice_registration_number;
    let fields = [
        (before.name != after.name, "name"),
        (
            before.member_approval != after.member_approval,
            "member_approval",
        ),
        (before.tax_rounding != after.tax_rounding, "tax_rounding"),
        (number, "invoice_registration_number"),
        (
            before.status_refresh_minutes != after.status_refresh_minutes,
            "status_refresh_minutes",
        ),
        (
            before.unconfirmed_alert_days != after.unconfirmed_alert_days,
            "unconfirmed_alert_days",
        ),
        (
            before.applications_per_hour != after.applications_per_hour,
            "applications_per_hour",
        ),
        (
            before.require_second_factor != after.require_second_factor,
            "require_second_factor",
        ),
        (
            before.require_email_verification != after.require_email_verification,
            "require_email_verification",
        ),
    ];
    fields
        .into_iter()
        .filter(|(changed, _)| *changed)
        .map(|(_, name)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_auth_code_is_not_shown_whole() {
        assert_eq!(last4("0123456789abcdef"), "cdef");
        assert_eq!(last4("abcd"), "cd");
        assert_eq!(last4("a"), "");
    }
}
