//! The example front ends, where the operator has them built: served beside the API, so that a browser calls its own origin.

use std::path::Path;

use actix_files::Files;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpResponse, get};
use serde_json::json;

use crate::app::App;
use crate::db::store;
use crate::demo;
use crate::error::Error;
use crate::http::asked::EXAMPLES;
use crate::http::fallback;

/// The folders of the built front ends, below `KAKEURI_EXAMPLES_DIR`.
const FRONT_ENDS: [&str; 2] = ["admin", "storefront"];

/// The routes.
pub fn routes(config: &mut ServiceConfig, folder: &Path) {
    config.service(settings);
    for name in FRONT_ENDS {
        let files = Files::new(&format!("{EXAMPLES}/{name}"), folder.join(name))
            .index_file("index.html")
            .redirect_to_slash_directory()
            .default_handler(web::to(fallback::nothing_here));
        config.service(files);
    }
}

/// What the front ends begin with: the demo store and its publishable key, where there is one.
#[get("/examples/config.json")]
async fn settings(app: Data<App>) -> Result<HttpResponse, Error> {
    let demo = store::find_by_slug(demo::SLUG, &*app.db().await?).await?;
    let settings = demo.map_or(
        json!({}),
        |demo| json!({ "store": demo.slug, "publishable_key": demo.publishable_key }),
    );
    Ok(HttpResponse::Ok().json(settings))
}
