//! What each operation does to the ledger and answers. Knows no HTTP: a request that was understood comes in, an
//! answer goes out.

use std::io;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::clock::now;
use crate::ledger::{Change, Member, Merchant, Sale};
use crate::state::State;
use paid_protocol::answer::{
    AnswerBody, AnswerEnvelope, AnswerHeader, AnswerItem, DetailResults, Results, SUCCESS,
};
use paid_protocol::codes::{self, Codes};
use paid_protocol::endpoint::Endpoint;
use paid_protocol::request::{
    ApplyBody, CheckBody, CreditCheckBody, CreditItem, CreditsBody, SearchBody,
};

/// A request whose shape is right.
#[derive(Clone, Debug)]
pub enum Question {
    /// `apply`.
    Apply(ApplyBody),
    /// `check`.
    Check(CheckBody),
    /// `credit_check`.
    CreditCheck(CreditCheckBody),
    /// `register`, `fix`, `cancel` and `update`.
    Credits(Vec<CreditItem>),
    /// `search`.
    Search(SearchBody),
}

impl Question {
    /// Reads the body of a request; `Err` is the code of a request that is not taken.
    pub fn read(operation: Endpoint, body: &Value, max_items: usize) -> Result<Self, &'static str> {
        if body.is_null() || body.as_object().is_some_and(serde_json::Map::is_empty) {
            return Err(codes::EMPTY);
        }
        let question = match operation {
            Endpoint::Apply => Self::Apply(typed(body)?),
            Endpoint::Check => Self::Check(typed(body)?),
            Endpoint::CreditCheck => Self::CreditCheck(typed(body)?),
            Endpoint::Search => Self::Search(typed(body)?),
            Endpoint::Register | Endpoint::Fix | Endpoint::Cancel | Endpoint::Update => {
                Self::Credits(typed::<CreditsBody>(body)?.credits.credit)
            }
        };
        let items = match &question {
            Self::Apply(_) | Self::CreditCheck(_) => 1,
            Self::Check(body) => body.member_ids.len(),
            Self::Search(body) => body.credit_ids.len(),
            Self::Credits(items) => items.len(),
        };
        match items {
            0 => Err(codes::EMPTY),
            _ if items > max_items => Err(codes::TOO_MANY),
            _ => Ok(question),
        }
    }

    /// Every customer number and key of a sale in it.
    pub fn keys(&self) -> Vec<String> {
        let of_item = |item: &CreditItem| {
            [item.member_id.clone(), item.credit_id.clone()]
                .into_iter()
                .flatten()
        };
        match self {
            Self::Apply(body) => vec![body.member_data.get("b2bMemberId").to_owned()],
            Self::Check(body) => body.member_ids.clone(),
            Self::CreditCheck(body) => of_item(&body.credit).collect(),
            Self::Search(body) => body.credit_ids.clone(),
            Self::Credits(items) => {
                let mut keys: Vec<_> = items.iter().flat_map(of_item).collect();
                keys.sort();
                keys.dedup();
                keys
            }
        }
    }
}

fn typed<T: DeserializeOwned>(body: &Value) -> Result<T, &'static str> {
    T::deserialize(body).map_err(|_| codes::UNREADABLE)
}

/// Refuses, on order, the items about one key, or all.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The code to refuse with.
    pub code: String,
    /// Only items about this key.
    pub key: Option<String>,
}

impl Refusal {
    fn hits(&self, keys: &[Option<&str>]) -> bool {
        self.key
            .as_deref()
            .is_none_or(|key| keys.contains(&Some(key)))
    }
}

/// Does the work of one request.
pub struct Work<'a> {
    /// Where it is done.
    pub state: &'a mut State,
    /// For whom.
    pub auth_code: &'a str,
    /// What is refused on order.
    pub refusal: Option<Refusal>,
}

impl Work<'_> {
    /// Does it and answers. An error is one of the journal.
    pub fn answer(
        &mut self,
        operation: Endpoint,
        question: Question,
    ) -> io::Result<AnswerEnvelope> {
        let body = match question {
            Question::Apply(body) => AnswerBody {
                result: Some(self.apply(&body)?),
                ..AnswerBody::default()
            },
            Question::CreditCheck(body) => AnswerBody {
                result: Some(self.credit_check(&body.credit)?),
                ..AnswerBody::default()
            },
            Question::Check(body) => AnswerBody {
                results: Some(self.check(&body.member_ids)?),
                ..AnswerBody::default()
            },
            Question::Search(body) => AnswerBody {
                results: Some(self.search(&body.credit_ids)),
                ..AnswerBody::default()
            },
            Question::Credits(items) => {
                let items = items.iter().map(|item| self.credit(operation, item));
                AnswerBody {
                    detail_results: Some(DetailResults {
                        detail_result: items.collect::<io::Result<_>>()?,
                    }),
                    ..AnswerBody::default()
                }
            }
        };
        Ok(AnswerEnvelope {
            header: header(operation, header_status(&body)),
            body: Some(body),
        })
    }

    fn merchant(&self) -> &Merchant {
        self.state.merchant(self.auth_code)
    }

    fn commit(&mut self, change: Change) -> io::Result<()> {
        self.state.commit(self.auth_code, change)
    }

    fn refused(&self, keys: &[Option<&str>]) -> Option<Codes> {
        let hit = self.refusal.as_ref().filter(|refusal| refusal.hits(keys));
        hit.map(|refusal| Codes::one(&refusal.code))
    }

    fn apply(&mut self, body: &ApplyBody) -> io::Result<AnswerItem> {
        let id = body.member_data.get("b2bMemberId").to_owned();
        let applied = match self.refused(&[Some(&id)]) {
            Some(codes) => Err(codes),
            None => self.merchant().apply(&body.member_data, now()),
        };
        match applied {
            Ok(member) => {
                let paid_id = Some(member.paid_id.to_string());
                self.commit(Change::Member(member))?;
                Ok(AnswerItem {
                    paid_id,
                    member_id: Some(id),
                    ..AnswerItem::default()
                })
            }
            Err(error) => Ok(AnswerItem {
                error,
                ..AnswerItem::default()
            }),
        }
    }

    /// A member as a check shows it. The first check brings the verdict of the screening.
    fn checked(&mut self, id: &str) -> io::Result<Result<Member, Codes>> {
        if let Some(codes) = self.refused(&[Some(id)]) {
            return Ok(Err(codes));
        }
        let Some(mut member) = self.merchant().members.get(id).cloned() else {
            return Ok(Err(Codes::one(codes::UNKNOWN_MEMBER)));
        };
        if let Some(verdict) = member.verdict.take() {
            member.status = verdict;
            self.commit(Change::Member(member.clone()))?;
        }
        Ok(Ok(member))
    }

    fn check(&mut self, ids: &[String]) -> io::Result<Results> {
        let mut results = Results::default();
        for id in ids {
            let item = AnswerItem {
                member_id: Some(id.clone()),
                ..AnswerItem::default()
            };
            match self.checked(id)? {
                Ok(member) => results.successes.push(AnswerItem {
                    member_status_code: Some(member.status.code().to_owned()),
                    ..item
                }),
                Err(error) => results.errors.push(AnswerItem { error, ..item }),
            }
        }
        Ok(results)
    }

    fn credit_check(&mut self, question: &CreditItem) -> io::Result<AnswerItem> {
        let id = question.member_id.as_deref().unwrap_or_default();
        let member = match self.checked(id)? {
            Ok(member) => member,
            Err(error) => {
                return Ok(AnswerItem {
                    error,
                    ..AnswerItem::default()
                });
            }
        };
        let price = question.price.unwrap_or_default();
        let credit = self.merchant().credit(&member, price);
        let available = price >= 1 && credit.is_ok();
        Ok(AnswerItem {
            credit_available: Some(available),
            member_status_code: Some(member.status.code().to_owned()),
            message: credit.err().map(|(_, message)| message.to_owned()),
            ..AnswerItem::default()
        })
    }

    fn search(&self, ids: &[String]) -> Results {
        let mut results = Results::default();
        for id in ids {
            let item = AnswerItem {
                credit_id: Some(id.clone()),
                ..AnswerItem::default()
            };
            let sale = self.merchant().sales.get(id);
            let refused = self.refused(&[Some(id), sale.map(|sale| sale.member_id.as_str())]);
            match sale.ok_or_else(|| Codes::one(codes::NOT_FOUND)) {
                Ok(sale) if refused.is_none() => results.successes.push(AnswerItem {
                    status: Some(sale.status.as_str().to_owned()),
                    price: Some(sale.price),
                    ..item
                }),
                Ok(_) => results.errors.push(AnswerItem {
                    error: refused.unwrap_or_default(),
                    ..item
                }),
                Err(unknown) => results.errors.push(AnswerItem {
                    error: refused.unwrap_or(unknown),
                    ..item
                }),
            }
        }
        results
    }

    fn credit(&mut self, operation: Endpoint, item: &CreditItem) -> io::Result<AnswerItem> {
        let keys = [item.member_id.as_deref(), item.credit_id.as_deref()];
        let outcome = match self.refused(&keys) {
            Some(codes) => Err(codes),
            None => self.judge(operation, item).map_err(Codes::one),
        };
        let answer = AnswerItem {
            member_id: item.member_id.clone(),
            credit_id: item.credit_id.clone(),
            ..AnswerItem::default()
        };
        let (status, error) = match outcome {
            Ok(sale) => {
                self.commit(Change::Sale(sale))?;
                (SUCCESS, Codes::none())
            }
            Err(codes) if codes.is_not_found() => (codes::NOT_FOUND, Codes::none()),
            Err(codes) => ("ERROR", codes),
        };
        Ok(AnswerItem {
            status: Some(status.to_owned()),
            error,
            ..answer
        })
    }

    fn judge(&self, operation: Endpoint, item: &CreditItem) -> Result<Sale, &'static str> {
        let merchant = self.merchant();
        match operation {
            Endpoint::Register => merchant.register(item, now()),
            Endpoint::Fix => merchant.fix(item, now()),
            Endpoint::Cancel => merchant.cancel(item, now()),
            Endpoint::Update => merchant.update(item, now()),
            Endpoint::Apply | Endpoint::Check | Endpoint::CreditCheck | Endpoint::Search => {
                Err(codes::UNREADABLE)
            }
        }
    }
}

/// The answer to a request that is not taken as a whole.
pub fn whole_refusal(operation: Endpoint, code: &str) -> AnswerEnvelope {
    let status = if code == codes::SERVER_FAILURE {
        "ERROR"
    } else {
        "CLIENT_ERROR"
    };
    let result = AnswerItem {
        error: Codes::one(code),
        ..AnswerItem::default()
    };
    AnswerEnvelope {
        header: header(operation, status),
        body: Some(AnswerBody {
            result: Some(result),
            ..AnswerBody::default()
        }),
    }
}

fn header(operation: Endpoint, status: &str) -> AnswerHeader {
    AnswerHeader {
        path: Some(format!("/coop{}", operation.default_path())),
        status: status.to_owned(),
        error: Codes::none(),
    }
}

fn header_status(body: &AnswerBody) -> &'static str {
    let failed_result = body
        .result
        .as_ref()
        .is_some_and(|result| !result.error.is_empty());
    let failed_item = body
        .results
        .as_ref()
        .is_some_and(|results| !results.errors.is_empty());
    let bad = |item: &AnswerItem| item.status.as_deref() != Some(SUCCESS);
    let failed_sale = body
        .detail_results
        .as_ref()
        .is_some_and(|all| all.detail_result.iter().any(bad));
    if failed_result || failed_item {
        "CLIENT_ERROR"
    } else if failed_sale {
        "ERROR"
    } else {
        SUCCESS
    }
}
