//! What Paid's codes mean, in words for people: in Japanese and in English.

use crate::codes::{
    AUTH_FAILED, CREDIT_REFUSED, DUPLICATE, EMAIL_TAKEN, EMPTY, MALFORMED_SALE, MEMBER_NOT_ACTIVE,
    NOT_FOUND, SERVER_FAILURE, TOO_MANY, UNKNOWN_INDUSTRY, UNKNOWN_MEMBER, UNREADABLE,
};
use crate::fields::{Shape, field_of};

/// What a code means, as (Japanese, English); `None` for a code whose meaning is not known.
pub fn of(code: &str) -> Option<(String, String)> {
    let (ja, en) = match code {
        UNREADABLE => (
            "リクエストの形式が不正です",
            "Paid could not read the request",
        ),
        AUTH_FAILED => (
            "API認証コードが正しくありません",
            "Paid refused the auth code",
        ),
        EMPTY => ("リクエストが空です", "Paid found the request empty"),
        TOO_MANY => (
            "件数が上限を超えています",
            "Paid found too many items in one request",
        ),
        EMAIL_TAKEN => (
            "このメールアドレスはPaidに登録済みです",
            "this e-mail address is already registered at Paid",
        ),
        UNKNOWN_INDUSTRY => (
            "業種番号が存在しません",
            "this industry number does not exist at Paid",
        ),
        DUPLICATE => (
            "この番号はすでに使用されています",
            "this number is already in use at Paid",
        ),
        UNKNOWN_MEMBER => (
            "この顧客番号の会員はPaidに存在しません",
            "Paid has no customer with this number",
        ),
        SERVER_FAILURE => (
            "Paidのサーバーで障害が発生しました",
            "a failure on Paid's server",
        ),
        NOT_FOUND => (
            "Paidに対象の売上がないか、すでに確定・取消済みです",
            "Paid does not know this sale, or it is final",
        ),
        CREDIT_REFUSED => (
            "与信枠を超えています",
            "the amount exceeds the member's credit line",
        ),
        MEMBER_NOT_ACTIVE => (
            "この会員は現在Paidを利用できません",
            "the member may not buy through Paid at present",
        ),
        MALFORMED_SALE => ("売上の項目が不正です", "a field of the sale is malformed"),
        _ => return of_field(code),
    };
    Some((ja.to_owned(), en.to_owned()))
}

/// What a B code means; `None` if it is none of the table's.
fn of_field(code: &str) -> Option<(String, String)> {
    let field = field_of(code)?;
    let (ja, en) = field.label;
    if field.required == Some(code) {
        return Some((format!("{ja}を入力してください"), format!("{en} is needed")));
    }
    if let Some((max, too_long)) = field.max
        && too_long == code
    {
        return Some(if field.shape.0 == Shape::Digits {
            (
                format!("{ja}は{max}桁以内で入力してください"),
                format!("{en} may have at most {max} digits"),
            )
        } else {
            (
                format!("{ja}は{max}文字以内で入力してください"),
                format!("{en} may have at most {max} characters"),
            )
        });
    }
    if let Some((from, to, out_of_range)) = field.range
        && out_of_range == code
    {
        return Some((
            format!("{ja}は{from}から{to}の範囲で入力してください"),
            format!("{en} must be from {from} to {to}"),
        ));
    }
    let (ja_form, en_form) = form(field.shape.0);
    Some((
        format!("{ja}は{ja_form}で入力してください"),
        format!("{en} must be {en_form}"),
    ))
}

fn form(shape: Shape) -> (String, String) {
    let (ja, en) = match shape {
        Shape::Any => ("文字", "text"),
        Shape::Key => ("半角英数字と . _ -", "letters, digits, '.', '_' and '-'"),
        Shape::PostalCode => ("半角の 999-9999 の形式", "written as 999-9999"),
        Shape::Prefecture => (
            "「東京都」のような正式名称",
            "one of the 47 names, as 東京都",
        ),
        Shape::Phone => ("ハイフン付きの半角数字", "half-width digits with hyphens"),
        Shape::MobilePhone => ("半角の 999-9999-9999 の形式", "written as 999-9999-9999"),
        Shape::Email => ("正しいメールアドレスの形式", "a well-formed address"),
        Shape::Digits => ("半角数字", "half-width digits"),
        Shape::Url => (
            "http:// または https:// で始まるURL",
            "an address that begins with http:// or https://",
        ),
        Shape::OneOf(values) => {
            let (ja, en) = (values.join("か"), values.join(" or "));
            return (ja, en);
        }
    };
    (ja.to_owned(), en.to_owned())
}
