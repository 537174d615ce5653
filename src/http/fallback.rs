//! The answer where no route matched: wrong address, or wrong method on a right one.

use actix_web::http::header::ALLOW;
use actix_web::{HttpRequest, HttpResponse};

use super::asked::{Asked, path_of};
use super::error;
use super::routes::{self, Operations};
use crate::error::Code;

/// 404, or 405 with the methods there are.
pub async fn nothing_here(request: HttpRequest) -> HttpResponse {
    match routes::operations_at(path_of(&request)) {
        Some(operations) => wrong_method(operations, &request),
        None => error::answer(
            Code::NotFound.problem(text!("there-is-nothing-at-this-address")),
            &Asked::by(&request),
        ),
    }
}

/// 405 where the path has no variable part and lacks the method. Asked before the request is routed, as the name of a
/// bulk call stands where other methods have an id.
pub fn refused(request: &HttpRequest) -> Option<HttpResponse> {
    let operations = routes::operations_at_fixed(path_of(request))?;
    (!operations.contains(request.method().as_str())).then(|| wrong_method(operations, request))
}

fn wrong_method(operations: &Operations, request: &HttpRequest) -> HttpResponse {
    let allowed = operations
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    let problem = Code::MethodNotAllowed.problem(text!(
        "address-takes-other-methods",
        allowed = allowed.as_str()
    ));
    let mut response = error::answer(problem, &Asked::by(request));
    if let Ok(value) = allowed.parse() {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}
