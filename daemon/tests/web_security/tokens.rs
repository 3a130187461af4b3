//! The rights of programs with a token.

use crate::page::{OPEN, PASSWORD, Page};
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_token_permits_what_its_scope_says() {
    let page = Page::start(OPEN);
    let [read, boot, write] = ["read", "boot", "write"].map(|scope| page.token(scope, scope));
    for token in [&read, &boot, &write] {
        let reply = page.get("/api/v1/status", token);
        assert_eq!((reply.status, reply.header("set-cookie")), (200, None));
        assert!(page.get("/metrics", token).body.contains("proxydhcpd_replies_total"));
        // No token changes who may use the page.
        for (method, target) in [
            ("GET", "/api/v1/web"),
            ("GET", "/api/v1/web/tokens"),
            ("POST", "/api/v1/web/tokens"),
            ("DELETE", "/api/v1/web/tokens/read"),
            ("POST", "/api/v1/web/link"),
            ("PUT", "/api/v1/web/password"),
            ("POST", "/api/v1/web/open"),
        ] {
            let json = format!("Content-Type: application/json\r\n{token}");
            let reply = page.request(method, target, &json, "{\"name\":\"more\",\"scope\":\"write\"}");
            assert_eq!(reply.status, 403, "{method} {target}");
            assert!(reply.body.contains("\"problem\"") && reply.body.contains("\"cure\""), "{}", reply.body);
        }
        // A token neither begins a session nor needs an origin.
        let login = page.request("POST", "/login", token, "password=x");
        assert_eq!((login.status, login.header("set-cookie")), (400, None));
    }
    // A method that changes something needs more than `read`, whether the resource exists or not.
    for target in ["/api/v1/status", "/"] {
        let statuses = [&read, &boot, &write].map(|token| page.request("POST", target, token, "").status);
        assert_eq!(statuses, [403, 405, 405], "{target}");
    }
}

#[test]
fn a_wrong_or_removed_token_permits_nothing() {
    let page = Page::start(OPEN);
    let cookie = page.log_in();
    let token = page.token("ci", "write");
    for wrong in
        ["Authorization: Bearer \r\n", "Authorization: Bearer 00\r\n", &format!("{token}Authorization: Bearer 00\r\n")]
    {
        for target in ["/api/v1/status", "/metrics"] {
            let reply = page.get(target, &format!("{wrong}{cookie}"));
            assert_eq!(reply.status, 401, "{target} {wrong}");
            assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer"));
        }
    }
    let file = page.server.directory.path().join("state/web-tokens.toml");
    let stored = fs::read_to_string(&file).unwrap();
    let hash = stored.lines().find_map(|line| line.strip_prefix("hash = ")).unwrap().trim_matches('"');
    assert_eq!(page.get("/api/v1/status", &format!("Authorization: Bearer {hash}\r\n")).status, 401);
    assert!(page.command(&["web", "token", "remove", "ci"]).status.success());
    assert_eq!(page.get("/api/v1/status", &token).status, 401);
    let missing = page.command(&["web", "token", "remove", "ci"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("no token with this name"));
    // A browser's session may manage tokens, with the checks against other sites.
    let json = format!("Content-Type: application/json\r\n{cookie}");
    let body = "{\"name\":\"page\",\"scope\":\"boot\"}";
    assert_eq!(page.request("POST", "/api/v1/web/tokens", &json, body).status, 403);
    let own = format!("{json}Sec-Fetch-Site: same-origin\r\n");
    assert_eq!(page.request("POST", "/api/v1/web/tokens", &own, body).status, 201);
    assert_eq!(page.request("PUT", "/api/v1/web/password", &own, "{\"password\":\"stolen session\"}").status, 403);
    let listed = String::from_utf8(page.command(&["web", "token", "list"]).stdout).unwrap();
    assert!(listed.starts_with("page  boot   since 20"), "{listed}");
}

#[test]
fn secrets_stand_in_no_log_no_event_and_only_as_hashes_in_files() {
    let page = Page::start(OPEN);
    let mut watch = page.client(&["watch", "--json"]);
    let output = page.server.directory.path().join("watch");
    watch.stdout(fs::File::create(&output).unwrap());
    let mut watch = watch.spawn().unwrap();
    let link = page.link();
    let cookie = page.log_in();
    let token = page.token("ci", "read");
    page.get("/", &cookie);
    page.get("/api/v1/status", &token);
    page.post_form("/login", "", "password=almost+the+password");
    let made = page.command(&["web", "link"]);
    let made = String::from_utf8(made.stdout).unwrap();
    page.server.wait_for_line("a command made a link");
    let made = made.lines().find_map(|line| line.split_once("/start/")).unwrap().1.to_owned();
    watch.kill().unwrap();
    watch.wait().unwrap();
    let secret = |header: &str, before: &str| header.trim_end().rsplit_once(before).unwrap().1.to_owned();
    let secrets =
        [secret(&cookie, "="), secret(&token, " "), made, PASSWORD.to_owned(), "almost the password".to_owned()];
    let (log, events) = (page.server.log(), fs::read_to_string(output).unwrap());
    let state = page.server.directory.path().join("state");
    let files = fs::read_dir(&state).unwrap().map(|file| file.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("web-")).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()) && !events.contains(secret.as_str()), "{secret}");
        for file in &files {
            assert!(!fs::read_to_string(file).unwrap().contains(secret.as_str()), "{secret} {file:?}");
        }
    }
    assert!(!events.contains(secret(&link, "/").as_str()));
    for file in &files {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}
