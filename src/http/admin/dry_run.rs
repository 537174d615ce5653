//! `?dry_run=true`: what an action would do, shown in the terms of the resource that it would be done to.

use actix_web::HttpResponse;
use serde::Serialize;
use serde_json::Value;

use crate::domain::operation::OperationKind;
use crate::domain::{OrderId, Yen};
use crate::error::{Error, Problem};
use crate::texts::{self, Text};
use crate::workflows::dry_run::{DryRun, WouldSend};
use crate::workflows::order::ManyConfirmed;

/// Whether an action is only tried.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct DryRunIn {
    /// Only tells what would be sent to Paid, what would change and why it would be refused; nothing is sent or written.
    #[param(default = false)]
    pub(super) dry_run: bool,
}

/// What an action would do. Decided on what stands here: what Paid would say is not known.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = DryRun)]
pub(super) struct DryRunOut {
    /// What Paid would be sent; `null` where it would not be asked.
    would_send: Option<WouldSendOut>,
    /// What would be different then, if Paid agrees; what would be counted and dated is not.
    would_change: Vec<WouldChangeOut>,
    /// Why it would be refused; empty where it would not.
    refusals: Vec<RefusalOut>,
}

/// A call that would be sent to Paid.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = WouldSend)]
struct WouldSendOut {
    /// What it asks for.
    operation: OperationKind,
    /// How many such calls would be sent.
    #[schema(example = 1)]
    count: usize,
    /// How much they are about together, yen with tax; `null` where it is not about money.
    #[schema(example = 4120)]
    amount: Option<Yen>,
    /// Where it goes, after `/y/coop`; of one call only.
    #[schema(example = "/Fix/b2bCreditId/ver1.0/p.json")]
    path: Option<String>,
    /// What it says, without the auth code; of one call only.
    #[schema(value_type = Option<Object>)]
    body: Option<Value>,
}

/// A value of the resource that would be another.
#[derive(Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = WouldChange)]
struct WouldChangeOut {
    /// JSON pointer into the resource.
    #[schema(example = "/payment/status")]
    pointer: String,
    /// As it is.
    #[schema(example = "unconfirmed")]
    from: Value,
    /// As it would be.
    #[schema(example = "confirmed")]
    to: Value,
}

/// Why an action would be refused.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Refusal)]
struct RefusalOut {
    /// The code of the problem, of a reason or of a field.
    #[schema(example = "amount_mismatch")]
    code: String,
    /// For people.
    #[serde(serialize_with = "texts::for_the_reader")]
    #[schema(value_type = String)]
    message: Text,
    /// JSON pointer to the field that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "/postal_code")]
    pointer: Option<String>,
    /// Which of many.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    order_id: Option<OrderId>,
}

/// The answer, with `shown` as the API shows the resource.
pub(super) fn told<T, O: Serialize>(
    run: DryRun<T>,
    shown: impl Fn(T) -> O,
) -> Result<HttpResponse, Error> {
    let show = |it| serde_json::to_value(shown(it)).map_err(anyhow::Error::from);
    let (mut would_change, mut pointer) = (Vec::new(), String::new());
    compare(
        &show(run.before)?,
        &show(run.after)?,
        &mut pointer,
        &mut would_change,
    );
    Ok(HttpResponse::Ok().json(DryRunOut {
        would_send: run.sent.map(WouldSendOut::from),
        would_change,
        refusals: run
            .refusal
            .map_or_else(Vec::new, |problem| refusals(problem, None)),
    }))
}

/// The answer of what would be done to many orders.
pub(super) fn told_of_many(many: ManyConfirmed) -> HttpResponse {
    let would_send = (many.count > 0).then_some(WouldSendOut {
        operation: OperationKind::Confirm,
        count: many.count,
        amount: Some(many.amount),
        path: None,
        body: None,
    });
    let refused = many.refused.into_iter();
    HttpResponse::Ok().json(DryRunOut {
        would_send,
        would_change: Vec::new(),
        refusals: refused
            .flat_map(|(order, problem)| refusals(problem, Some(order)))
            .collect(),
    })
}

impl From<WouldSend> for WouldSendOut {
    fn from(sent: WouldSend) -> Self {
        Self {
            operation: sent.operation,
            count: 1,
            amount: sent.amount,
            path: Some(sent.path),
            body: Some(sent.body),
        }
    }
}

/// The problem, and the fields and reasons that it names.
fn refusals(problem: Problem, order_id: Option<OrderId>) -> Vec<RefusalOut> {
    let Problem {
        code,
        detail,
        errors,
        reasons,
        ..
    } = problem;
    let one = |code: String, message, pointer| RefusalOut {
        code,
        message,
        pointer,
        order_id,
    };
    let own = one(code.to_string(), detail, None);
    let fields = errors
        .into_iter()
        .map(|fault| one(fault.code, fault.message, Some(fault.pointer)));
    let reasons = reasons
        .into_iter()
        .map(|reason| one(reason.code, reason.message, None));
    std::iter::once(own).chain(fields).chain(reasons).collect()
}

/// What counts and dates a change, rather than being one.
const PASSED_OVER: [&str; 1] = ["updated_at"];

/// Every value that differs, by its place. Lists are compared whole.
fn compare(from: &Value, to: &Value, pointer: &mut String, found: &mut Vec<WouldChangeOut>) {
    if from == to {
        return;
    }
    let (Value::Object(before), Value::Object(after)) = (from, to) else {
        found.push(WouldChangeOut {
            pointer: pointer.clone(),
            from: from.clone(),
            to: to.clone(),
        });
        return;
    };
    // Both were written by the same form.
    for (name, from) in before {
        let Some(to) = after.get(name) else { continue };
        if !PASSED_OVER.contains(&name.as_str()) {
            let length = pointer.len();
            pointer.push('/');
            pointer.push_str(name);
            compare(from, to, pointer, found);
            pointer.truncate(length);
        }
    }
}
