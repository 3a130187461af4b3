use super::engine::environment;
use super::*;
use minijinja::value::Value;
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::fetch::{Refusal, fetch};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::inventory::{Inventory, Machine};
use proxydhcpd_core::plan::policy::Policy;
use proxydhcpd_core::plan::profile::{BootTarget, Linux, Profile};
use proxydhcpd_core::request::{FileRequest, Protocol};
use serde_json::json;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

/// A site with one known machine, `web1`, that boots the profile `debian`.
struct TemplateSite {
    dir: tempfile::TempDir,
    plan: Plan,
    variables: TemplateVariables,
}

fn template_site(files: &[(&str, &str)]) -> TemplateSite {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let linux = Linux {
        kernel: "debian/{{ suite }}/linux".into(),
        initrds: vec!["debian/initrd.gz".into()],
        arguments: "auto=true\n  url={{ base }}preseed.cfg ip=${net0/ip}".into(),
    };
    let debian = Profile {
        name: "debian".into(),
        title: "Debian".into(),
        boots: BootTarget::Linux(linux),
        ..Profile::default()
    };
    let web1 = Machine {
        name: "web1",
        macs: &[[0x52, 0x54, 0, 0x12, 0x34, 0x56]],
        uuid: Some(0x11223344_5566_7788_99aa_bbccddeeff00_u128.to_be_bytes()),
        profile: Some("debian"),
        variables: r#"{"role": "web", "disks": ["sda", "my disk"], "nothing": null}"#,
        ..Machine::default()
    };
    let plan = Plan {
        policy: Policy { profiles: vec![debian].into(), ..Policy::default() }.into(),
        inventory: Inventory::new(&[web1], &[]),
        ..Plan::default()
    };
    let object = |value: serde_json::Value| value.as_object().unwrap().clone();
    let site = object(json!({"domain": "example.org", "suite": "trixie", "role": "none yet"}));
    let variables = TemplateVariables::new(&site, [("debian", &object(json!({"suite": "bookworm"})))]);
    TemplateSite { dir, plan, variables }
}

impl TemplateSite {
    fn change_profile(&mut self, change: impl FnOnce(&mut Profile)) {
        let mut profiles = self.plan.policy.profiles.to_vec();
        change(&mut profiles[0]);
        self.plan.policy_mut().profiles = profiles.into();
    }

    fn built(&self) -> Result<Templates, Vec<String>> {
        let mut diagnostics = Vec::new();
        let mut built = Templates::read(self.dir.path(), true, self.variables.clone(), &mut diagnostics);
        built.compile(&*self.plan.policy.profiles, TextLocations::new(), &mut diagnostics);
        if diagnostics.is_empty() {
            Ok(built)
        } else {
            Err(diagnostics.iter().map(|diagnostic| self.one_line(diagnostic)).collect())
        }
    }

    /// A diagnostic on one line, without the path of the directory.
    fn one_line(&self, diagnostic: &proxydhcpd_reading::diagnostic::Diagnostic) -> String {
        diagnostic.one_line().replace(&format!("{}/", self.dir.path().display()), "")
    }

    /// The text that the server sends for a request for this name, or the error.
    fn requested(&self, name: &str) -> Result<String, String> {
        let templates = self.built().unwrap();
        let plan = self.plan.clone().with_offer(|offer| offer.templates = templates.names().clone());
        let request = FileRequest {
            protocol: Protocol::Http(8080),
            name: name.as_bytes(),
            server: "192.0.2.10".parse().unwrap(),
            client: "192.0.2.107:1024".parse().unwrap(),
            interface: "eth0",
        };
        let fetched = fetch(&plan, &Observations::new(1), &request).answer.unwrap();
        templates
            .render_request(&plan, &fetched, &request)
            .unwrap()
            .map_err(|failure| self.one_line(&failure.diagnostic))
    }
}

/// Renders this template for `web1`.
fn web1(text: &str) -> Result<String, String> {
    template_site(&[("a.txt", text)]).requested("machine/name=web1/a.txt")
}

/// Renders this template for a machine without an entry.
fn unknown_machine(text: &str) -> Result<String, String> {
    template_site(&[("a.txt", text)]).requested("machine/mac=02-00-00-00-00-01/platform=efi/arch=x86_64/a.txt")
}

#[test]
fn text_without_expressions_is_unchanged() {
    let text = "#!ipxe\nset x ${net0/mac} && echo <a> & 'b' || exit\n%packages\n$6$salt$hash\n{ \"a\": {} }\n";
    assert_eq!(web1(text).unwrap(), text);
    assert_eq!(web1("no newline at the end").unwrap(), "no newline at the end");
}

#[test]
fn a_known_machine_has_a_name_identities_and_variables() {
    let text = "{{ machine.name }} {{ machine.mac }} {{ machine.uuid }} {{ machine.role }} {{ role }} {{ suite }} \
                {{ domain }} {{ profile.name }} {{ profile.title }} {{ base }} {{ server }} {{ done_url }}";
    assert_eq!(
        web1(text).unwrap(),
        "web1 52:54:00:12:34:56 11223344-5566-7788-99aa-bbccddeeff00 web web bookworm example.org debian Debian \
         http://192.0.2.10:8080/machine/name=web1/ 192.0.2.10 http://192.0.2.10:8080/machine/name=web1/done"
    );
}

#[test]
fn an_unknown_machine_has_the_facts_of_its_request() {
    let text = "{{ machine.mac }} {{ suite }} {{ role }} {{ request.address }} {{ request.interface }} \
                {{ request.protocol }} {{ request.arch }} {{ request.firmware }} {{ machine.name is defined }}";
    assert_eq!(
        unknown_machine(text).unwrap(),
        "02:00:00:00:00:01 trixie none yet 192.0.2.107 eth0 http uefi-x64 uefi false"
    );
    assert_eq!(Arch::from_id("uefi-x64"), Some(Arch::X64));
}

#[test]
fn a_line_with_only_a_statement_leaves_no_line() {
    let text = "a\n{% if role == 'web' %}\n  b\n{% endif %}\n  {# a comment #}\nc\n";
    assert_eq!(web1(text).unwrap(), "a\n  b\nc\n");
}

#[test]
fn an_undefined_name_is_an_error_with_location_and_suggestion() {
    assert_eq!(
        web1("one\ntwo {{ machine.rol }}\n").unwrap_err(),
        "a.txt:2:8: machine.rol is not defined (did you mean `machine.role`?)"
    );
    assert_eq!(web1("{{ sute }}").unwrap_err(), "a.txt:1:4: sute is not defined (did you mean `suite`?)");
    for text in ["{% if machine.colour %}x{% endif %}", "{{ 'a' ~ machine.colour }}", "{{ machine.colour|upper }}"] {
        assert!(web1(text).unwrap_err().contains("machine.colour is not defined"), "{text}: {:?}", web1(text));
    }
    assert!(unknown_machine("{{ machine.name }}").unwrap_err().contains("no entry in the configuration"));
    assert_eq!(web1("{{ machine.colour | default('red') }}").unwrap(), "red");
    assert!(web1("{{ nothing }}").unwrap_err().contains("none, which cannot be written"));
}

#[test]
fn filters_quote_for_shells_urls_json_and_xml() {
    for (expression, text) in [
        ("\"it's\"|sh", r"'it'\''s'"),
        ("disks|sh", "sda 'my disk'"),
        ("''|sh", "''"),
        ("7|sh", "7"),
        ("'a/b c?é'|urlencode", "a/b%20c%3F%C3%A9"),
        ("disks|tojson", r#"["sda", "my disk"]"#),
        ("'<&\"'|e", "&lt;&amp;&quot;"),
        ("true", "true"),
        ("false|sh", "false"),
    ] {
        assert_eq!(web1(&format!("{{{{ {expression} }}}}")).unwrap(), text, "{expression}");
    }
    assert!(web1("{{ nothing|sh }}").unwrap_err().contains("a none cannot be quoted"));
    assert!(web1("{{ machine|sh }}").unwrap_err().contains("a map cannot be quoted"));
}

#[test]
fn templates_include_and_extend_others_by_names_relative_to_the_directory() {
    let template_site = template_site(&[
        ("base.cfg", "head\n{% block body %}{% endblock %}"),
        ("sub/web.cfg", "{% extends 'base.cfg' %}{% block body %}{% include 'sub/part.cfg' %}{% endblock %}"),
        ("sub/part.cfg", "{% from 'lib.txt' import hello %}{{ hello(machine.role) }}\n"),
        ("lib.txt", "{% macro hello(whom) %}hello {{ whom }}{% endmacro %}"),
    ]);
    assert_eq!(template_site.requested("machine/name=web1/sub/web.cfg").unwrap(), "head\nhello web\n");
}

#[test]
fn a_failure_in_an_included_template_has_its_location_there() {
    let template_site = template_site(&[("a.txt", "{% include 'part.txt' %}"), ("part.txt", "\n\n{{ gone }}")]);
    assert!(
        template_site
            .requested("machine/name=web1/a.txt")
            .unwrap_err()
            .starts_with("part.txt:3:4: gone is not defined")
    );
}

#[test]
fn no_file_outside_of_the_directory_can_be_included() {
    let outside = tempfile::NamedTempFile::new().unwrap();
    let absolute = outside.path().display().to_string();
    for name in ["../secret", "/etc/hostname", "sub/../a.txt", "./a.txt", &absolute] {
        let failure = web1(&format!("\n{{% include '{name}' %}}")).unwrap_err();
        assert!(failure.starts_with(&format!("a.txt:2:4: there is no template {name}")), "{failure}");
    }
}

#[test]
fn a_link_that_leads_out_of_the_directory_is_an_error_and_one_inside_is_a_template() {
    let template_site = template_site(&[("a.txt", "{{ role }}")]);
    symlink("a.txt", template_site.dir.path().join("b.txt")).unwrap();
    assert_eq!(template_site.requested("machine/name=web1/b.txt").unwrap(), "web");
    symlink("/etc/hostname", template_site.dir.path().join("c.txt")).unwrap();
    let errors = template_site.built().unwrap_err();
    assert!(errors.len() == 1 && errors[0].starts_with("c.txt: ") && errors[0].contains("leads out"), "{errors:?}");
}

#[test]
fn every_syntax_error_is_reported_when_the_site_is_built() {
    let template_site =
        template_site(&[("a.txt", "one\n{% if %}\n"), ("b.txt", "{{ x|nofilter }}{{ y"), ("good.txt", "fine")]);
    std::fs::write(template_site.dir.path().join("c.bin"), b"ok\n\xff\xfe").unwrap();
    let errors = template_site.built().unwrap_err();
    assert_eq!(errors.len(), 3, "{errors:#?}");
    assert!(errors[0].starts_with("a.txt:2:") && errors[1].starts_with("b.txt:1:"), "{errors:#?}");
    assert!(errors[2].starts_with("c.bin:2:1: ") && errors[2].contains("boot directory"), "{errors:#?}");
}

#[test]
fn backups_and_repositories_are_no_templates() {
    let template_site =
        template_site(&[("a.txt", ""), ("a.txt~", "{% if"), (".a.txt.swp", "{% if"), (".git/config", "{% if")]);
    assert_eq!(template_site.built().unwrap().names().iter().collect::<Vec<_>>(), ["a.txt"]);
}

#[test]
fn a_missing_directory_is_an_error_only_if_the_operator_named_it() {
    let read = |named| {
        let mut diagnostics = Vec::new();
        let templates = Templates::read(Path::new("/nowhere"), named, TemplateVariables::default(), &mut diagnostics);
        assert!(templates.names().is_empty());
        diagnostics
    };
    assert!(read(true)[0].message.contains("cannot read the template directory"));
    assert_eq!(read(false), []);
}

/// Each of these templates would run or grow without end. The test renders them with the stack of the TFTP thread.
/// Rendering must end before other transfers time out.
#[test]
fn runaway_templates_are_stopped() {
    let deep = format!("{}x{}", "{% if true %}".repeat(140), "{% endif %}".repeat(140));
    let brackets = format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000));
    let runaways = [
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}\
             {% endfor %}",
            "too long",
        ),
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}0123456789012345678901234567890123456789{% endfor %}\
             {% endfor %}",
            "longer than",
        ),
        (
            "{% set x = namespace(t='0123456789') %}{% for a in range(99) %}{% set x.t = x.t ~ x.t %}{% endfor %}",
            "too long",
        ),
        ("{{ 'x' * 9999999999 }}", "too long"),
        ("{{ range(9999)|map('string')|join('x' * 9999)|length }}", "too long"),
        ("{% include 'a.txt' %}", "recursion"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recursion"),
        ("{% extends 'a.txt' %}", ""),
        ("{% for x in [[[1]]] recursive %}{{ loop([[x]]) }}{% endfor %}", ""),
    ];
    for (text, why) in runaways {
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        let (failure, elapsed) = thread
            .spawn(move || {
                let begin = Instant::now();
                (web1(text).unwrap_err(), begin.elapsed())
            })
            .unwrap()
            .join()
            .unwrap();
        assert!(failure.starts_with("a.txt:1:") && failure.contains(why), "{text}: {failure}");
        assert!(elapsed < Duration::from_secs(5), "{text}: {elapsed:?}");
    }
    for text in [deep, brackets] {
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        thread.spawn(move || drop(template_site(&[("a.txt", &text)]).built())).unwrap().join().unwrap();
    }
}

#[test]
fn a_long_text_is_rendered() {
    let line = "echo 0123456789012345678901234567890123456789 {{ n }} {{ machine.role }}\n";
    let text = web1(&format!("{{% for n in range(9000) %}}{line}{{% endfor %}}")).unwrap();
    assert_eq!(text.lines().count(), 9000);
}

#[test]
fn a_profiles_arguments_are_rendered_for_the_machine() {
    let script = template_site(&[]).requested("machine/name=web1/menu.ipxe").unwrap();
    let base = "http://192.0.2.10:8080/machine/name=web1/";
    let kernel = format!(
        "kernel {base}debian/bookworm/linux initrd=initrd0 auto=true url={base}preseed.cfg \
         ip=${{net0/ip}} || goto failed\n"
    );
    assert!(script.contains(&kernel), "{script}");
    assert!(script.contains(&format!("initrd --name initrd0 {base}debian/initrd.gz ||")), "{script}");
}

#[test]
fn texts_that_would_break_the_script_are_refused() {
    let with = |change: fn(&mut Linux)| {
        let mut template_site = template_site(&[]);
        template_site.change_profile(|profile| {
            let BootTarget::Linux(linux) = &mut profile.boots else { panic!() };
            change(linux);
        });
        template_site
    };
    let built = |change| with(change).built().unwrap_err().remove(0);
    let requested = |change| with(change).requested("machine/name=web1/menu.ipxe").unwrap_err();
    assert_eq!(
        built(|linux| linux.arguments = "quiet || reboot".into()),
        "[profile.debian] arguments: an iPXE script cannot contain \"||\""
    );
    assert!(built(|linux| linux.initrds[0] = "http://x/a b".into()).starts_with("[profile.debian] initrd: "));
    assert!(built(|linux| linux.kernel = "{{ x".into()).starts_with("[profile.debian] kernel:1:"));
    assert!(requested(|linux| linux.arguments = "a {{ '&&' }} b".into()).contains("cannot contain \"&&\""));
    assert!(
        requested(|linux| linux.arguments = "a\n{{ gone }}".into())
            .starts_with("[profile.debian] arguments:2:4: gone is")
    );
    assert!(requested(|linux| linux.kernel = "{{ '' }}".into()).starts_with("[profile.debian] kernel: this is empty"));
    assert!(requested(|linux| linux.arguments = "a{{ '\\u0007' }}".into()).contains("an iPXE script cannot contain"));
}

#[test]
fn a_profile_may_be_a_script_of_the_directory() {
    let mut template_site = template_site(&[("rescue", "#!ipxe\necho {{ gone }}\n")]);
    template_site.change_profile(|profile| profile.boots = BootTarget::Script("rescue".into()));
    assert!(template_site.requested("machine/name=web1/menu.ipxe").unwrap_err().starts_with("rescue:2:9: gone is"));
}

#[test]
fn a_template_name_cannot_lead_out_of_the_directory() {
    let template_site = template_site(&[("a.txt", "")]);
    let request = FileRequest {
        protocol: Protocol::Tftp,
        name: b"machine/name=web1/../a.txt",
        server: "192.0.2.10".parse().unwrap(),
        client: "192.0.2.107:1024".parse().unwrap(),
        interface: "",
    };
    let names = template_site.built().unwrap().names().clone();
    let plan = template_site.plan.with_offer(|offer| offer.templates = names);
    assert_eq!(fetch(&plan, &Observations::new(1), &request).answer, Err(Refusal::Denied));
}

#[test]
fn every_filter_and_test_refuses_an_undefined_name() {
    const FILTERS: &str = "safe escape e lower upper title length count items trim join split lines round abs int \
        float attr first last min max sort list string bool batch slice sum select reject map unique chain zip \
        format urlencode sh capitalize replace dictsort reverse pprint tojson indent selectattr rejectattr groupby";
    const USES: [&str; 12] = [
        "{{ nme | F }}",
        "{{ nme | F(1) }}",
        "{{ [nme] | F }}",
        "{{ [nme] | F(1) }}",
        "{{ [[nme]] | F }}",
        "{{ {'a': nme} | F }}",
        "{{ 'a' | F(nme) }}",
        "{{ [1] | F(nme) }}",
        "{{ 1 | F(nme) }}",
        "{{ 'a' | F(1, nme) }}",
        "{{ 'a' | F('b', nme) }}",
        "{{ (role if false) | F }}",
    ];
    let others = [
        "{{ [nme] }}",
        "{{ dict(a=nme) }}",
        "{{ machine.nme | tojson }}",
        "{{ [machine.packges] | join(' ') }}",
        "{% set x = nme %}{{ x | tojson }}",
        "{% macro m(a) %}{{ a | tojson }}{% endmacro %}{{ m() }}",
        "{{ [{'n': 1}] | map(attribute='m') | join }}",
        "{{ nme is odd }}",
        "{{ nme is none }}",
        "{{ nme is string }}",
        "{{ 'x' is eq(nme) }}",
        "{{ 'x' == nme }}",
    ];
    let uses = FILTERS.split_whitespace().flat_map(|filter| USES.map(|text| text.replace('F', filter)));
    let environment = environment();
    let context = json!({"machine": {"name": "web1"}, "role": "web"});
    for text in uses.chain(others.map(String::from)) {
        let rendered = environment.render_str(&text, Value::from(minijinja::value::Serde(&context)));
        assert!(rendered.is_err(), "{text} became {rendered:?}");
    }
    for (text, rendered) in [
        ("{{ nme | default('x') }}{{ nme | d('y') | tojson }}", "x\"y\""),
        ("{{ [nme | default('x'), role] | tojson }}", "[\"x\", \"web\"]"),
        ("{% if nme is defined %}a{% elif nme is undefined %}b{% endif %}", "b"),
        ("{{ {'a': [1, none]} | tojson }}{{ [1, 2] | length }}", "{\"a\": [1, null]}2"),
        ("{{ role is eq('web') }}{{ 'we' in role }}{{ 3 is divisibleby(3) }}", "truetruetrue"),
    ] {
        assert_eq!(
            environment.render_str(text, Value::from(minijinja::value::Serde(&context))).unwrap(),
            rendered,
            "{text}"
        );
    }
}

#[test]
fn an_undefined_argument_of_a_filter_is_reported_with_its_location() {
    let template_site = template_site(&[("keys.json", "{\n  \"keys\": {{ [admn_key] | tojson }}\n}\n")]);
    let message = template_site.requested("keys.json").unwrap_err();
    let help = "if it may be absent: `{{ admn_key | default(\"...\") }}`";
    assert_eq!(message, format!("keys.json:2:27: admn_key is not defined ({help})"));
}

#[test]
fn unknown_filters_tests_and_functions_are_reported_when_the_site_is_built() {
    let template_site = template_site(&[
        ("a.txt", "one {{ suite | tojsn }}\n{% if suite is strng %}{{ rnge(3) }}{% endif %}\n"),
        ("b.txt", "{% block b %}{{ [1] | map('upper') | join | nofilter }}{% endblock %}"),
        ("c.txt", "{% macro m(a) %}{{ a }}{{ range(2) | list }}{% endmacro %}{{ m(1) }}{% include 'd.txt' %}"),
        ("d.txt", "{{ m(2) }}{{ dict(a=1) }}{{ role | default('x') | replace('a', 'b') | sh | urlencode }}"),
    ]);
    assert_eq!(
        template_site.built().map(drop).unwrap_err(),
        [
            "a.txt:1:16: there is no filter `tojsn` (did you mean `tojson`?)",
            "a.txt:2:16: there is no test `strng` (did you mean `string`?)",
            "a.txt:2:27: there is no function `rnge` (did you mean `range`?)",
            "b.txt:1:45: there is no filter `nofilter`",
        ]
    );
}
