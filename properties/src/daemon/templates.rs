//! A text with any expressions is compiled and rendered, or refused with a location in it; neither takes long, and the
//! result is bounded and breaks no script around it.

use crate::located::assert_shown;
use crate::seeds;
use proxydhcpd::templates::{Templates, TextLocations};
use proxydhcpd_core::fetch::fetch;
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::inventory::{Inventory, Machine};
use proxydhcpd_core::plan::profile::{BootTarget, Linux, Profile};
use proxydhcpd_core::request::{FileRequest, Protocol};
use std::thread;
use std::time::{Duration, Instant};

/// The maximum length of a rendered text, with the script around it.
const MAX_TEXT: usize = (1 << 20) + 4096;
/// The stack of the threads that render.
const STACK: usize = 2 << 20;
/// Rendering takes a tenth of a second on an idle machine with an optimised program.
const MAX_TIME: Duration = Duration::from_secs(5);

/// The variables of the machine.
const VARIABLES: &str =
    r#"{"role": "web", "disks": ["sda", "my disk"], "nothing": null, "size": 3, "a": {"b": [1.5, true]}}"#;

/// Reads the input as the arguments of a kernel.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let rendered = thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || render(text));
        thread.expect("a thread").join()
    });
    rendered.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

fn render(text: &str) {
    let begin = Instant::now();
    let plan = plan(text);
    let (mut templates, mut diagnostics) = (Templates::default(), Vec::new());
    templates.compile(&*plan.policy.profiles, TextLocations::new(), &mut diagnostics);
    diagnostics.iter().for_each(assert_shown);
    let request = FileRequest {
        protocol: Protocol::Http(8080),
        name: b"machine/name=web1/menu.ipxe",
        server: [192, 0, 2, 10].into(),
        client: ([192, 0, 2, 107], 1024).into(),
        interface: "eth0",
    };
    let fetched = fetch(&plan, &Observations::new(1), &request).answer.expect("the script of a profile");
    let result = templates.render_request(&plan, &fetched, &request).expect("a profile with a kernel");
    assert!(begin.elapsed() < MAX_TIME, "{:?}", begin.elapsed());
    match result {
        Err(failure) => assert_shown(&failure.diagnostic),
        Ok(script) => {
            assert!(script.len() <= MAX_TEXT, "{} octets", script.len());
            let kernel = script.lines().find(|line| line.starts_with("kernel ")).expect("a kernel");
            let words = kernel.split(' ').take_while(|word| *word != "||");
            assert!(words.clone().all(|word| word != "&&" && !word.contains(char::is_control)), "{kernel:?}");
            // The arguments end before the operator of the script itself, which is the last of the line.
            assert_eq!(kernel.matches(" || ").count(), 1, "{kernel:?}");
            assert!(diagnostics.is_empty() || !text.contains("{{"), "rendered in spite of {diagnostics:?}");
        }
    }
}

fn plan(arguments: &str) -> Plan {
    let linux = Linux { kernel: "debian/linux".into(), initrds: Vec::new(), arguments: arguments.into() };
    let debian = Profile { name: "debian".into(), boots: BootTarget::Linux(linux), ..Profile::default() };
    let web1 = Machine {
        name: "web1",
        macs: &[[0x52, 0x54, 0, 0x12, 0x34, 0x56]],
        profile: Some("debian"),
        variables: VARIABLES,
        ..Machine::default()
    };
    let plan = Plan::default().with_policy(|policy| policy.profiles = vec![debian].into());
    let plan = plan.with_offer(|offer| offer.http = Some(8080));
    Plan { inventory: Inventory::new(&[web1], &[]), ..plan }
}

/// The templates of the pages, and texts that would take too long.
pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "auto=true url={{ base }}preseed.cfg ip=${net0/ip} {{ machine.name }} {{ role | upper }}",
        "{% for disk in disks %}{{ disk | shell }},{% endfor %} {{ a.b[0] }} {{ nothing is none }} {{ request.arch }}",
        "{% if role == 'web' and size > 2 %}a{% else %}b{% endif %}{{ unknown | default('x') }}{# no #}",
        "{% macro m(n) %}{{ n }}{% if n %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(100) }}",
        "{% for a in range(9999) %}{% for b in range(9999) %}{{ a * b }}{% endfor %}{% endfor %}",
        "{% set x = 'a' * 1000 %}{{ x ~ x }}{{ x | length }} {{ [1, 2] | map('string') | join('-') | urlencode }}",
        "{{ role | indent(99999999) }}{{ 'a' | batch(3) }}{{ a | tojson }} {{ done_url }} || x && y",
        "{% raw %}{{ x }}{% endraw %}{{ undefined }} {{ 1 // 0 }} {{ 9223372036854775807 + 1 }}",
    ];
    texts.into_iter().map(|text| text.into()).chain(seeds::documented("jinja")).collect()
}
