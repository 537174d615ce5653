//! What a service asks of its database, counted at the connection between the two.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};
use tokio_postgres::config::Host;

/// A way to a database on which everything that passes is counted.
pub struct Wire {
    /// The address of the same database, by this way.
    pub url: String,
    cost: Arc<Mutex<Cost>>,
}

/// What was asked of a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// How often the answer to what was sent had to be waited for. What is sent while an answer is still on its way
    /// waits for nothing of its own.
    pub round_trips: u32,
    /// Statements carried out, `BEGIN` and `COMMIT` among them.
    pub statements: u32,
    /// Statements that had to be read and planned first, as the connection had not kept them.
    pub prepared: u32,
    /// Commits of something written that were waited for until they lay on the disk.
    pub flushes: u32,
    /// Rows that came back.
    pub rows: u32,
}

impl Wire {
    /// A way to the database at `url`, which is reached by a socket.
    pub async fn to(url: &str) -> Self {
        let config: tokio_postgres::Config = url.parse().unwrap();
        let folder = config.get_hosts().iter().find_map(|host| match host {
            Host::Unix(folder) => Some(folder.clone()),
            Host::Tcp(_) => None,
        });
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let socket = folder.unwrap().join(format!(".s.PGSQL.{port}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (user, name) = (config.get_user().unwrap(), config.get_dbname().unwrap());
        let url = address(user, listener.local_addr().unwrap(), name);
        let cost = Arc::new(Mutex::new(Cost::default()));
        tokio::spawn(serve(listener, socket.into(), Arc::clone(&cost)));
        Self { url, cost }
    }

    /// What was asked since the last time.
    pub fn take(&self) -> Cost {
        std::mem::take(&mut *self.cost.lock().unwrap())
    }
}

fn address(user: &str, at: SocketAddr, name: &str) -> String {
    format!("postgresql://{user}@{at}/{name}?sslmode=disable")
}

async fn serve(listener: TcpListener, socket: Box<Path>, cost: Arc<Mutex<Cost>>) {
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = UnixStream::connect(&socket).await else {
            continue;
        };
        client.set_nodelay(true).unwrap();
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let ledger = Arc::new(Mutex::new(Ledger::new(Arc::clone(&cost))));
        let asked = Arc::clone(&ledger);
        tokio::spawn(pass(from_client, to_server, true, move |tag, body| {
            asked.lock().unwrap().asked(tag, body);
        }));
        tokio::spawn(pass(from_server, to_client, false, move |tag, body| {
            ledger.lock().unwrap().answered(tag, body);
        }));
    }
}

/// How much is read at once, at most.
const MOST: usize = 64 * 1024;

/// Passes messages on, and shows each to `look` before. All that were sent at once are seen before any of them can be
/// answered. A client's first message is without a tag.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut is_first: bool,
    mut look: impl FnMut(u8, &[u8]),
) -> io::Result<()> {
    let mut unseen = Vec::new();
    loop {
        unseen.reserve(MOST);
        if from.read_buf(&mut unseen).await? == 0 {
            return to.shutdown().await;
        }
        let mut seen = 0;
        while let Some((tag, body, length)) = message(&unseen[seen..], is_first) {
            if let Some(tag) = tag {
                look(tag, body);
            }
            seen += length;
            is_first = false;
        }
        to.write_all(&unseen[..seen]).await?;
        unseen.drain(..seen);
    }
}

/// The first message with its length, if all of it is there.
fn message(bytes: &[u8], without_tag: bool) -> Option<(Option<u8>, &[u8], usize)> {
    let (tag, rest) = if without_tag {
        (None, bytes)
    } else {
        let (tag, rest) = bytes.split_first()?;
        (Some(*tag), rest)
    };
    let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
    let body = rest.get(4..length)?;
    Some((tag, body, bytes.len() - rest.len() + length))
}

/// What a statement does to the disk, as far as its text tells.
#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    writes: bool,
    /// Its commit is not waited for.
    waits_not: bool,
}

impl Kind {
    fn of(text: &str) -> Self {
        let text = text.to_uppercase();
        let writing = [
            "INSERT ",
            "UPDATE ",
            "DELETE ",
            "FOR UPDATE",
            "FOR SHARE",
            "FOR KEY SHARE",
            "FOR NO KEY UPDATE",
        ];
        Self {
            writes: writing.iter().any(|word| text.contains(word)),
            waits_not: text.contains("SYNCHRONOUS_COMMIT"),
        }
    }
}

/// Something sent that has an answer.
enum Sent {
    Statement(Kind),
    /// Several statements in one text.
    Text(Kind),
    /// The end of a group of messages.
    End,
    /// The end of a group in which only a statement was dropped: nobody waits for that.
    Dropped,
}

/// The state of one connection.
struct Ledger {
    cost: Arc<Mutex<Cost>>,
    /// By the names that the client gave them.
    statements: HashMap<Vec<u8>, Kind>,
    portals: HashMap<Vec<u8>, Kind>,
    sent: VecDeque<Sent>,
    /// Since the last group something was sent of which the answer is waited for.
    is_waited_for: bool,
    transaction: Kind,
}

impl Ledger {
    fn new(cost: Arc<Mutex<Cost>>) -> Self {
        Self {
            cost,
            statements: HashMap::new(),
            portals: HashMap::new(),
            sent: VecDeque::new(),
            is_waited_for: false,
            transaction: Kind::default(),
        }
    }

    fn count(&self, count: impl FnOnce(&mut Cost)) {
        count(&mut self.cost.lock().unwrap());
    }

    fn asked(&mut self, tag: u8, body: &[u8]) {
        let (first, rest) = text(body);
        self.is_waited_for |= !matches!(tag, b'C' | b'S' | b'Q');
        match tag {
            b'P' => {
                let kind = Kind::of(&String::from_utf8_lossy(text(rest).0));
                self.statements.insert(first.to_owned(), kind);
                self.count(|cost| cost.prepared += 1);
            }
            b'B' => {
                let kind = self
                    .statements
                    .get(text(rest).0)
                    .copied()
                    .unwrap_or_default();
                self.portals.insert(first.to_owned(), kind);
            }
            b'E' => {
                let kind = self.portals.get(first).copied().unwrap_or_default();
                self.sent.push_back(Sent::Statement(kind));
                self.count(|cost| cost.statements += 1);
            }
            b'Q' => {
                let kind = Kind::of(&String::from_utf8_lossy(first));
                self.begin_group();
                self.sent.push_back(Sent::Text(kind));
                self.count(|cost| cost.statements += 1);
            }
            b'S' if std::mem::take(&mut self.is_waited_for) => {
                self.begin_group();
                self.sent.push_back(Sent::End);
            }
            b'S' => self.sent.push_back(Sent::Dropped),
            _ => {}
        }
    }

    fn begin_group(&self) {
        let waiting = self
            .sent
            .iter()
            .any(|sent| matches!(sent, Sent::Text(_) | Sent::End));
        if !waiting {
            self.count(|cost| cost.round_trips += 1);
        }
    }

    fn answered(&mut self, tag: u8, body: &[u8]) {
        match tag {
            b'D' => self.count(|cost| cost.rows += 1),
            b'C' => self.done(text(body).0),
            // Whatever the transaction wrote is gone.
            b'E' => self.transaction = Kind::default(),
            b'Z' => self.end_group(body == b"I"),
            _ => {}
        }
    }

    fn done(&mut self, outcome: &[u8]) {
        let kind = match self.sent.front() {
            Some(Sent::Text(kind)) => *kind,
            Some(Sent::Statement(kind)) => {
                let kind = *kind;
                self.sent.pop_front();
                kind
            }
            Some(Sent::End | Sent::Dropped) | None => Kind::default(),
        };
        if outcome == b"ROLLBACK" {
            self.transaction = Kind::default();
        }
        self.transaction.writes |= kind.writes && !outcome.ends_with(b" 0");
        self.transaction.waits_not |= kind.waits_not;
    }

    fn end_group(&mut self, is_idle: bool) {
        while let Some(Sent::Statement(_)) = self.sent.pop_front() {}
        if !is_idle {
            return;
        }
        let Kind { writes, waits_not } = std::mem::take(&mut self.transaction);
        if writes && !waits_not {
            self.count(|cost| cost.flushes += 1);
        }
    }
}

/// A text that ends with a zero, and what follows.
fn text(body: &[u8]) -> (&[u8], &[u8]) {
    let end = body
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(body.len());
    (&body[..end], body.get(end + 1..).unwrap_or_default())
}
