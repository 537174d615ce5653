//! Issuers of a store: named, changed, removed, each with its line in the log.

use diesel_async::{AsyncConnection as _, AsyncPgConnection};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use crate::app::App;
use crate::db::event::{NewEvent, Subject};
use crate::db::issuer::{self, Issuer};
use crate::db::violated_key;
use crate::domain::events::EventType;
use crate::domain::issuer::{
    IssuerSubjects, LONGEST_AUDIENCE, LONGEST_CLAIM, MOST_ISSUERS, MatchTo,
};
use crate::domain::permissions::Scope;
use crate::domain::{Faults, IssuerId};
use crate::error::{Code, Error, OrNotFound as _};
use crate::workflows::context::{Context, may_grant};

/// What the store says of an issuer.
#[derive(Clone, Debug)]
pub struct Terms {
    /// As its tokens name it.
    pub issuer: String,
    /// Where its public keys are; without it the issuer tells (OpenID discovery).
    pub jwks_uri: Option<String>,
    /// For whom its tokens are.
    pub audience: String,
    /// Whom they are of.
    pub subjects: IssuerSubjects,
    /// The claim that says who it is,
    pub match_claim: String,
    /// and what it is compared with.
    pub match_to: MatchTo,
    /// What they allow at most, of the staff.
    pub max_scopes: Vec<Scope>,
}

impl Terms {
    fn checked(mut self, app: &App) -> Result<Self, Error> {
        let mut faults = Faults::new();
        let issuer = check(app, "/issuer", &self.issuer, &mut faults);
        let is_bare = issuer.is_none_or(|url| url.query().is_none());
        let message = text!("issuer-has-no-query");
        faults.check(is_bare, "/issuer", "invalid", message);
        if let Some(uri) = &self.jwks_uri {
            check(app, "/jwks_uri", uri, &mut faults);
        }
        let short = |text: &str, longest: usize| (1..=longest).contains(&text.chars().count());
        let message = text!("from-1-to-200-characters");
        let good = short(&self.audience, LONGEST_AUDIENCE);
        faults.check(good, "/audience", "out_of_range", message);
        let message = text!("from-1-to-100-characters");
        let good = short(&self.match_claim, LONGEST_CLAIM);
        faults.check(good, "/match/claim", "out_of_range", message);
        // What the issuer says of having verified is said of this claim alone.
        let is_verified = self.match_to != MatchTo::Email || self.match_claim == "email";
        let message = text!("address-stands-in-the-claim-email");
        faults.check(is_verified, "/match/claim", "not_allowed", message);
        self.max_scopes.sort_unstable();
        self.max_scopes.dedup();
        match self.subjects {
            IssuerSubjects::Users => {
                let message = text!("staff-have-no-numbers");
                let by_email = self.match_to == MatchTo::Email;
                faults.check(by_email, "/match/to", "not_allowed", message);
                let message = text!("name-what-the-staff-may-do");
                faults.check(
                    !self.max_scopes.is_empty(),
                    "/max_scopes",
                    "required",
                    message,
                );
            }
            IssuerSubjects::Members => {
                let message = text!("members-have-no-scopes");
                let none = self.max_scopes.is_empty();
                faults.check(none, "/max_scopes", "not_allowed", message);
            }
        }
        faults.into_result()?;
        Ok(self)
    }

    /// Whoever says who somebody is can be that one.
    fn grants(&self) -> Vec<Scope> {
        match self.subjects {
            IssuerSubjects::Users => {
                let mut scopes = self.max_scopes.clone();
                scopes.push(Scope::UsersWrite);
                scopes
            }
            IssuerSubjects::Members => vec![Scope::MembersImpersonate],
        }
    }
}

fn check(app: &App, pointer: &str, text: &str, faults: &mut Faults) -> Option<Url> {
    let url = app.egress.check(text);
    url.map_err(|(code, message)| faults.add(pointer, code, message))
        .ok()
}

fn terms_of(issuer: &Issuer) -> Terms {
    Terms {
        issuer: issuer.issuer.clone(),
        jwks_uri: issuer.jwks_uri.clone(),
        audience: issuer.audience.clone(),
        subjects: issuer.subjects,
        match_claim: issuer.match_claim.clone(),
        match_to: issuer.match_to,
        max_scopes: issuer.max_scopes.clone(),
    }
}

/// Takes an issuer on. `held`: the scopes of whoever does it.
///
/// # Errors
/// 422, 403 `missing_scope`, 409 `action_not_allowed` where there are too many, or another store takes the same tokens.
pub async fn create(
    app: &App,
    terms: Terms,
    held: &[Scope],
    context: &Context<'_>,
) -> Result<Issuer, Error> {
    let (terms, now) = (terms.checked(app)?, app.clock.now());
    may_grant(&terms.grants(), held)?;
    let issuer = Issuer {
        store_id: context.store,
        id: IssuerId::new(),
        issuer: terms.issuer,
        jwks_uri: terms.jwks_uri,
        audience: terms.audience,
        subjects: terms.subjects,
        match_claim: terms.match_claim,
        match_to: terms.match_to,
        max_scopes: terms.max_scopes,
        jwks: None,
        keys_read_at: None,
        keys_tried_at: None,
        keys_failure: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        if issuer::count(context.store, conn).await? >= MOST_ISSUERS {
            let message = text!("store-has-issuers-at-most", most_issuers = MOST_ISSUERS);
            return Err(Code::ActionNotAllowed.because(message));
        }
        let named = issuer::insert(&issuer, conn).await.map_err(taken)?;
        named.then_some(()).ok_or_else(of_another)?;
        context.ticket.record(issuer.id.0, conn).await?;
        log(EventType::IssuerCreated, &issuer, context, conn).await
    })
    .await?;
    Ok(issuer)
}

/// The one that an earlier try of the same request has taken on.
pub async fn resume(app: &App, made: Uuid, context: &Context<'_>) -> Result<Option<Issuer>, Error> {
    let conn = app.db().await?;
    let found = issuer::find(context.store, IssuerId(made), &conn).await?;
    found
        .map(Some)
        .ok_or_else(|| Code::ActionNotAllowed.because(text!("first-try-issuer-was-removed-since")))
}

/// Changes one. Where its keys are read elsewhere, those that were read before are forgotten.
///
/// # Errors
/// 422, 403 `missing_scope`, 409 `action_not_allowed`, 412 `stale`.
pub async fn change(
    app: &App,
    id: IssuerId,
    held: &[Scope],
    context: &Context<'_>,
    edit: impl FnOnce(&Issuer) -> Result<Terms, Error> + Send,
) -> Result<Issuer, Error> {
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let locked = issuer::lock(context.store, id, conn).await?;
        let mut issuer = locked.or_not_found()?;
        context.check_version(issuer.version)?;
        let terms = edit(&issuer)?.checked(app)?;
        may_grant(&terms_of(&issuer).grants(), held)?;
        may_grant(&terms.grants(), held)?;
        if terms.issuer != issuer.issuer || terms.jwks_uri != issuer.jwks_uri {
            (issuer.jwks, issuer.keys_read_at) = (None, None);
            (issuer.keys_tried_at, issuer.keys_failure) = (None, None);
        }
        issuer.issuer = terms.issuer;
        issuer.jwks_uri = terms.jwks_uri;
        issuer.audience = terms.audience;
        issuer.subjects = terms.subjects;
        issuer.match_claim = terms.match_claim;
        issuer.match_to = terms.match_to;
        issuer.max_scopes = terms.max_scopes;
        let saved = issuer::save(&mut issuer, app.clock.now(), conn).await;
        saved.map_err(taken)?.then_some(()).ok_or_else(of_another)?;
        log(EventType::IssuerChanged, &issuer, context, conn).await?;
        Ok(issuer)
    })
    .await
}

/// Removes one; its tokens are refused from the next request on.
pub async fn remove(app: &App, id: IssuerId, context: &Context<'_>) -> Result<(), Error> {
    let conn = &mut *app.db().await?;
    conn.transaction(async |conn| {
        let locked = issuer::lock(context.store, id, conn).await?;
        let mut issuer = locked.or_not_found()?;
        context.check_version(issuer.version)?;
        issuer::delete(context.store, id, conn).await?;
        issuer.updated_at = app.clock.now();
        log(EventType::IssuerDeleted, &issuer, context, conn).await
    })
    .await
}

fn taken(error: diesel::result::Error) -> Error {
    if violated_key(&error) == Some("issuers_by_name") {
        return Code::ActionNotAllowed.because(text!("there-is-this-issuer-already-for-these"));
    }
    error.into()
}

fn of_another() -> Error {
    Code::ActionNotAllowed.because(text!("tokens-of-this-issuer-for-this-audience"))
}

async fn log(
    kind: EventType,
    issuer: &Issuer,
    context: &Context<'_>,
    conn: &mut AsyncPgConnection,
) -> Result<(), Error> {
    let data = json!({
        "issuer_id": issuer.id, "issuer": issuer.issuer, "jwks_uri": issuer.jwks_uri, "audience": issuer.audience,
        "subjects": issuer.subjects, "max_scopes": issuer.max_scopes,
    });
    let event = NewEvent::new(kind, Subject::Store(context.store), data);
    Ok(context.log(&[event], issuer.updated_at, conn).await?)
}
