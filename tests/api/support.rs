//! The kit's service under a name of these tests' own, so that a file of tests can give it the steps that only it needs.

use std::ops::Deref;

pub use testkit::{
    Answer, Client, Database, Message, PASSWORD, Stream, is_ticked, lines, new_key, order_body,
    process, profile, receiver, registration, schema,
};

/// A running service with a store of its own, on a database of its own; see [`testkit::TestApp`].
pub struct TestApp(testkit::TestApp);

impl TestApp {
    /// A service with the defaults.
    pub async fn start() -> Self {
        Self(testkit::TestApp::start().await)
    }

    /// A service with these settings of the environment.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        Self(testkit::TestApp::start_with(settings).await)
    }

    /// A service whose store sells on Paid.
    pub async fn with_paid() -> Self {
        Self(testkit::TestApp::with_paid().await)
    }

    /// A service whose store sells on Paid, with these settings of the environment.
    pub async fn with_paid_and(settings: &[(&str, &str)]) -> Self {
        Self(testkit::TestApp::with_paid_and(settings).await)
    }

    /// The same beside a Paid that is otherwise than assumed.
    pub async fn beside(differences: &str, settings: &[(&str, &str)]) -> Self {
        Self(testkit::TestApp::beside(differences, settings).await)
    }
}

impl Deref for TestApp {
    type Target = testkit::TestApp;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
