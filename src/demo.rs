//! A store to look at, for newcomers: members, products and orders in every state, made through the service's own
//! operations, so that the Paid sandbox knows them too.
//!
//! The store gets the name `demo` as the very last step. A start that breaks off before leaves a store under another
//! name that nobody sees, and the next start makes a whole one. Knows no HTTP of ours.

mod data;
mod orders;

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use secrecy::ExposeSecret as _;

use crate::app::App;
use crate::db::admin_user;
use crate::db::idempotency_key::Ticket;
use crate::db::member::Member;
use crate::db::store::{self, Store};
use crate::db::{paid_settings, password};
use crate::domain::application::default_methods;
use crate::domain::member::{MemberAction, MemberStatus, fold_email};
use crate::domain::permissions::Role;
use crate::domain::store::{Environment, Health, MemberApproval};
use crate::domain::{Attachment, MemberId, StoreId, UserId, Yen};
use crate::error::{Code, Error};
use crate::workflows::context::Context;
use crate::workflows::member::{self, NewMember, Registration};
use crate::workflows::product::{self, Offer};
use crate::workflows::settings::{self, PaidChange};
use crate::workflows::user::{self, NewUser};
use crate::workflows::{application, provider};
use crate::{crypto, passwords};
use data::{COMPANIES, Company, GOODS, Way};

/// What the store is called at a login.
pub const SLUG: &str = "demo";

/// The owner's address.
pub const OWNER: &str = "owner@demo.example";

/// What a newcomer needs to look around.
pub struct Demo {
    /// The store.
    pub store: StoreId,
    /// Names the store to the storefront API.
    pub publishable_key: String,
    /// Its owner.
    pub owner: UserId,
    /// The e-mail addresses of its staff.
    pub staff: [&'static str; 3],
    /// A member that may pay with Paid.
    pub buyer: MemberId,
    /// That member's e-mail address.
    pub buyer_email: String,
    /// The password of all of them, if this data folder has it.
    pub password: Option<String>,
    /// The auth code, which chooses the merchant in the sandbox's control interface.
    pub sandbox_auth_code: Option<String>,
}

const STAFF: [(&str, &str, Role); 3] = [
    (OWNER, "見本 太郎", Role::Owner),
    ("staff@demo.example", "見本 花子", Role::Staff),
    ("viewer@demo.example", "見本 次郎", Role::Viewer),
];

/// Makes the demo store unless it is there, and tells how to get in. `None`: it was not there and could not be made,
/// which the log explains; the service can do without.
pub async fn ensure(app: &App) -> anyhow::Result<Option<Demo>> {
    let found = store::find_by_slug(SLUG, &*app.db().await?).await?;
    let store = match found {
        Some(store) => store,
        None => match make(app).await {
            Ok(store) => store,
            Err(error) => {
                tracing::warn!(%error, "the demo store could not be made; the next start tries again");
                return Ok(None);
            }
        },
    };
    Ok(describe(app, store).await?)
}

/// `None` where somebody else has a store of that name.
async fn describe(app: &App, store: Store) -> Result<Option<Demo>, Error> {
    let (id, buyer_email) = (store.store_id, COMPANIES[0].email());
    let conn = &*app.db().await?;
    let owner = admin_user::find_by_email(id, OWNER, conn).await?;
    let buyer = password::of_member(id, &fold_email(&buyer_email), conn).await?;
    let (Some(owner), Some((buyer, ..))) = (owner, buyer) else {
        return Ok(None);
    };
    let settings = paid_settings::find(id, conn).await?;
    let account = provider::account(app, &settings, Environment::Sandbox).ok();
    Ok(Some(Demo {
        store: id,
        publishable_key: store.publishable_key,
        owner: owner.id,
        staff: STAFF.map(|(email, ..)| email),
        buyer,
        buyer_email,
        password: fs::read_to_string(password_file(app))
            .ok()
            .map(|text| text.trim().to_owned()),
        sandbox_auth_code: account.map(|account| account.auth_code.expose_secret().to_owned()),
    }))
}

async fn make(app: &App) -> Result<Store, Error> {
    let password = kept_password(app).map_err(anyhow::Error::from)?;
    let hash = passwords::hash(password.clone()).await?;
    let (store, owner) = open_store(app, &hash).await?;
    let shop = format!("user:{owner}");
    enable_paid(app, &store, &shop).await?;
    add_products(app, &store, &shop).await?;
    let members = add_members(app, &store, &shop, &password, &hash).await?;
    orders::place_all(app, &store, &shop, &members).await?;
    let named = store::set_slug(store.store_id, SLUG, &mut *app.db().await?).await;
    // Another process that started at the same moment may have been first.
    if let Err(error) = named {
        let first = store::find_by_slug(SLUG, &*app.db().await?).await?;
        return first.ok_or_else(|| error.into());
    }
    Ok(store)
}

fn password_file(app: &App) -> PathBuf {
    app.config.data_dir.join("demo.password")
}

/// One password for everybody in the demo, drawn once and readable by the operator alone.
fn kept_password(app: &App) -> io::Result<String> {
    let path = password_file(app);
    let kept = fs::read_to_string(&path).unwrap_or_default();
    if !kept.trim().is_empty() {
        return Ok(kept.trim().to_owned());
    }
    let password = format!("demo-{}", &crypto::random_secret().expose_secret()[..12]);
    fs::create_dir_all(&app.config.data_dir)?;
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)?;
    writeln!(file, "{password}")?;
    Ok(password)
}

/// The store under a name that nobody knows, with its staff.
async fn open_store(app: &App, hash: &str) -> Result<(Store, UserId), Error> {
    let now = app.clock.now();
    let name = format!("{SLUG}-{}", hex(&crypto::random::<6>()));
    let mut store = store::fresh(&name, "見本商店（デモ）", now);
    // Two members are to be seen waiting for approval and rejected.
    store.member_approval = MemberApproval::Manual;
    store.invoice_registration_number = Some("T0000000000000".into());
    let [owner, others @ ..] = STAFF.map(|(email, name, role)| NewUser {
        email,
        name,
        role,
        password_hash: hash,
    });
    let owner = user::open_store(app, &store, owner).await?;
    let owner = owner.ok_or_else(|| anyhow::anyhow!("a name drawn at random is taken"))?;
    for other in others {
        user::add(app, store.store_id, other).await?;
    }
    Ok((store, owner))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sets Paid up under an auth code of the store's own, if there is a sandbox that answers to it.
async fn enable_paid(app: &App, store: &Store, actor: &str) -> Result<(), Error> {
    let auth_code = format!("demo{}", hex(&crypto::random::<12>()));
    let change = PaidChange {
        merchant_id: Some("DEMO0001".into()),
        api_auth_code: Some(auth_code.into()),
        environment: Environment::Sandbox,
        enabled: true,
        enable_for_new_members: false,
        show_member_banner: true,
    };
    settings::change_paid(app, store.store_id, actor, |_| Ok(change)).await?;
    let health = settings::test_connection(app, store.store_id).await?.health;
    if health == Health::Ok {
        return Ok(());
    }
    Err(Code::ProviderUnavailable.because(text!("paid-sandbox-does-not-answer", health = health)))
}

async fn add_products(app: &App, store: &Store, actor: &str) -> Result<(), Error> {
    let ticket = Ticket::none();
    let context = Context::unconditional(store.store_id, actor, &ticket);
    for (code, name, price, tax_rate, active, paid_allowed) in GOODS {
        let offer = Offer {
            code: code.to_owned(),
            name: name.to_owned(),
            unit_price: Yen(price),
            tax_rate,
            active,
            paid_allowed,
            attached: Attachment::default(),
        };
        product::create(app, offer, &context).await?;
    }
    Ok(())
}

/// All members, in the order of the list, as far as their way to Paid goes.
async fn add_members(
    app: &App,
    store: &Store,
    actor: &str,
    password: &str,
    hash: &str,
) -> Result<Vec<Member>, Error> {
    let mut members = Vec::with_capacity(COMPANIES.len());
    for company in &COMPANIES {
        let member = match company.status {
            MemberStatus::Active | MemberStatus::Suspended => {
                create(app, store, company, actor, hash).await?
            }
            MemberStatus::PendingApproval | MemberStatus::Rejected => {
                register(app, store, company, password).await?
            }
        };
        let action = match company.status {
            MemberStatus::Active | MemberStatus::PendingApproval => None,
            MemberStatus::Suspended => Some(MemberAction::Suspend),
            MemberStatus::Rejected => Some(MemberAction::Reject),
        };
        if let Some(action) = action {
            let ticket = Ticket::none();
            let context = Context::unconditional(store.store_id, actor, &ticket);
            member::act(app, member.id, action, &context).await?;
        }
        members.push(apply(app, company, member, actor).await?);
    }
    Ok(members)
}

/// As the shop does, with a password that the member would otherwise have set with a token.
async fn create(
    app: &App,
    store: &Store,
    company: &Company,
    actor: &str,
    hash: &str,
) -> Result<Member, Error> {
    let new = NewMember {
        profile: company.profile(),
        payment_methods: Some(default_methods(company.way != Way::None)),
        application_status: Some(company.application_status()),
        ..NewMember::default()
    };
    let ticket = Ticket::none();
    let context = Context::unconditional(store.store_id, actor, &ticket);
    let member = member::create(app, new, &context).await?;
    password::set(
        store.store_id,
        member.id,
        hash,
        app.clock.now(),
        &mut *app.db().await?,
    )
    .await?;
    Ok(member)
}

/// As the member does.
async fn register(
    app: &App,
    store: &Store,
    company: &Company,
    password: &str,
) -> Result<Member, Error> {
    let wants_paid = company.way != Way::None;
    let new = Registration {
        profile: company.profile(),
        password: password.into(),
        wants_paid,
    };
    member::register(app, store, new, &Ticket::none()).await
}

/// Submits and refreshes, as far as the member is to go.
async fn apply(app: &App, company: &Company, member: Member, actor: &str) -> Result<Member, Error> {
    let ticket = Ticket::none();
    if matches!(company.way, Way::Submitted | Way::Refreshed) {
        let context = Context::unconditional(member.store_id, actor, &ticket);
        match application::submit(app, member.id, &context).await {
            // One of them is refused by Paid on purpose.
            Err(error) if error.code() != Some(Code::ApplicationRefused) => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    if company.way == Way::Refreshed {
        let context = Context::unconditional(member.store_id, actor, &ticket);
        return application::refresh(app, member.id, &context).await;
    }
    Ok(member)
}
