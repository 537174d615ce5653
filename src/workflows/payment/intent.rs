//! What is to be asked of Paid about a payment, written down before it is asked.

use serde_json::Value;

use crate::app::App;
use crate::db::operation::Operation;
use crate::db::order::Order;
use crate::db::payment::Payment;
use crate::domain::operation::SalePlan;
use crate::domain::order::OrderLine;
use crate::paid::{Endpoint, body};
use crate::workflows::durable::intent::{Asked, Target, intent};

/// The operation that carries `plan` out, not written down yet.
pub fn operation(
    app: &App,
    order: &Order,
    payment: &Payment,
    plan: SalePlan,
    actor: &str,
) -> Operation {
    let body = body(app, order, payment, &plan);
    let target = Target {
        store: payment.store_id,
        asked: Asked::Sale(payment.order_id, plan),
        environment: payment.environment,
        key: payment.credit_key.clone(),
    };
    intent(app, target, body, actor)
}

/// The call that carries a plan out.
pub fn endpoint(plan: &SalePlan) -> Endpoint {
    match plan {
        SalePlan::Register { .. } => Endpoint::Register,
        SalePlan::Amend { .. } => Endpoint::Update,
        SalePlan::Confirm { .. } => Endpoint::Fix,
        SalePlan::Cancel { .. } => Endpoint::Cancel,
    }
}

fn body(app: &App, order: &Order, payment: &Payment, plan: &SalePlan) -> Value {
    let (buyer, sale) = (&payment.customer_number, &payment.credit_key);
    match plan {
        SalePlan::Register { amount } => body::register(
            buyer,
            &order.number,
            &contents(&order.lines.0),
            *amount,
            sale,
        ),
        SalePlan::Amend { amount, .. } => body::amend(buyer, sale, *amount),
        SalePlan::Confirm { fixed_on } if app.config.paid.fix_date => {
            body::confirm(buyer, sale, *fixed_on)
        }
        SalePlan::Confirm { .. } => body::confirm_today(buyer, sale, payment.amount),
        SalePlan::Cancel { .. } => body::cancel(buyer, sale),
    }
}

/// What the buyer's invoice from Paid calls the order.
fn contents(lines: &[OrderLine]) -> String {
    let first = lines.first().map_or("", |line| line.name.as_str());
    match lines.len() {
        0 | 1 => first.to_owned(),
        lines => format!("{first} 他{}点", lines - 1),
    }
}
