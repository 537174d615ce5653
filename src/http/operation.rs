//! An operation of the API: a handler, registered with its description and what its arguments say.
//!
//! A handler whose first argument is no principal, or with an argument that says nothing of itself, does not compile
//! here.

use std::marker::PhantomData;

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{FromRequest, Handler, Resource, Responder, guard, web};
use serde_json::Value;
use utoipa::openapi::extensions::{Extensions, ExtensionsBuilder};
use utoipa::openapi::path::{HttpMethod, PathItem, Paths};
use utoipa::openapi::{RefOr, Schema};
use utoipa_actix_web::OpenApiFactory;
use utoipa_actix_web::service_config::ServiceConfig;

use super::idempotency;
use super::signature::{Argument, Principal, Signature};

/// All arguments of a handler: its principal, then what else it takes.
pub trait Arguments: FromRequest + 'static {
    /// What they say together.
    fn signature() -> Signature;
}

macro_rules! arguments {
    ($($argument:ident)*) => {
        impl<P: Principal + 'static, $($argument: Argument + 'static),*> Arguments for (P, $($argument,)*) {
            #[allow(unused_mut, reason = "a principal may stand alone")]
            fn signature() -> Signature {
                let mut signature = Signature::of_a(P::ACCESS);
                $($argument::tell(&mut signature);)*
                signature
            }
        }
    };
}

arguments!();
arguments!(A);
arguments!(A B);
arguments!(A B C);
arguments!(A B C D);
arguments!(A B C D E);
arguments!(A B C D E F);

/// The name under which a signature travels in the document while that is made.
pub const SIGNATURE: &str = "x-signature";

/// A handler that is to be registered, with its description `P` by `#[utoipa::path]`.
pub struct Operation<P, H, A> {
    described: P,
    handler: H,
    arguments: PhantomData<fn(A)>,
}

impl<P, H, A> Operation<P, H, A>
where
    P: utoipa::Path + OpenApiFactory,
    H: Handler<A>,
    H::Output: Responder + 'static,
    A: Arguments,
{
    /// A handler and its description; see `operations!`, which finds the second by the name of the first.
    pub fn new(described: P, handler: H) -> Self {
        Self {
            described,
            handler,
            arguments: PhantomData,
        }
    }
}

impl<P, H, A> HttpServiceFactory for Operation<P, H, A>
where
    P: utoipa::Path + 'static,
    H: Handler<A>,
    H::Output: Responder + 'static,
    A: Arguments,
{
    fn register(self, config: &mut AppService) {
        let signature = A::signature();
        let keyed = signature.key.is_some();
        let methods: Vec<Method> = P::methods().into_iter().map(method).collect();
        let resource = Resource::new(P::path())
            .guard(guard::fn_guard(move |asked| {
                methods.contains(&asked.head().method)
            }))
            .app_data(signature)
            .to(self.handler);
        if keyed {
            resource.wrap(from_fn(idempotency::once)).register(config);
        } else {
            resource.register(config);
        }
    }
}

fn method(of_the_document: HttpMethod) -> Method {
    match of_the_document {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Delete => Method::DELETE,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Options => Method::OPTIONS,
        HttpMethod::Trace => Method::TRACE,
    }
}

impl<P, H, A> OpenApiFactory for Operation<P, H, A>
where
    P: OpenApiFactory,
    A: Arguments,
{
    fn paths(&self) -> Paths {
        let mut paths = self.described.paths();
        let signature = serde_json::to_value(A::signature()).expect("a signature is JSON");
        for item in paths.paths.values_mut() {
            note(item, &signature);
        }
        paths
    }

    fn schemas(&self, schemas: &mut Vec<(String, RefOr<Schema>)>) {
        self.described.schemas(schemas);
    }
}

fn note(item: &mut PathItem, signature: &Value) {
    let operations = [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.patch,
        &mut item.delete,
    ];
    for operation in operations.into_iter().flatten() {
        let told: Extensions = ExtensionsBuilder::new()
            .add(SIGNATURE, signature.clone())
            .build();
        operation.extensions.get_or_insert_default().merge(told);
    }
}

/// Where handlers are registered. A service does without their descriptions, which take megabytes in each of its workers.
pub enum Registry<'a, 'b> {
    /// To be called.
    Service(&'a mut web::ServiceConfig),
    /// To be described in a document.
    Document(&'a mut ServiceConfig<'b>),
}

impl Registry<'_, '_> {
    /// One handler more.
    pub fn add<P, H, A>(&mut self, operation: Operation<P, H, A>)
    where
        P: utoipa::Path + OpenApiFactory + 'static,
        H: Handler<A>,
        H::Output: Responder + 'static,
        A: Arguments,
    {
        match self {
            Self::Service(config) => drop(config.service(operation)),
            Self::Document(config) => drop(config.service(operation)),
        }
    }
}

/// Registers handlers, each with its description and its signature.
macro_rules! operations {
    ($registry:expr, $($handler:ident),+ $(,)?) => {
        pastey::paste! {
            $($registry.add($crate::http::operation::Operation::new([<__path_ $handler>], $handler));)+
        }
    };
}
pub(super) use operations;
