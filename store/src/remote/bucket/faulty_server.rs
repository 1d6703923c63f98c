//! A server of just enough S3 to misbehave: what the client sends is kept in memory, and faults are played as told.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::faulty_pages::page;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The work is done, the answer says 500.
    ErrorAfterSuccess,
    /// The answer says 409, nothing is done.
    Conflict,
    /// No answer, nothing is done.
    Silence,
    /// The work is done, no answer.
    SilenceAfterSuccess,
    /// The answer ends in the middle of the body.
    Truncated,
    /// The answer comes in drops.
    Slow,
    /// Conditional writes are not known.
    NotImplemented,
}

#[derive(Debug, Default)]
struct State {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    faults: Mutex<VecDeque<(&'static str, Fault)>>,
    ignores_conditions: AtomicBool,
    /// The answer to a conditional write that the server does not know.
    refusal: Mutex<Option<&'static str>>,
    ignores_ranges: AtomicBool,
    /// Objects that may not be read, each with the code of the answer.
    denied: Mutex<BTreeMap<String, &'static str>>,
    requests: AtomicU64,
}

/// The server; it serves until the process ends.
#[derive(Debug)]
pub(super) struct FaultyServer {
    pub(super) endpoint: String,
    state: Arc<State>,
}

struct Request {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl FaultyServer {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        let served = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&served);
                std::thread::spawn(move || state.serve(stream));
            }
        });
        Self { endpoint, state }
    }

    /// Plays a fault at the next request of a method.
    pub(super) fn next(&self, method: &'static str, fault: Fault) {
        self.state.faults.lock().unwrap().push_back((method, fault));
    }

    pub(super) fn ignore_conditions(&self) {
        self.state.ignores_conditions.store(true, Ordering::Relaxed);
    }

    /// Answers every conditional write with a status.
    pub(super) fn refuse_conditions(&self, status: &'static str) {
        *self.state.refusal.lock().unwrap() = Some(status);
    }

    /// Gives whole files only.
    pub(super) fn ignore_ranges(&self) {
        self.state.ignores_ranges.store(true, Ordering::Relaxed);
    }

    /// Lists an object, but refuses to give it.
    pub(super) fn deny(&self, name: &str, code: &'static str) {
        self.state.denied.lock().unwrap().insert(name.to_owned(), code);
    }

    pub(super) fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::Relaxed)
    }

    pub(super) fn object(&self, name: &str) -> Option<Vec<u8>> {
        self.state.objects.lock().unwrap().get(name).cloned()
    }

    pub(super) fn put(&self, name: &str, bytes: &[u8]) {
        self.state
            .objects
            .lock()
            .unwrap()
            .insert(name.to_owned(), bytes.to_vec());
    }

    /// Tells whether all faults were played.
    pub(super) fn is_done(&self) -> bool {
        self.state.faults.lock().unwrap().is_empty()
    }
}

impl State {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(request) = read(&mut reader)? {
            self.requests.fetch_add(1, Ordering::Relaxed);
            let fault = {
                let mut faults = self.faults.lock().unwrap();
                let place = faults.iter().position(|(method, _)| *method == request.method);
                place
                    .and_then(|place| faults.remove(place))
                    .map(|(_, fault)| fault)
            };
            if !self.answer(&stream, &request, fault)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Answers one request; false if the connection ends with it.
    fn answer(&self, mut stream: &TcpStream, request: &Request, fault: Option<Fault>) -> io::Result<bool> {
        let plain = |status: &str| format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").into_bytes();
        match fault {
            Some(Fault::Silence) => return Ok(wait(false)),
            Some(Fault::Conflict) => {
                stream.write_all(&plain("409 Conflict"))?;
                return Ok(true);
            }
            Some(Fault::NotImplemented) => {
                stream.write_all(&plain("501 Not Implemented"))?;
                return Ok(true);
            }
            _ => {}
        }
        let (status, extra, body) = self.handle(request);
        if fault == Some(Fault::SilenceAfterSuccess) {
            return Ok(wait(false));
        }
        if fault == Some(Fault::ErrorAfterSuccess) {
            stream.write_all(&plain("500 Internal Server Error"))?;
            return Ok(true);
        }
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\netag: \"e\"\r\n\
             last-modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n{extra}\r\n"
        );
        stream.write_all(head.as_bytes())?;
        if request.method == "HEAD" {
            return Ok(true);
        }
        match fault {
            Some(Fault::Truncated) => {
                stream.write_all(&body[..length / 2])?;
                return Ok(false);
            }
            Some(Fault::Slow) => {
                for drop in body.chunks(length.div_ceil(20).max(1)) {
                    stream.write_all(drop)?;
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
            _ => stream.write_all(&body)?,
        }
        Ok(true)
    }

    fn handle(&self, request: &Request) -> (&'static str, String, Vec<u8>) {
        let mut objects = self.objects.lock().unwrap();
        let nothing = |status| (status, String::new(), Vec::new());
        let name = request
            .path
            .trim_start_matches('/')
            .split_once('/')
            .map_or("", |(_, name)| name);
        match request.method.as_str() {
            "PUT" => {
                let conditional = request.headers.contains_key("if-none-match");
                if conditional && let Some(status) = *self.refusal.lock().unwrap() {
                    return nothing(status);
                }
                let ignores = self.ignores_conditions.load(Ordering::Relaxed);
                if conditional && !ignores && objects.contains_key(name) {
                    return nothing("412 Precondition Failed");
                }
                objects.insert(name.to_owned(), request.body.clone());
                nothing("200 OK")
            }
            "DELETE" => {
                objects.remove(name);
                nothing("204 No Content")
            }
            "GET" if request.query.contains("list-type=2") => {
                let text = page(objects.keys(), &request.query);
                ("200 OK", String::new(), text.into_bytes())
            }
            "GET" if let Some(code) = self.denied.lock().unwrap().get(name) => {
                let text = format!("<Error><Code>{code}</Code></Error>");
                ("403 Forbidden", String::new(), text.into_bytes())
            }
            _ => match (objects.get(name), request.headers.get("range")) {
                (None, _) => nothing("404 Not Found"),
                (Some(bytes), Some(range)) if !self.ignores_ranges.load(Ordering::Relaxed) => {
                    part(bytes, range)
                }
                (Some(bytes), _) => ("200 OK", String::new(), bytes.clone()),
            },
        }
    }
}

/// Holds a connection without a word for longer than any client of the tests waits.
fn wait(open: bool) -> bool {
    std::thread::sleep(Duration::from_secs(3));
    open
}

fn part(bytes: &[u8], range: &str) -> (&'static str, String, Vec<u8>) {
    let range = range.trim_start_matches("bytes=");
    let (start, end) = range.split_once('-').unwrap();
    let start: usize = start.parse().unwrap();
    let end = end
        .parse::<usize>()
        .map_or(bytes.len(), |end| (end + 1).min(bytes.len()));
    if start >= bytes.len() {
        return ("416 Range Not Satisfiable", String::new(), Vec::new());
    }
    let place = format!("content-range: bytes {start}-{}/{}\r\n", end - 1, bytes.len());
    ("206 Partial Content", place, bytes[start..end].to_vec())
}

fn read(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (method, path, query) = (method.to_owned(), path.to_owned(), query.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Request {
        method,
        path,
        query,
        headers,
        body,
    }))
}
