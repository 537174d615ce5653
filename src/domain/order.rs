//! What an order costs: lines, fees and consumption tax; see *Tax is rounded once per rate* in docs/rules.md.

use super::fault::Faults;
use super::money::{Overflow, Yen, whole_number};
use super::store::TaxRounding;

/// The standard rate of consumption tax, which fees carry.
pub const STANDARD_TAX_RATE: i16 = 10;

/// The rates of consumption tax a line may carry, in percent.
pub const TAX_RATES: [i16; 3] = [10, 8, 0];

/// The most lines one order may have.
pub const MAX_LINES: usize = 500;

/// One line of an order. Prices are without tax.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderLine {
    /// 商品コード: the product of the store's list, if the line is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(extensions(("x-left-away" = json!(true))), example = "TEA-100")]
    pub product_code: Option<String>,
    /// 商品名: what the line is called on the order.
    #[schema(example = "宇治煎茶 100g", min_length = 1, max_length = 200)]
    pub name: String,
    /// 単価: whole yen without tax; negative for a discount (値引き).
    pub unit_price: Yen,
    /// 数量: how many; 0 is a return (返品).
    #[serde(deserialize_with = "whole_number")]
    #[schema(minimum = 0, example = 3)]
    pub quantity: i64,
    /// 税率: percent of consumption tax, 10, 8 (軽減税率) or 0.
    #[schema(example = 8)]
    pub tax_rate: i16,
}

/// A line names a product of the store's list and never a price.
#[derive(Clone, Debug, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CartLine {
    /// 商品コード: a product on sale in the store.
    #[schema(example = "TEA-100")]
    pub product_code: String,
    /// 数量: how many, 1 or more.
    #[serde(deserialize_with = "whole_number")]
    #[schema(example = 3, minimum = 1)]
    pub quantity: i64,
}

/// What an order is made of, as far as money is concerned.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct OrderContent {
    /// The lines.
    pub lines: Vec<OrderLine>,
    /// 送料, without tax.
    pub shipping_fee: Yen,
    /// 決済手数料, without tax.
    pub payment_fee: Yen,
}

/// The sums of one tax rate.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
pub struct RateTotal {
    /// 税率: percent of consumption tax.
    #[schema(example = 8)]
    pub tax_rate: i16,
    /// 税抜金額: the lines and fees at this rate, whole yen without tax.
    #[schema(example = 3000)]
    pub net: Yen,
    /// 消費税: whole yen, computed and rounded once, on `net`.
    #[schema(example = 240)]
    pub tax: Yen,
    /// 税込金額: `net` and `tax`, whole yen with tax.
    #[schema(example = 3240)]
    pub gross: Yen,
}

/// What an order comes to.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Totals {
    /// 税率別: one entry for each tax rate on the order, highest rate first.
    pub by_rate: Vec<RateTotal>,
    /// 税抜合計: whole yen without tax, fees included.
    #[schema(example = 3000)]
    pub net: Yen,
    /// 消費税合計: consumption tax, whole yen.
    #[schema(example = 240)]
    pub tax: Yen,
    /// 税込合計: whole yen with tax. What the buyer owes, and what is sent to Paid.
    #[schema(example = 3240)]
    pub total: Yen,
}

impl TaxRounding {
    /// The tax on `net` at `rate` percent. `net` must not be negative.
    pub fn tax_on(self, net: Yen, rate: i16) -> Result<Yen, Overflow> {
        let hundredths = net.times(i64::from(rate))?.0;
        let rounding = match self {
            Self::Floor => 0,
            Self::Round => 50,
            Self::Ceil => 99,
        };
        hundredths
            .checked_add(rounding)
            .map(|sum| Yen(sum / 100))
            .ok_or(Overflow)
    }
}

impl OrderContent {
    /// Adds the order up, or says everything that is wrong with it.
    ///
    /// A line may have quantity 0 and a negative price as long as each rate's net stays at 0 or above.
    pub fn totals(&self, rounding: TaxRounding) -> Result<Totals, Faults> {
        let mut faults = Faults::new();
        self.check_shape(&mut faults);
        let mut by_rate = Vec::new();
        for rate in TAX_RATES {
            match self.rate_total(rate, rounding) {
                Ok(Some(total)) if total.net < Yen::ZERO => faults.add(
                    "/lines",
                    "negative_total",
                    text!("lines-at-a-rate-come-to-less-than-0-yen", rate = rate),
                ),
                Ok(total) => by_rate.extend(total),
                Err(Overflow) => faults.add(
                    "/lines",
                    "amount_too_large",
                    text!("amounts-are-too-large-to-add-up"),
                ),
            }
        }
        faults.into_result()?;
        sum(by_rate).map_err(|Overflow| {
            let mut faults = Faults::new();
            faults.add(
                "/lines",
                "amount_too_large",
                text!("amounts-are-too-large-to-add-up"),
            );
            faults
        })
    }

    fn check_shape(&self, faults: &mut Faults) {
        faults.check(
            !self.lines.is_empty(),
            "/lines",
            "required",
            text!("order-needs-at-least-one-line"),
        );
        faults.check(
            self.lines.len() <= MAX_LINES,
            "/lines",
            "too_many",
            text!("order-has-at-most-lines", max_lines = MAX_LINES),
        );
        for (index, line) in self.lines.iter().enumerate() {
            let at = |field: &str| format!("/lines/{index}/{field}");
            faults.check(
                line.quantity >= 0,
                &at("quantity"),
                "out_of_range",
                text!("quantity-is-0-or-more"),
            );
            faults.check(
                TAX_RATES.contains(&line.tax_rate),
                &at("tax_rate"),
                "out_of_range",
                text!("tax-rate-is-10"),
            );
            faults.check(
                !line.name.trim().is_empty(),
                &at("name"),
                "required",
                text!("line-needs-a-name"),
            );
            faults.check(
                line.name.chars().count() <= 200,
                &at("name"),
                "too_long",
                text!("at-most-200-characters"),
            );
        }
        faults.check(
            self.shipping_fee >= Yen::ZERO,
            "/shipping_fee",
            "out_of_range",
            text!("fee-is-0-yen-or-more"),
        );
        faults.check(
            self.payment_fee >= Yen::ZERO,
            "/payment_fee",
            "out_of_range",
            text!("fee-is-0-yen-or-more"),
        );
    }

    /// The sums of one rate, `None` if nothing on the order carries it.
    fn rate_total(
        &self,
        tax_rate: i16,
        rounding: TaxRounding,
    ) -> Result<Option<RateTotal>, Overflow> {
        let mut net = Yen::ZERO;
        let mut carried = false;
        for line in self.lines.iter().filter(|line| line.tax_rate == tax_rate) {
            net = net.plus(line.unit_price.times(line.quantity)?)?;
            carried = true;
        }
        if tax_rate == STANDARD_TAX_RATE {
            let fees = self.shipping_fee.plus(self.payment_fee)?;
            net = net.plus(fees)?;
            carried |= fees != Yen::ZERO;
        }
        if !carried {
            return Ok(None);
        }
        let tax = if net < Yen::ZERO {
            Yen::ZERO
        } else {
            rounding.tax_on(net, tax_rate)?
        };
        Ok(Some(RateTotal {
            tax_rate,
            net,
            tax,
            gross: net.plus(tax)?,
        }))
    }
}

fn sum(by_rate: Vec<RateTotal>) -> Result<Totals, Overflow> {
    let (mut net, mut tax) = (Yen::ZERO, Yen::ZERO);
    for rate in &by_rate {
        net = net.plus(rate.net)?;
        tax = tax.plus(rate.tax)?;
    }
    Ok(Totals {
        by_rate,
        net,
        tax,
        total: net.plus(tax)?,
    })
}

/// The number of an order as people see it: at most 15 characters, which is what Paid takes as `code`.
pub fn order_number(counter: i64) -> String {
    format!("{counter:08}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(unit_price: i64, quantity: i64, tax_rate: i16) -> OrderLine {
        OrderLine {
            product_code: None,
            name: "品".into(),
            unit_price: Yen(unit_price),
            quantity,
            tax_rate,
        }
    }

    fn order(lines: Vec<OrderLine>) -> OrderContent {
        OrderContent {
            lines,
            shipping_fee: Yen::ZERO,
            payment_fee: Yen::ZERO,
        }
    }

    #[test]
    fn tax_is_rounded_once_per_rate_and_not_per_line() {
        // Three lines of 33 yen at 10 %: 3.3 yen of tax each, 9.9 on the sum.
        let content = order(vec![line(33, 1, 10), line(33, 1, 10), line(33, 1, 10)]);
        let tax = |rounding| content.totals(rounding).unwrap().tax;
        assert_eq!(tax(TaxRounding::Floor), Yen(9));
        assert_eq!(tax(TaxRounding::Round), Yen(10));
        assert_eq!(tax(TaxRounding::Ceil), Yen(10));
    }

    #[test]
    fn fees_carry_the_standard_rate() {
        let content = OrderContent {
            lines: vec![line(1000, 1, 8)],
            shipping_fee: Yen(500),
            payment_fee: Yen(300),
        };
        let totals = content.totals(TaxRounding::Floor).unwrap();
        assert_eq!(
            totals.by_rate[0],
            RateTotal {
                tax_rate: 10,
                net: Yen(800),
                tax: Yen(80),
                gross: Yen(880)
            }
        );
        assert_eq!(
            totals.by_rate[1],
            RateTotal {
                tax_rate: 8,
                net: Yen(1000),
                tax: Yen(80),
                gross: Yen(1080)
            }
        );
        assert_eq!(totals.total, Yen(1960));
    }

    #[test]
    fn a_discount_may_not_push_one_rate_below_zero() {
        let good = order(vec![line(1000, 1, 10), line(-1000, 1, 10), line(100, 1, 8)]);
        assert_eq!(good.totals(TaxRounding::Floor).unwrap().total, Yen(108));
        let bad = order(vec![line(1000, 1, 10), line(-10, 1, 8)]);
        assert_eq!(
            bad.totals(TaxRounding::Floor).unwrap_err().into_vec()[0].code,
            "negative_total"
        );
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let bad = order(vec![
            line(1, -1, 7),
            OrderLine {
                name: " ".into(),
                ..line(i64::MAX, 2, 10)
            },
        ]);
        let faults = bad.totals(TaxRounding::Floor).unwrap_err().into_vec();
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/lines/0/quantity",
                "/lines/0/tax_rate",
                "/lines/1/name",
                "/lines"
            ]
        );
    }

    proptest! {
        #[test]
        fn totals_add_up_whatever_the_lines(
            lines in prop::collection::vec((0i64..1_000_000, 0i64..1000, prop::sample::select(&TAX_RATES[..])), 1..20),
            fee in 0i64..10_000,
        ) {
            let lines = lines.into_iter().map(|(price, quantity, rate)| line(price, quantity, rate)).collect();
            let content = OrderContent { lines, shipping_fee: Yen(fee), payment_fee: Yen::ZERO };
            for rounding in TaxRounding::ALL.iter().copied() {
                let totals = content.totals(rounding).unwrap();
                let exact: i64 = totals.by_rate.iter().map(|rate| rate.net.0 * i64::from(rate.tax_rate)).sum();
                prop_assert_eq!(totals.total, totals.net.plus(totals.tax).unwrap());
                prop_assert!((totals.tax.0 * 100 - exact).abs() < 100 * totals.by_rate.len() as i64);
            }
        }

        #[test]
        fn no_order_makes_the_sums_panic(price in any::<i64>(), quantity in any::<i64>(), fee in any::<i64>()) {
            let content = OrderContent {
                lines: vec![line(price, quantity, 10)], shipping_fee: Yen(fee), payment_fee: Yen(fee),
            };
            for rounding in TaxRounding::ALL.iter().copied() {
                let _ = content.totals(rounding);
            }
        }
    }
}
