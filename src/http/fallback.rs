//! The answer where no route matched: wrong address, or wrong method on a right one.

use std::sync::OnceLock;

use actix_web::dev::ResourceDef;
use actix_web::http::header::ALLOW;
use actix_web::{HttpRequest, HttpResponse};

use super::requests::Asked;
use super::{error, openapi, service};
use crate::error::Code;

/// 404, or 405 with the methods there are.
pub async fn nothing_here(request: HttpRequest) -> HttpResponse {
    let allowed = methods_at(request.path());
    if allowed.is_empty() {
        return error::answer(Code::NotFound.problem("There is nothing at this address."), &Asked::by(&request));
    }
    let allowed = allowed.join(", ");
    let problem = Code::MethodNotAllowed.problem(format!("This address takes {allowed}."));
    let mut response = error::answer(problem, &Asked::by(&request));
    if let Ok(value) = allowed.parse() {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

fn methods_at(path: &str) -> Vec<String> {
    static ROUTES: OnceLock<Vec<(ResourceDef, Vec<String>)>> = OnceLock::new();
    let routes = ROUTES.get_or_init(|| {
        let service = service::PATHS.iter().map(|path| ((*path).to_owned(), vec!["GET".to_owned()]));
        let all = openapi::routes().into_iter().chain(service);
        all.map(|(path, methods)| (ResourceDef::new(path), methods)).collect()
    });
    let matching = routes.iter().filter(|(pattern, _)| pattern.is_match(path));
    let mut methods: Vec<String> = matching.flat_map(|(_, methods)| methods.clone()).collect();
    methods.sort();
    methods.dedup();
    methods
}
