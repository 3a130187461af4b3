//! The path of the page that is being written, for its forms, which lead back to it.

use super::local_path::local_path;
use std::future::Future;
use tokio::task_local;

task_local! {
    static PATH: String;
}

/// Runs this, which may write the page with this path.
pub async fn mark<F: Future>(path: String, work: F) -> F::Output {
    PATH.scope(path, work).await
}

/// The path of the page that is being written, without the notice that it shows.
pub fn path() -> String {
    let path = PATH.try_with(String::clone).unwrap_or_default();
    // A row of the board is no page.
    if path.starts_with("/board/") { "/".to_owned() } else { without_notice(local_path(&path)) }
}

/// The path without the notice of an earlier action.
pub fn without_notice(path: &str) -> String {
    let Some((path, query)) = path.split_once('?') else { return path.to_owned() };
    let kept: Vec<&str> = query.split('&').filter(|part| !part.starts_with("notice=") && !part.is_empty()).collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_one_notice() {
        assert_eq!(without_notice("/?failed=true&notice=00&offset=100"), "/?failed=true&offset=100");
        assert_eq!(without_notice("/machines/web1?notice=00"), "/machines/web1");
        assert_eq!(without_notice("/"), "/");
    }
}
