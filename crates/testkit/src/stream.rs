//! A reader of Server-Sent Events, as a client's library is one: keeps the last id, and may drop the connection at any
//! time. No wait is longer than [`PATIENCE`].

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);

/// An open stream. Dropping it drops the connection.
pub struct Stream {
    /// The headers of the answer.
    pub headers: HeaderMap,
    /// Where to resume: the last `id` that came, with data or without.
    pub last_id: Option<String>,
    /// How many comments came.
    pub comments: usize,
    response: reqwest::Response,
    unread: Vec<u8>,
}

/// A message with data.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its own id.
    pub id: Option<String>,
    /// Its type.
    pub event: String,
    /// Its data.
    pub data: Value,
}

impl Stream {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let headers = response.headers().clone();
        if response.status() != 200 {
            panic!(
                "no stream but {}: {}",
                response.status(),
                response.text().await.unwrap()
            );
        }
        assert_eq!(headers["content-type"], "text/event-stream");
        Self {
            headers,
            last_id: None,
            comments: 0,
            response,
            unread: Vec::new(),
        }
    }

    /// The next message; `None` at the end.
    pub async fn next(&mut self) -> Option<Message> {
        while let Some(block) = self.block().await {
            if let Some(message) = self.take_in(&block) {
                return Some(message);
            }
        }
        None
    }

    /// The next so many messages.
    pub async fn take(&mut self, count: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        while messages.len() < count {
            messages.push(self.next().await.expect("the stream ended"));
        }
        messages
    }

    /// Whatever comes until the service ends the stream.
    pub async fn rest(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
        }
        messages
    }

    /// Waits for a comment; no message may come before it.
    pub async fn heartbeat(&mut self) {
        let before = self.comments;
        while self.comments == before {
            let block = self.block().await.expect("the stream ended");
            let message = self.take_in(&block);
            assert_eq!(message, None);
        }
    }

    /// The first block, which tells a client how to come back.
    pub async fn greeting(&mut self) -> String {
        let block = self.block().await.expect("the stream ended");
        assert_eq!(self.take_in(&block), None);
        block
    }

    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.unread.drain(..end + 2).collect();
                return Some(String::from_utf8(block).unwrap());
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk())
                .await
                .expect("the stream is silent");
            match chunk.unwrap() {
                Some(bytes) => self.unread.extend_from_slice(&bytes),
                None => {
                    assert!(
                        self.unread.is_empty(),
                        "the stream ended in the middle of a message"
                    );
                    return None;
                }
            }
        }
    }

    fn take_in(&mut self, block: &str) -> Option<Message> {
        let mut id = None;
        let (mut event, mut data) = (String::new(), None);
        for line in block.lines().filter(|line| !line.is_empty()) {
            match line.split_once(": ").unwrap() {
                ("", _) => self.comments += 1,
                ("id", value) => id = Some(value.to_owned()),
                ("event", value) => event = value.to_owned(),
                ("data", value) => data = Some(serde_json::from_str(value).unwrap()),
                ("retry", value) => assert!(value.parse::<u32>().is_ok()),
                other => panic!("unknown field {other:?}"),
            }
        }
        if id.is_some() {
            self.last_id.clone_from(&id);
        }
        data.map(|data| Message { id, event, data })
    }
}
