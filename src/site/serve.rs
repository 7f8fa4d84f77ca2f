//! A site on an address of this machine, made anew while runs go on.
//!
//! What is shown is looked up by name among what was gathered, so no path of a request reaches the file system. A browser
//! that was led here under another name is refused.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;

use super::gather::Gatherer;
use super::gathered::Gathered;
use super::sources::{SiteError, Sources};
use super::{record, runs};
use crate::engine::locked::Locked;
use crate::engine::{clock, service};
use crate::model::Mono;
use crate::report::html;
use crate::report::html::site::{FIRST, home, notice, pages};

/// Disks are not looked at more often: runs go on beside this.
const LOOK: Duration = Duration::from_secs(2);
/// The page of a run that goes on is not made more often.
const AGAIN: Duration = Duration::from_secs(5);
/// A file that is longer is not shown.
const LARGEST: u64 = 32 << 20;
/// What a browser must keep to, whatever a page says.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; frame-ancestors 'none'";

/// Where the site is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door {
    /// The address.
    pub listen: SocketAddr,
    /// Whether others than this machine may ask.
    pub public: bool,
}

/// Shows the site until asked to end. `ready` hears the address once it is listened on.
///
/// # Errors
/// When it cannot be listened on, or the server ends by itself.
pub async fn serve(sources: Sources, door: Door, ready: &dyn Fn(SocketAddr)) -> Result<(), SiteError> {
    let failed = |why| SiteError::Listen(door.listen, why);
    let listener = TcpListener::bind(door.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let shelf = Arc::new(Shelf { sources, door, kept: Locked::new(Kept::default()) });
    let router = Router::new().fallback(asked).with_state(shelf);
    ready(address);
    tokio::select! {
        ended = async { axum::serve(listener, router).await } => ended.map_err(SiteError::Server),
        () = service::asked_to_end() => Ok(()),
    }
}

async fn asked(State(shelf): State<Arc<Shelf>>, request: Request) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !shelf.door.public && !of_this_machine(host) {
        let why = "this site is shown to its own machine only, under its own names";
        return (StatusCode::MISDIRECTED_REQUEST, why).into_response();
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return (StatusCode::METHOD_NOT_ALLOWED, "pages can only be read").into_response();
    }
    let path = request.uri().path().to_owned();
    // reading and judging take a while, and others ask, too
    let answer = tokio::task::spawn_blocking(move || shelf.answer(&path, clock::now())).await;
    answer.unwrap_or_else(|_| Answer::none()).into_response()
}

/// Whether a request names this machine itself: another name was chosen by somebody else.
fn of_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|letter| letter.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// What was gathered, and what was made of it.
struct Shelf {
    sources: Sources,
    door: Door,
    kept: Locked<Kept>,
}

#[derive(Default)]
struct Kept {
    gatherer: Gatherer,
    gathered: Gathered,
    pages: BTreeMap<String, String>,
    looked: Option<Mono>,
    /// Pages of runs that go on, and when they were made.
    under_way: BTreeMap<String, (Mono, String)>,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    status: StatusCode,
    kind: &'static str,
    body: Vec<u8>,
}

impl Answer {
    fn page(body: impl Into<Vec<u8>>) -> Self {
        Self { status: StatusCode::OK, kind: "text/html; charset=utf-8", body: body.into() }
    }

    fn none() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            kind: "text/plain; charset=utf-8",
            body: b"there is no such page; / is the first one".to_vec(),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let headers: [(HeaderName, &'static str); 5] = [
            (header::CONTENT_TYPE, self.kind),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        (self.status, headers, self.body).into_response()
    }
}

impl Shelf {
    fn answer(&self, path: &str, now: Mono) -> Answer {
        let at = match path.trim_start_matches('/') {
            "" => FIRST,
            at => at,
        };
        let mut kept = self.kept.lock();
        if kept.looked.is_none_or(|before| now.since(before) >= LOOK) {
            kept.look(&self.sources);
            kept.looked = Some(now);
        }
        if let Some(page) = kept.pages.get(at) {
            return Answer::page(page.clone());
        }
        if let Some(file) = kept.gathered.files.get(at) {
            return as_it_is(at, file);
        }
        let run = kept.gathered.runs.iter().find_map(|(folder, dir)| {
            Some((
                folder.clone(),
                dir.clone(),
                at.strip_prefix(folder.as_str())?.strip_prefix('/')?.to_owned(),
            ))
        });
        let Some((_, dir, name)) = run else { return Answer::none() };
        if name == html::FILE {
            return kept.run(at, &dir, now);
        }
        record::file(&dir, &name).map_or_else(Answer::none, |file| as_it_is(at, &file))
    }
}

impl Kept {
    /// Reads what changed; pages are made anew where something did.
    fn look(&mut self, sources: &Sources) {
        let gathered = self.gatherer.gather(sources, true);
        let (new, old) = (&gathered.site, &self.gathered.site);
        let same = new.runs == old.runs && new.benches == old.benches;
        if !same || self.pages.is_empty() {
            self.pages = pages(new);
        }
        self.gathered = gathered;
    }

    /// The page of a run.
    fn run(&mut self, at: &str, dir: &std::path::Path, now: Mono) -> Answer {
        let live = runs::under_way(dir, clock::utc_seconds());
        if let Some((made, page)) = self.under_way.get(at).filter(|_| live)
            && now.since(*made) < AGAIN
        {
            return Answer::page(page.clone());
        }
        let made = if live { record::anew(dir) } else { record::page(dir) };
        let page = match made {
            Ok(page) => home(&page, at, live, |href| record::file(dir, href).is_some()),
            Err(why) => notice(&self.gathered.site, "This run has no page yet", &why),
        };
        self.under_way.remove(at);
        if live {
            self.under_way.insert(at.to_owned(), (now, page.clone()));
        }
        Answer::page(page)
    }
}

/// A file under its own kind; what a browser could run is text.
fn as_it_is(at: &str, file: &std::path::Path) -> Answer {
    let small = fs::metadata(file).is_ok_and(|data| data.len() <= LARGEST);
    let Some(body) = small.then(|| fs::read(file).ok()).flatten() else { return Answer::none() };
    let kind = match at.rsplit_once('.').map_or("", |(_, end)| end) {
        "html" => {
            let page = String::from_utf8_lossy(&body);
            return Answer::page(home(&page, at, false, |_| false));
        }
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "json" => "application/json",
        _ => "text/plain; charset=utf-8",
    };
    Answer { status: StatusCode::OK, kind, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn shelf(runs: &std::path::Path) -> Shelf {
        let sources = Sources { runs: runs.to_owned(), ..Sources::default() };
        let listen = "127.0.0.1:0".parse().expect("an address");
        Shelf { sources, door: Door { listen, public: false }, kept: Locked::new(Kept::default()) }
    }

    fn text(answer: &Answer) -> &str {
        std::str::from_utf8(&answer.body).expect("text")
    }

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for host in ["127.0.0.1:8642", "localhost:1", "localhost", "[::1]:8642", "127.0.0.2"] {
            assert!(of_this_machine(host), "{host}");
        }
        for host in
            ["evil.example:8642", "10.0.0.1:8642", "localhost.evil.example", "127.0.0.1.evil.example", ""]
        {
            assert!(!of_this_machine(host), "{host}");
        }
    }

    #[test]
    fn no_path_leads_out_of_the_site() {
        let root = tempfile::tempdir().expect("a directory");
        let dir = root.path().join("runs/smoke/20261128T004844Z-1");
        fs::create_dir_all(dir.join("logs")).expect("made");
        fs::write(root.path().join("secret"), "secret").expect("written");
        for name in ["scenario.json", "resolved.json", "verdict.json"] {
            fs::write(dir.join(name), "{}").expect("written");
        }
        let shelf = shelf(&root.path().join("runs"));
        let run = "/runs/smoke/20261128T004844Z-1";
        assert_eq!(shelf.answer(&format!("{run}/verdict.json"), Mono(0)).status, StatusCode::OK);
        for path in [
            "/../secret",
            "/runs/../../secret",
            "/%2e%2e/secret",
            "/runs/smoke/20261128T004844Z-1/../../../../secret",
            "/runs/smoke/20261128T004844Z-1/logs/../../../../secret",
            "/runs/smoke/20261128T004844Z-1/resolved.json",
            "//etc/passwd",
            "/runs/smoke",
        ] {
            assert_eq!(shelf.answer(path, Mono(0)), Answer::none(), "{path}");
        }
    }

    #[test]
    fn a_run_that_comes_is_shown_and_one_that_ends_has_its_verdict() {
        let root = tempfile::tempdir().expect("a directory");
        let shelf = shelf(root.path());
        assert!(text(&shelf.answer("/", Mono(0))).contains("There is no run yet"));
        let stored = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories/good-last-back");
        let dir = root.path().join("primary-dies/20261128T004844Z-1");
        fs::create_dir_all(&dir).expect("made");
        for name in ["scenario.json", "resolved.json", "history.jsonl", "sightings.jsonl"] {
            fs::copy(stored.join(name), dir.join(name)).expect("copied");
        }
        assert!(text(&shelf.answer("/", Mono(SECOND))).contains("There is no run yet"), "not looked so soon");
        let first = shelf.answer("/", Mono(3 * SECOND));
        assert!(text(&first).contains(">under way<") && text(&first).contains("http-equiv=\"refresh\""));
        let page = "/runs/primary-dies/20261128T004844Z-1/report.html";
        assert!(text(&shelf.answer(page, Mono(3 * SECOND))).contains("this run is under way"));
        fs::write(dir.join("outcome.json"), "{}").expect("written");
        assert!(
            text(&shelf.answer("/", Mono(6 * SECOND))).contains("<span class=\"verdict good\">pass</span>")
        );
        assert!(!text(&shelf.answer(page, Mono(6 * SECOND))).contains("this run is under way"));
    }
}
