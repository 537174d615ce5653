//! What is assumed of Paid: `kakeuri paid check` finds out what does not hold, and the setting that it names mends it.

use kakeuri::db::member::Member;
use kakeuri::domain::PaidKey;
use kakeuri::workflows::paid_check::{self, Finding, Told, Verdict};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use testkit::process;

use crate::support::{TestApp, new_key};

#[derive(Default)]
struct Found {
    findings: Vec<Finding>,
    sales: Vec<String>,
}

impl Told for Found {
    fn found(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn sending(&mut self, key: &PaidKey, _: &Member) {
        self.sales.push(key.to_string());
    }
}

impl Found {
    /// The settings that the check asks for.
    fn settings(&self) -> Vec<&str> {
        let differs = |finding: &&Finding| finding.verdict == Verdict::Differs;
        let differing = self.findings.iter().filter(differs);
        differing
            .map(|finding| finding.setting.as_deref().unwrap())
            .collect()
    }
}

/// Everything, with money.
async fn checked(app: &TestApp) -> Found {
    let store = app.store.store_id;
    app.linked_member(|member| {
        member.application.status = kakeuri::domain::application::ApplicationStatus::ApprovedActive;
        member.application.checked_at = member.submitted_at;
    })
    .await;
    let buyer = paid_check::buyer(&app.app, store, None).await.unwrap();
    let mut found = Found::default();
    paid_check::check(&app.app, store, buyer.as_ref(), &mut found)
        .await
        .unwrap();
    found
}

/// An order's whole way, and the amount that Paid holds in the end.
async fn sold(app: &TestApp) -> Value {
    let id = app.unconfirmed_order().await;
    let confirm = format!("/v1/admin/orders/{id}/payment/confirm");
    app.admin().key(&new_key()).act(&confirm).await.expect(200);
    app.sale_of(&id).await
}

#[actix_web::test]
async fn everything_holds_of_the_sandbox_and_nothing_is_left_there() {
    let app = TestApp::with_paid().await;
    let found = checked(&app).await;
    let verdicts: Vec<_> = found
        .findings
        .iter()
        .map(|finding| finding.verdict)
        .collect();
    assert_eq!(verdicts, [Verdict::Holds; 10], "{:#?}", found.findings);
    let sale = app.sandbox.sale(&found.sales[0]).await;
    assert_eq!(
        (&sale["status"], &sale["price"]),
        (&json!("CANCELED"), &json!(2))
    );
}

#[actix_web::test]
async fn without_money_paid_is_only_read() {
    let app = TestApp::with_paid().await;
    let mut found = Found::default();
    paid_check::check(&app.app, app.store.store_id, None, &mut found)
        .await
        .unwrap();
    assert!(found.settings().is_empty(), "{:#?}", found.findings);
    let calls = app.sandbox.calls().await;
    for call in &calls {
        let call = call["operation"].as_str().unwrap();
        assert!(["check", "search"].contains(&call), "{call}");
    }
}

#[actix_web::test]
async fn where_paid_differs_the_setting_that_is_named_mends_it() {
    // How Paid differs, the setting that is named, and the settings that mend it.
    type Case = (
        &'static str,
        &'static str,
        &'static [(&'static str, &'static str)],
    );
    let cases: [Case; 8] = [
        (
            "status=2:20",
            "KAKEURI_PAID_STATUS_MAP=20:",
            &[(
                "KAKEURI_PAID_STATUS_MAP",
                "1:under_review,20:approved_active,3:approved_inactive,4:declined",
            )],
        ),
        (
            "no=search",
            "KAKEURI_PAID_PATHS=search=",
            &[("KAKEURI_PAID_CAPABILITIES", "change_amount")],
        ),
        (
            "no=update",
            "KAKEURI_PAID_PATHS=update=",
            &[("KAKEURI_PAID_CAPABILITIES", "inquiry")],
        ),
        (
            "path=search:/Inquiry/ver2.0/p.json",
            "KAKEURI_PAID_PATHS=search=",
            &[("KAKEURI_PAID_PATHS", "search=/Inquiry/ver2.0/p.json")],
        ),
        (
            "path=update:/Change/ver1.0/p.json",
            "KAKEURI_PAID_PATHS=update=",
            &[("KAKEURI_PAID_PATHS", "update=/Change/ver1.0/p.json")],
        ),
        (
            "duplicate=D09",
            "KAKEURI_PAID_DUPLICATE_CODE=D09",
            &[("KAKEURI_PAID_DUPLICATE_CODE", "D09")],
        ),
        (
            "missing=E77",
            "KAKEURI_PAID_MISSING_CODES=NOT_FOUND,C02,E77",
            &[("KAKEURI_PAID_MISSING_CODES", "NOT_FOUND,C02,E77")],
        ),
        (
            "fix=without_date",
            "KAKEURI_PAID_FIX_DATE=off",
            &[("KAKEURI_PAID_FIX_DATE", "off")],
        ),
    ];
    for (differs, named, mended) in cases {
        let app = TestApp::beside(differs, &[]).await;
        let found = checked(&app).await;
        let settings = found.settings();
        assert!(
            settings.iter().any(|setting| setting.starts_with(named)),
            "{differs}: {:#?}",
            found.findings
        );

        let app = TestApp::beside(differs, mended).await;
        let found = checked(&app).await;
        assert!(
            found.settings().is_empty(),
            "{differs}: {:#?}",
            found.findings
        );
        let sale = sold(&app).await;
        assert_eq!(
            (&sale["status"], &sale["price"]),
            (&json!("FIXED"), &json!(1100)),
            "{differs}"
        );
    }
}

#[actix_web::test]
async fn a_paid_that_takes_no_date_is_not_asked_for_another_day() {
    let app = TestApp::beside("fix=without_date", &[("KAKEURI_PAID_FIX_DATE", "off")]).await;
    let id = app.unconfirmed_order().await;
    let yesterday = app.app.clock.today().pred_opt().unwrap();
    let confirm = format!("/v1/admin/orders/{id}/payment/confirm");
    let answer = app
        .admin()
        .post(&confirm, json!({ "fixed_on": yesterday }))
        .await;
    answer.problem(501, "not_supported_by_provider");
    let capabilities = app
        .admin()
        .get("/v1/admin/settings/paid/capabilities")
        .await;
    let shown = capabilities.expect(200).body;
    assert_eq!(
        shown,
        json!({ "environments": ["sandbox"], "change_amount": true, "inquiry": true, "fixed_on": false, "banner": false })
    );
}

#[actix_web::test]
async fn the_command_ends_as_scripts_need_it() {
    let app = TestApp::beside("no=search", &[]).await;
    let run = |auth: &str, more: &[(&str, &str)]| {
        let url = app.sandbox.url();
        let mut settings = vec![
            ("DATABASE_URL", app.database_url()),
            ("KAKEURI_MASTER_KEY", app.master_key.expose_secret()),
            ("KAKEURI_PAID_SANDBOX_URL", &url),
        ];
        settings.extend(more);
        let arguments = ["paid", "check", "--store", &app.store.slug];
        let ended = process::command(&settings, &arguments).output().unwrap();
        let said = String::from_utf8(ended.stdout).unwrap();
        (ended.status.code().unwrap(), format!("{auth}{said}"))
    };
    let (code, said) = run("", &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("set KAKEURI_PAID_PATHS=search="), "{said}");
    let (code, said) = run("", &[("KAKEURI_PAID_CAPABILITIES", "change_amount")]);
    assert_eq!(code, 0, "{said}");
    let (code, said) = run("", &[("KAKEURI_PAID_SANDBOX_URL", "http://127.0.0.1:9/")]);
    assert_eq!(code, 2, "{said}");
}
