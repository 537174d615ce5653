//! The documentation as pages: guides, rules, problems and the reference, all out of the program, readable without the
//! network.

mod page;
mod pages;
mod search;

use actix_web::http::header::{ContentType, LOCATION};
use actix_web::web::{Path, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, get};
use utoipa_swagger_ui::{Config, SwaggerUi, Url};

use crate::error::Error;
use crate::http::asked::Asked;
use crate::http::openapi;
use crate::texts::Language;

/// The routes.
pub fn routes(config: &mut ServiceConfig) {
    let documents = [
        Url::with_primary("Storefront", "/openapi/storefront.json", true),
        Url::new("Admin and partners", "/openapi/admin.json"),
    ];
    let reference = Config::new(documents)
        .persist_authorization(false)
        .filter(true)
        .deep_linking(true)
        .request_snippets_enabled(true)
        .default_models_expand_depth(0);
    config
        .service(storefront_document)
        .service(admin_document)
        .service(style)
        .service(find)
        .service(to_reference)
        .service(SwaggerUi::new("/docs/reference/{_:.*}").config(reference))
        .service(start)
        .service(show);
}

#[get("/openapi/storefront.json")]
async fn storefront_document() -> HttpResponse {
    document(openapi::STOREFRONT)
}

#[get("/openapi/admin.json")]
async fn admin_document() -> HttpResponse {
    document(openapi::ADMIN)
}

fn document(text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(text)
}

#[get("/docs/style.css")]
async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .body(include_str!("style.css"))
}

/// The addresses of the reference are relative to its folder.
#[get("/docs/reference")]
async fn to_reference() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((LOCATION, "/docs/reference/"))
        .finish()
}

/// The start page, in the reader's language. Without the slash at the end too, as links in it are absolute.
#[get("/docs{slash:/?}")]
async fn start(request: HttpRequest) -> Result<HttpResponse, Error> {
    let name = match Asked::by(&request).language {
        Language::English => pages::START,
        Language::Japanese => pages::START_JA,
    };
    page(name)
}

#[get("/docs/{name:.*}")]
async fn show(name: Path<String>) -> Result<HttpResponse, Error> {
    page(&name)
}

fn page(name: &str) -> Result<HttpResponse, Error> {
    if let Some((_, picture)) = pages::PICTURES.iter().find(|(known, _)| *known == name) {
        let picture = HttpResponse::Ok()
            .content_type("image/svg+xml")
            .body(*picture);
        return Ok(picture);
    }
    let page = pages::named(name).ok_or_else(Error::not_found)?;
    Ok(html(page.html().to_owned()))
}

#[derive(serde::Deserialize)]
struct Wanted {
    #[serde(default)]
    q: String,
}

#[get("/docs/search")]
async fn find(wanted: Query<Wanted>, request: HttpRequest) -> HttpResponse {
    let language = Asked::by(&request).language;
    html(search::answer(&wanted.q, language))
}

fn html(page: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(page)
}
