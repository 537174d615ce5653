//! A client of the API. Every call gives an [`Answer`] to look at.

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::stream::Stream;

/// Calls the service, always with the same headers.
#[derive(Clone)]
pub struct Client {
    address: String,
    headers: HeaderMap,
    http: reqwest::Client,
}

/// What the service answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, `null` unless it is JSON.
    pub body: Value,
    /// The body as it came.
    pub text: String,
}

impl Client {
    /// Of a service at this address, as `http://127.0.0.1:port`.
    pub fn new(address: &str) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            address: address.to_owned(),
            headers: HeaderMap::new(),
            http,
        }
    }

    /// The same, of a service at another address.
    pub fn at(&self, address: &str) -> Self {
        Self {
            address: address.to_owned(),
            ..self.clone()
        }
    }

    /// The same with a header.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.insert(
            name.parse::<HeaderName>().unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
        client
    }

    /// The same with an access token.
    pub fn bearer(&self, token: &str) -> Self {
        self.with("Authorization", &format!("Bearer {token}"))
    }

    /// The same with an idempotency key.
    pub fn key(&self, key: &str) -> Self {
        self.with("Idempotency-Key", key)
    }

    /// The same for one version of a resource.
    pub fn if_match(&self, etag: &str) -> Self {
        self.with("If-Match", etag)
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// POST with a body.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    /// POST without a body.
    pub async fn act(&self, path: &str) -> Answer {
        self.send(Method::POST, path, None).await
    }

    /// PUT.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    /// PATCH.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Opens a stream, which must be one.
    pub async fn stream(&self, path: &str) -> Stream {
        let request = self
            .http
            .get(format!("{}{path}", self.address))
            .headers(self.headers.clone());
        Stream::of(request.send().await.unwrap()).await
    }

    /// Any method.
    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| ("application/json", body.to_string().into_bytes()));
        self.send_raw(method, path, body).await
    }

    /// GET of a file: its headers and its bytes.
    pub async fn download(&self, path: &str) -> (HeaderMap, Vec<u8>) {
        let request = self
            .http
            .get(format!("{}{path}", self.address))
            .headers(self.headers.clone());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        (
            response.headers().clone(),
            response.bytes().await.unwrap().to_vec(),
        )
    }

    /// Any method with any body: (content type, bytes).
    pub async fn send_raw(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Answer {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.address))
            .headers(self.headers.clone());
        if let Some((content_type, bytes)) = body {
            if !content_type.is_empty() {
                request = request.header("Content-Type", content_type);
            }
            request = request.body(bytes);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        // A stream has no end to wait for.
        let endless = headers
            .get("Content-Type")
            .is_some_and(|kind| kind == "text/event-stream");
        let text = if endless {
            String::new()
        } else {
            response.text().await.unwrap()
        };
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer {
            status,
            headers,
            body,
            text,
        }
    }
}

impl Answer {
    /// The same answer, if it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Checks that it is a problem with this status and code.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.body["code"], code, "{}", answer.text);
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(answer.body["status"], status);
        assert_eq!(
            answer.body["request_id"].as_str(),
            answer.header("x-request-id")
        );
        answer
    }

    /// The pointers of the faults.
    pub fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array();
        errors
            .into_iter()
            .flatten()
            .filter_map(|error| error["pointer"].as_str())
            .collect()
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A text of the body by its JSON pointer.
    #[track_caller]
    pub fn text_at(&self, pointer: &str) -> String {
        let text = self.body.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("no text at {pointer} in {}", self.text))
            .to_owned()
    }
}
