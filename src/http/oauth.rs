//! Tokens for partners' clients, as OAuth 2.0 has it (RFC 6749, 7523, 8414). Its errors have the form that libraries for
//! it read; whatever has nothing to do with OAuth is a problem document as everywhere.

use std::borrow::Cow;

use actix_web::dev::{HttpServiceFactory, Payload};
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{FromRequest, HttpRequest, HttpResponse, get};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use futures_util::future::LocalBoxFuture;
use serde_json::json;
use utoipa_actix_web::OpenApiFactory;

use super::auth::{Stranger, with_share};
use super::body::{self, is_form};
use super::limits::{self, Limits, address};
use super::operation::{Registry, operations};
use super::signature::{Argument, Sent, Signature};
use crate::app::App;
use crate::db::share;
use crate::domain::permissions::Scope;
use crate::error::{Code, Error};
use crate::public_keys;
use crate::workflows::client_token::{self, Credentials, Issued, TOKEN_ENDPOINT};

const OAUTH: &str = "/v1/oauth";
const GRANT: &str = "client_credentials";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Everything below `/v1/oauth`.
pub fn scope() -> impl HttpServiceFactory + 'static {
    web::scope(OAUTH)
        .wrap(from_fn(with_share))
        .wrap(from_fn(limits::every_call))
        .configure(|config| routes(&mut Registry::Service(config)))
}

/// The same, to be described.
pub fn described() -> impl HttpServiceFactory + OpenApiFactory + 'static {
    utoipa_actix_web::scope(OAUTH).configure(|config| routes(&mut Registry::Document(config)))
}

fn routes(registry: &mut Registry<'_, '_>) {
    operations!(registry, create_token);
}

/// What is asked for. A client shows who it is by HTTP Basic, by its name and secret in the form, or by something that it
/// has signed; in one way only.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "stands for the form in the document")]
struct TokenIn {
    /// Always `client_credentials`.
    #[schema(example = "client_credentials")]
    grant_type: String,
    /// The scopes wanted, separated by spaces; all that the client has where it names none.
    #[schema(required = false, example = "orders:read")]
    scope: String,
    /// The client's `client_id`, unless it stands in `Authorization: Basic …`.
    #[schema(
        required = false,
        example = "kc_AZPV7nwfe2qg8y0sG05fAAGT1e58H3tqoPMtLBtOXwA"
    )]
    client_id: String,
    /// The client's secret, of one that does not sign, unless it stands in `Authorization: Basic …`.
    #[schema(required = false, example = "kcs_2Q…")]
    client_secret: String,
    /// Of a client that signs: `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    #[schema(
        required = false,
        example = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    )]
    client_assertion_type: String,
    /// A JWT by one of the client's keys: `iss` and `sub` its name, `aud` this service or its token endpoint, `exp` within
    /// ten minutes, `jti` new each time (RFC 7523).
    #[schema(required = false, example = "eyJhbGciOiJFZERTQSJ9…")]
    client_assertion: String,
}

/// A token.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = Token)]
struct TokenOut {
    /// For `Authorization: Bearer …`.
    #[schema(example = "eyJhbGciOiJFZERTQSJ9…")]
    access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until it ends.
    #[schema(example = 900)]
    expires_in: i64,
    /// What it allows: scopes, separated by spaces.
    #[schema(example = "orders:read")]
    scope: String,
}

/// Why there is no token (RFC 6749, section 5.2).
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
#[schema(as = TokenRefused)]
struct RefusedOut {
    /// `invalid_request`, `invalid_client`, `invalid_scope` or `unsupported_grant_type`.
    #[schema(example = "invalid_client")]
    error: &'static str,
    /// What is wrong, as a sentence for people.
    #[schema(example = "The client or its secret is not right.")]
    error_description: String,
}

/// How asking for a token fails.
enum Refused {
    /// In the words of OAuth.
    Said(RefusedOut),
    Failed(Error),
}

impl Refused {
    fn because(error: &'static str, why: impl Into<String>) -> Self {
        Self::Said(RefusedOut {
            error,
            error_description: why.into(),
        })
    }

    fn request(why: impl Into<String>) -> Self {
        Self::because("invalid_request", why)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let said = match error.code() {
            Some(Code::LoginFailed) => "invalid_client",
            Some(Code::Malformed | Code::UnsupportedMediaType) => "invalid_request",
            Some(_) | None => return Self::Failed(error),
        };
        match error {
            Error::Problem(problem) => Self::because(said, problem.detail.to_string()),
            Error::Internal(_) => Self::Failed(error),
        }
    }
}

/// Get a token for a client (アクセストークンの取得)
///
/// The client credentials grant of OAuth 2.0 (RFC 6749, section 4.4). The store follows from the client. Where this is, and
/// what it takes, is told at `/.well-known/oauth-authorization-server` as well.
#[utoipa::path(
    post,
    path = "/token",
    tag = "clients",
    request_body(content = TokenIn, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token", body = TokenOut),
        (status = 400, description = "`invalid_request`, `invalid_scope` or `unsupported_grant_type`", body = RefusedOut),
        (status = 401, description = "`invalid_client`", body = RefusedOut),
    )
)]
async fn create_token(
    _: Stranger,
    request: HttpRequest,
    form: Form,
    app: Data<App>,
    limits: Data<Limits>,
) -> Result<HttpResponse, Error> {
    let refused = match token(&request, form, &app, &limits).await {
        Ok(Issued {
            access_token,
            expires_in,
            scopes,
        }) => {
            let words: Vec<&str> = scopes.into_iter().map(Scope::as_str).collect();
            return Ok(HttpResponse::Ok().json(TokenOut {
                access_token,
                token_type: "Bearer",
                expires_in,
                scope: words.join(" "),
            }));
        }
        Err(Refused::Failed(error)) => return Err(error),
        Err(Refused::Said(refused)) => refused,
    };
    if refused.error != "invalid_client" {
        return Ok(HttpResponse::BadRequest().json(refused));
    }
    let challenge = (
        WWW_AUTHENTICATE,
        r#"Basic realm="kakeuri", charset="UTF-8""#,
    );
    Ok(HttpResponse::build(StatusCode::UNAUTHORIZED)
        .insert_header(challenge)
        .json(refused))
}

async fn token(
    request: &HttpRequest,
    Form(form): Form,
    app: &App,
    limits: &Limits,
) -> Result<Issued, Refused> {
    let form = Fields::read(&form?)?;
    let grant = form
        .one("grant_type")?
        .ok_or_else(|| Refused::request("Name the grant_type: client_credentials."))?;
    if grant != GRANT {
        let why = "Only client_credentials is granted here.";
        return Err(Refused::because("unsupported_grant_type", why));
    }
    let credentials = credentials(request, &form)?;
    let address = address(request, &app.config);
    let check = client_token::authenticate(app, &credentials, address);
    let authenticated = limits.client(address, check).await?;
    let client = &authenticated.client;
    share::belongs_to(client.store_id);
    limits.client_token(client.store_id, client.id)?;
    let scopes = client_token::scopes_of(client, form.one("scope")?).ok_or_else(|| {
        let why = "The client does not have every scope that it asks for.";
        Refused::because("invalid_scope", why)
    })?;
    Ok(client_token::issue(app, &authenticated, scopes, address).await?)
}

/// How the client shows who it is: in one way, and in one only.
fn credentials(request: &HttpRequest, form: &Fields) -> Result<Credentials, Refused> {
    let (named, secret) = (form.one("client_id")?, form.one("client_secret")?);
    let (kind, signed) = (
        form.one("client_assertion_type")?,
        form.one("client_assertion")?,
    );
    let basic = basic(request)?;
    let credentials = match (&basic, secret, signed) {
        (Some((name, secret)), None, None) => Credentials::secret(name, secret),
        (None, Some(secret), None) => Credentials::secret(named.unwrap_or_default(), secret),
        (None, None, Some(signed)) if kind == Some(ASSERTION) => Credentials::signed(signed),
        (None, None, Some(_)) => {
            let why = format!("The client_assertion_type is {ASSERTION}.");
            return Err(Refused::request(why));
        }
        (None, None, None) => {
            let why = "Show which client you are: by HTTP Basic, by client_secret or by client_assertion.";
            return Err(Refused::because("invalid_client", why));
        }
        _ => {
            let why = "Show which client you are in one way only.";
            return Err(Refused::request(why));
        }
    };
    let is_named = |found: &Credentials| named.is_none_or(|named| named == found.name.to_string());
    Ok(credentials
        .filter(is_named)
        .ok_or_else(client_token::nobody)?)
}

/// A name and a secret by HTTP Basic, each encoded as in a form before (RFC 6749, section 2.3.1).
fn basic(request: &HttpRequest) -> Result<Option<(String, String)>, Refused> {
    let Some(header) = request.headers().get(AUTHORIZATION) else {
        return Ok(None);
    };
    let bad = || Refused::because("invalid_client", "The Authorization header is not Basic.");
    let text = header.to_str().map_err(|_| bad())?;
    let (scheme, encoded) = text.split_once(' ').ok_or_else(bad)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(bad());
    }
    let bytes = BASE64_STANDARD.decode(encoded.trim()).map_err(|_| bad())?;
    let pair = String::from_utf8(bytes).map_err(|_| bad())?;
    let (name, secret) = pair.split_once(':').ok_or_else(bad)?;
    Ok(Some((form_decoded(name), form_decoded(secret))))
}

fn form_decoded(text: &str) -> String {
    let mut pairs = url::form_urlencoded::parse(text.as_bytes());
    pairs
        .next()
        .map_or(Cow::Borrowed(""), |(text, _)| text)
        .into_owned()
}

/// The fields of a form.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let text =
            std::str::from_utf8(bytes).map_err(|_| Refused::request("The form is not UTF-8."))?;
        let pairs = url::form_urlencoded::parse(text.as_bytes()).into_owned();
        Ok(Self(pairs.collect()))
    }

    /// A field that may be there once; one without a value is as good as none (RFC 6749, section 3.2).
    fn one(&self, name: &str) -> Result<Option<&str>, Refused> {
        let mut all = self.0.iter().filter(|(field, _)| field == name);
        let first = all.next().map(|(_, value)| value.as_str());
        if all.next().is_some() {
            return Err(Refused::request(format!("{name} is there twice.")));
        }
        Ok(first.filter(|value| !value.is_empty()))
    }
}

/// The bytes of a form, or why there are none: the handler says it in the words of OAuth.
struct Form(Result<web::Bytes, Error>);

impl FromRequest for Form {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let bytes = body::admitted(&request, payload).await;
            Ok(Self(
                bytes.and_then(|bytes| is_form(&request).map(|()| bytes)),
            ))
        })
    }
}

impl Argument for Form {
    fn tell(signature: &mut Signature) {
        signature.body = Some(Sent::Form);
    }
}

/// What a library for OAuth asks first (RFC 8414).
#[get("/.well-known/oauth-authorization-server")]
pub async fn metadata(app: Data<App>) -> HttpResponse {
    let issuer = app.config.public_url();
    let scopes: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
    HttpResponse::Ok()
        .insert_header(("Cache-Control", "public, max-age=300"))
        .json(json!({
            "token_endpoint": format!("{issuer}{TOKEN_ENDPOINT}"),
            "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
            "service_documentation": format!("{issuer}/docs"),
            "grant_types_supported": [GRANT],
            "response_types_supported": [],
            "token_endpoint_auth_methods_supported":
                ["client_secret_basic", "client_secret_post", "private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": public_keys::ALGORITHMS,
            "scopes_supported": scopes,
            "issuer": issuer,
        }))
}
