//! Calls to addresses that others chose. None reaches this machine or the network around it: an address is looked at
//! after its name was resolved, and it is that very address to which the connection is made. No redirect is followed, no
//! proxy is used, an answer is read to [`LONGEST_ANSWER`], and nothing takes longer than [`PATIENCE`].

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use url::{Host, Url};

use crate::domain::webhook::{check_url, is_public};
use crate::holding;
use crate::telemetry::traces;
use crate::texts::Text;

/// How long a call may take, from the resolving of the name to the last byte.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// Where an answer is cut.
pub const LONGEST_ANSWER: usize = 64 * 1024;
/// How many names are resolved at once: each has a thread of its own until the system gives it up, long after its call did.
const RESOLVING: usize = 256;
/// How long a call waits until a name may be resolved.
const FOR_A_SLOT: Duration = Duration::from_secs(1);

/// Asks the system for the addresses of a name.
type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// May this address be called?
type Allows = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// Calls addresses that others chose. Cheap to clone.
#[derive(Clone)]
pub struct Egress {
    http: reqwest::Client,
    private: bool,
    allows: Allows,
    runtime: Handle,
}

/// What a call came to.
#[derive(Debug)]
pub struct Called {
    /// The answer, or why there is none.
    pub answer: Result<Answered, NoAnswer>,
    /// How long it took.
    pub duration: Duration,
}

/// An answer.
#[derive(Debug)]
pub struct Answered {
    /// Its status.
    pub status: u16,
    /// Its body, cut at [`LONGEST_ANSWER`].
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The host has no address that may be called.
    NotAllowed,
    /// Too many names are being resolved already. Nothing was tried.
    Busy,
    /// No connection came about.
    NoConnection,
    /// It took longer than [`PATIENCE`].
    TimedOut,
    /// The connection broke before the head of an answer came.
    Broken,
}

impl Egress {
    /// A client whose connections belong to the present runtime, whoever calls. `private`: addresses that are not public
    /// may be called as well. `denied`: never these.
    ///
    /// # Panics
    /// If the TLS library cannot be set up, and outside a runtime.
    pub fn new(private: bool, denied: &[IpNet]) -> Self {
        let system: Lookup = Arc::new(|name| {
            async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }.boxed()
        });
        let denied = denied.to_vec();
        let allows = move |address: IpAddr| {
            let address = address.to_canonical();
            let is_denied = denied.iter().any(|network| network.contains(&address));
            !is_denied && (private || is_public(address))
        };
        Self {
            private,
            ..Self::asking(system, allows)
        }
    }

    fn asking(lookup: Lookup, allows: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        let allows: Allows = Arc::new(allows);
        let guard = Guard {
            lookup,
            allows: allows.clone(),
            slots: Arc::new(Semaphore::new(RESOLVING)),
            under_way: Arc::default(),
        };
        let http = reqwest::Client::builder()
            .dns_resolver(Arc::new(guard))
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            .pool_idle_timeout(Duration::from_secs(20))
            .pool_max_idle_per_host(2)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .http1_only()
            .user_agent(concat!("Kakeuri/", env!("CARGO_PKG_VERSION")))
            .build()
            .expect("the TLS library can be set up");
        Self {
            http,
            private: false,
            allows,
            runtime: Handle::current(),
        }
    }

    /// Sends JSON, and reads what is answered. Whoever drops this ends the call.
    pub async fn post(&self, url: Url, headers: &[(&str, String)], body: Vec<u8>) -> Called {
        let started = Instant::now();
        let plain = self
            .http
            .post(url.clone())
            .header(CONTENT_TYPE, "application/json");
        let request = headers
            .iter()
            .fold(plain, |request, (name, value)| request.header(*name, value));
        Called {
            answer: self.call(&url, request.body(body)).await,
            duration: started.elapsed(),
        }
    }

    /// Reads JSON. Whoever drops this ends the call.
    pub async fn get(&self, url: Url) -> Result<Answered, NoAnswer> {
        let request = self
            .http
            .get(url.clone())
            .header(ACCEPT, "application/json");
        self.call(&url, request).await
    }

    async fn call(
        &self,
        url: &Url,
        request: reqwest::RequestBuilder,
    ) -> Result<Answered, NoAnswer> {
        holding::check_that_nothing_is_held();
        if !self.may_call(url) {
            return Err(NoAnswer::NotAllowed);
        }
        let call = async {
            let request = traces::pass_on(request);
            let call = AbortOnDropHandle::new(self.runtime.spawn(answer_to(request)));
            call.await.unwrap_or(Err(NoAnswer::Broken))
        };
        traces::of_call(url.host_str().unwrap_or_default(), call).await
    }

    /// An address as somebody chose it, if it may be called, as far as can be told before its name is resolved; or a code and a
    /// message of what is wrong with it.
    ///
    /// # Errors
    /// See above.
    pub fn check(&self, text: &str) -> Result<Url, (&'static str, Text)> {
        let url = check_url(text, self.private)?;
        let refused = ("not_allowed", text!("this-address-is-not-called-from-here"));
        self.may_call(&url).then_some(url).ok_or(refused)
    }

    /// A host that is an address is never resolved, so it is looked at here.
    fn may_call(&self, url: &Url) -> bool {
        let address: IpAddr = match url.host() {
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            Some(Host::Domain(_)) => return true,
            None => return false,
        };
        (self.allows)(address)
    }
}

async fn answer_to(request: reqwest::RequestBuilder) -> Result<Answered, NoAnswer> {
    let mut response = request.send().await.map_err(|error| why(&error))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    // What was said counts, also where the rest of the body never comes.
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = LONGEST_ANSWER - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == LONGEST_ANSWER {
            break;
        }
    }
    Ok(Answered { status, body })
}

fn why(error: &reqwest::Error) -> NoAnswer {
    let mut causes =
        std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    match causes.find_map(|cause| cause.downcast_ref::<Unresolved>()) {
        Some(Unresolved::NoPublicAddress) => return NoAnswer::NotAllowed,
        Some(Unresolved::Busy) => return NoAnswer::Busy,
        None => {}
    }
    if error.is_timeout() {
        NoAnswer::TimedOut
    } else if error.is_connect() {
        NoAnswer::NoConnection
    } else {
        NoAnswer::Broken
    }
}

/// Resolves names to addresses that may be called.
struct Guard {
    lookup: Lookup,
    allows: Allows,
    slots: Arc<Semaphore>,
    under_way: Arc<Mutex<HashMap<String, Looking>>>,
}

/// A question to the system, which all share who ask it at the same time.
type Looking = Shared<BoxFuture<'static, Result<Vec<SocketAddr>, Unresolved>>>;

/// Why a name leads nowhere.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Unresolved {
    /// Also where there is no such name: who asks for names inside is not told which there are.
    #[error("the name has no public address")]
    NoPublicAddress,
    #[error("too many names are being resolved")]
    Busy,
}

impl Guard {
    /// The addresses of a name. However many ask, one name has one thread.
    fn look(&self, name: &str) -> Looking {
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(looking) = under_way.get(name) {
            return looking.clone();
        }
        let (lookup, slots) = ((self.lookup)(name.to_owned()), self.slots.clone());
        let (own, name) = (self.under_way.clone(), name.to_owned());
        let looking = {
            let name = name.clone();
            // Not ended with the call: the system's thread is not either, and has its place until it is free.
            let asked = tokio::spawn(async move {
                let slot = tokio::time::timeout(FOR_A_SLOT, slots.acquire_owned()).await;
                let found = match slot {
                    Ok(Ok(_slot)) => lookup.await.map_err(|_| Unresolved::NoPublicAddress),
                    Ok(Err(_)) | Err(_) => Err(Unresolved::Busy),
                };
                own.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(&name);
                found
            });
            async move { asked.await.unwrap_or(Err(Unresolved::Busy)) }
        };
        let looking = looking.boxed().shared();
        under_way.insert(name, looking.clone());
        looking
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (looking, allows) = (self.look(name.as_str()), self.allows.clone());
        async move {
            let mut found = looking.await?;
            found.retain(|address| allows(address.ip()));
            if found.is_empty() {
                return Err(Unresolved::NoPublicAddress.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// What names resolve to: each question is answered by the next of these.
    fn names(answers: &[&[&str]]) -> Lookup {
        let mut left: Vec<Vec<SocketAddr>> = answers
            .iter()
            .rev()
            .map(|answer| answer.iter().map(|text| text.parse().unwrap()).collect())
            .collect();
        let left = Mutex::new(std::mem::take(&mut left));
        Arc::new(move |_| {
            let answer = left.lock().unwrap().pop().unwrap_or_default();
            async move { Ok(answer) }.boxed()
        })
    }

    #[tokio::test]
    async fn one_name_is_asked_for_once_however_many_wait_for_it() {
        let asked = Arc::new(Mutex::new(0));
        let count = asked.clone();
        let never: Lookup = Arc::new(move |_| {
            *count.lock().unwrap() += 1;
            std::future::pending().boxed()
        });
        let egress = Egress::asking(never, is_public);
        let many = (0..5).map(|_| call(&egress, "https://erp.example/"));
        let waiting = futures_util::future::join_all(many);
        let nobody = tokio::time::timeout(Duration::from_millis(50), waiting).await;
        assert!(nobody.is_err());
        assert_eq!(*asked.lock().unwrap(), 1);
    }

    async fn call(egress: &Egress, url: &str) -> NoAnswer {
        let url = url.parse().unwrap();
        let called = egress.post(url, &[], Vec::new()).await;
        called.answer.unwrap_err()
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_called() {
        let inside = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = inside.local_addr().unwrap().port();
        for addresses in [
            &["127.0.0.1:0"][..],
            &["[::ffff:127.0.0.1]:0"],
            &["10.0.0.1:0", "169.254.169.254:0"],
            &[],
        ] {
            let egress = Egress::asking(names(&[addresses]), is_public);
            let refused = call(&egress, &format!("https://erp.example:{port}/")).await;
            assert_eq!(refused, NoAnswer::NotAllowed, "{addresses:?}");
        }
        for url in [
            "https://127.0.0.1",
            "https://[::1]",
            "https://[::ffff:7f00:1]",
        ] {
            let egress = Egress::asking(names(&[]), is_public);
            let refused = call(&egress, &format!("{url}:{port}/")).await;
            assert_eq!(refused, NoAnswer::NotAllowed, "{url}");
        }
        let nobody_came = tokio::time::timeout(Duration::ZERO, inside.accept()).await;
        assert!(nobody_came.is_err());
    }

    #[tokio::test]
    async fn what_the_operator_denies_is_not_called() {
        let denied = [
            "2600:1f00::/24".parse().unwrap(),
            "127.0.0.0/8".parse().unwrap(),
        ];
        let egress = Egress::new(true, &denied);
        for url in [
            "https://[2600:1f10::1]/",
            "http://127.0.0.1:1/",
            "http://[::ffff:7f00:1]:1/",
        ] {
            assert_eq!(call(&egress, url).await, NoAnswer::NotAllowed, "{url}");
        }
        assert_eq!(
            call(&egress, "http://localhost:1/").await,
            NoAnswer::NotAllowed
        );
    }

    /// The address that was looked at is the one that is called: a name that answers otherwise the next moment gains nothing.
    #[tokio::test]
    async fn a_name_that_changes_after_it_was_looked_at_gains_nothing() {
        let outside = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let port = outside.local_addr().unwrap().port();
        let inside = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let names = names(&[&["127.0.0.2:0"], &["127.0.0.1:0"]]);
        let egress = Egress::asking(names, |address| address.to_string() == "127.0.0.2");
        let url = format!("http://erp.example:{port}/");
        let (first, came) = tokio::join!(call(&egress, &url), async {
            drop(outside.accept().await.unwrap());
        });
        assert_eq!((first, came), (NoAnswer::Broken, ()));
        assert_eq!(call(&egress, &url).await, NoAnswer::NotAllowed);
        let nobody_came = tokio::time::timeout(Duration::ZERO, inside.accept()).await;
        assert!(nobody_came.is_err());
    }
}
