//! The API's reference, readable without the network.

use std::sync::Arc;

use actix_web::http::header::ContentType;
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, get};
use utoipa_swagger_ui::{Config, SwaggerUi, Url};

use crate::http::openapi;

/// What each code means and what to do about it.
pub const PROBLEMS: &str = include_str!("../../../docs/problems.md");

/// The routes.
pub fn routes(config: &mut ServiceConfig) {
    let documents = [
        Url::with_primary("Storefront", "/openapi/storefront.json", true),
        Url::new("Admin and partners", "/openapi/admin.json"),
    ];
    config
        .service(storefront_document)
        .service(admin_document)
        .service(problems)
        .service(reference);
    config.service(
        SwaggerUi::new("/docs/{_:.*}").config(Config::new(documents).persist_authorization(false)),
    );
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

/// The same page as `/docs/`, whose addresses are relative to that.
#[get("/docs")]
async fn reference() -> HttpResponse {
    let index = utoipa_swagger_ui::serve("", Arc::default()).ok().flatten();
    let Some(index) = index else {
        return HttpResponse::InternalServerError().finish();
    };
    let page = String::from_utf8_lossy(&index.bytes)
        .replace("=\"./", "=\"/docs/")
        .replace("=\"index", "=\"/docs/index");
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(page)
}

#[get("/docs/problems")]
async fn problems() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(html(PROBLEMS))
}

/// As much of Markdown as that page uses: headings, paragraphs and `code`.
fn html(markdown: &str) -> String {
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Problems</title>\
         <style>body{font:16px/1.6 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}\
         code{background:#eee;padding:0 .2em}:target{background:#ffd}</style>",
    );
    for block in markdown
        .split("\n\n")
        .map(str::trim)
        .filter(|block| !block.is_empty())
    {
        let block = inline(block);
        match block
            .strip_prefix("## ")
            .or_else(|| block.strip_prefix("# "))
        {
            Some(title) if block.starts_with("## ") => {
                let anchor = title.replace("<code>", "").replace("</code>", "");
                page.push_str(&format!("<h2 id=\"{anchor}\">{title}</h2>"));
            }
            Some(title) => page.push_str(&format!("<h1>{title}</h1>")),
            None => page.push_str(&format!("<p>{block}</p>")),
        }
    }
    page
}

fn inline(text: &str) -> String {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let parts = escaped.split('`').enumerate();
    parts
        .map(|(index, part)| {
            if index % 2 == 1 {
                format!("<code>{part}</code>")
            } else {
                part.to_owned()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn every_code_is_explained_under_its_own_anchor() {
        let page = html(PROBLEMS);
        for code in Code::ALL {
            assert!(
                page.contains(&format!("<h2 id=\"{code}\">")),
                "docs/problems.md says nothing of {code}"
            );
        }
        assert_eq!(
            page.matches("<h2").count(),
            Code::ALL.len(),
            "docs/problems.md explains a code that does not exist"
        );
    }
}
