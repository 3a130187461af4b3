//! Compares the INI parser with Python's ConfigParser, which the Python daemon used for proxy.ini: both must accept the
//! same files, and every key must have the same value.

use proxydhcpd_reading::diagnostic::Source;
use proxydhcpd_reading::ini;
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

/// Files, each of which tests one rule.
const RULES: &[&str] = &[
    "",
    "\n\n; only a comment\n# and another\n",
    "key = before any section\n",
    "[proxy]\n",
    "[proxy]\na=1\nb:2\nc = 3\nd : 4\n",
    "[proxy]\nUPPER = Kept As Is\nÜBER=x\nİ=dotted\n",
    "[proxy]\nurl = http://h:8080/a?b=c#d ; e\n",
    "[proxy]\nurl: tftp://[fe80::1]/x\n",
    "[proxy]\nquoted = \"a\" 'b'\n",
    "[proxy]\nempty =\nempty2:\n",
    "[proxy]\nno_delimiter\n",
    "[proxy]\n= no key\n",
    "[proxy]\n: no key\n",
    "[proxy]\na = 1\n  2\n\t3\n",
    "[proxy]\na = 1\n\n  2\n\n\nb = 3\n",
    "[proxy]\na = 1\n; comment\n  2\n  # comment\n  3\n",
    "[proxy]\na =\n  1\n",
    "[proxy]\n  a = 1\n  b = 2\n   c = 3\n b2 = 4\n",
    "  [proxy]\n  a = 1\n [ipxe]\n",
    "[proxy]\na = 1\n  [ipxe]\n",
    "[proxy]\na = 1\n  b = 2\n",
    "[proxy]\n  continues nothing\n",
    "[proxy]\na = 1\nA = 2\n",
    "[proxy]\n[proxy]\n",
    "[proxy]\na=1\n[ipxe]\na=2\n",
    "[DEFAULT]\na=1\n[proxy]\nb=2\n[ipxe]\na=3\n",
    "[proxy]\nb=2\n[DEFAULT]\na=1\n[DEFAULT]\nc=1\n",
    "[DEFAULT]\na=1\n[DEFAULT]\na=2\n",
    "[default]\na=1\n[proxy]\nb=2\n",
    "[proxy] rest of line\na=1\n",
    "[a]b]\nx=1\n[]\n",
    "[]\n",
    "[ ]\nx=1\n",
    "[proxy\na=1\n",
    "[proxy=x]\na=1\n",
    "[proxy]\n[half = 1\n",
    "[proxy]\na = %(b)s\nb = %(c)s%%\nc = deep\n",
    "[proxy]\na = 50%\n",
    "[proxy]\na = 50% off\n",
    "[proxy]\na = %(nothing)s\n",
    "[proxy]\na = %(b\nb = 1\n",
    "[proxy]\na = %(b)d\nb = 1\n",
    "[proxy]\na = %()s\n",
    "[proxy]\na = %(B)s %(b )s\nb = 1\n",
    "[proxy]\na = %(b)s\nb = %(a)s\n",
    "[proxy]\na = %(a)s\n",
    "[DEFAULT]\na = %(b)s\n[proxy]\nb = 1\n[ipxe]\nb = 2\n",
    "[DEFAULT]\na = %(b)s\nb = 0\n[proxy]\nb = 1\n[ipxe]\n",
    "[proxy]\nk0=%(k1)s\nk1=%(k2)s\nk2=%(k3)s\nk3=%(k4)s\nk4=%(k5)s\nk5=%(k6)s\nk6=%(k7)s\nk7=%(k8)s\nk8=%(k9)s\nk9=end\n",
    "[proxy]\nk0=%(k1)s\nk1=%(k2)s\nk2=%(k3)s\nk3=%(k4)s\nk4=%(k5)s\nk5=%(k6)s\nk6=%(k7)s\nk7=%(k8)s\nk8=%(k9)s\nk9=%(ka)s\nka=end\n",
    "[proxy]\nk0=%(k1)s\nk1=%(k2)s\nk2=%(k3)s\nk3=%(k4)s\nk4=%(k5)s\nk5=%(k6)s\nk6=%(k7)s\nk7=%(k8)s\nk8=%(k9)s\nk9=%(ka)s\nka=%%\n",
    "[proxy]\r\na = 1\r\n  2\r\nb = 3\r\n",
    "[proxy]\ra = 1\rb = 2",
    "[proxy]\na = 1\u{b}b = 2\u{c}\u{1c}\u{85}\n",
    "[proxy]\n\u{a0}a\u{a0}=\u{a0}1\u{3000}\n\u{2003}b = 2\n",
    "[proxy]\na = 1\n\u{2003}\u{2003}b = 2\n",
    "[proxy]\na = x\0y\n",
    "[proxy]\na = 1\n#\n;\n  #x\n\tb;c = 2\n",
    // The file that the Python daemon 0.3.2 ships.
    "; None of these are optional\n[proxy]\nlisten_address=192.0.2.20\ntftpd=192.0.2.20\n#interface=\nfilename=ipxe-snponly-x86_64.efi\n\
     vendor_specific_information=\"proxyDHCPd\"\n\n[ipxe]\nenabled=true\nlegacy_bootstrap=undionly.kpxe\nchainload_url=boot.ipxe\n",
];

#[test]
fn every_rule_is_the_same_as_in_python() {
    compare(RULES.iter().map(|text| (*text).to_owned()).collect());
}

/// The random files consist of pieces that the rules concern. The seed is fixed, so a failure is reproducible.
#[test]
fn random_files_have_the_same_values_as_in_python() {
    const PIECES: &[&str] = &[
        "\n",
        "\n",
        "\n",
        "\n",
        "\r\n",
        "\r",
        " ",
        "  ",
        "\t",
        "=",
        ":",
        " = ",
        "[proxy]\n",
        "[ipxe]\n",
        "[DEFAULT]\n",
        "[",
        "]",
        "a",
        "b",
        "A",
        "c",
        "key",
        ";",
        "#",
        "%",
        "%%",
        "%(a)s",
        "%(b)s",
        "%(",
        ")s",
        "\"",
        "\u{a0}",
        "\u{1d}",
        "é",
        "a = 1\n",
        "b: %(a)s\n",
        "  more\n",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % below
    };
    let mut file = |_| {
        let start = ["[proxy]\n", "[proxy]\n", "[DEFAULT]\n", ""][random(4)];
        let length = random(24);
        (0..length).fold(start.to_owned(), |text, _| text + PIECES[random(PIECES.len())])
    };
    compare((0..20_000).map(&mut file).collect());
}

fn compare(files: Vec<String>) {
    let python = python(&files);
    assert_eq!(python.len(), files.len());
    let accepted = python.iter().filter(|read| !read.is_null()).count();
    assert!(accepted > files.len() / 20 && accepted < files.len(), "{accepted} of {} files accepted", files.len());
    for (text, python) in files.iter().zip(python) {
        assert_eq!(parsed(text), python, "(left: this parser, right: Python) of\n{text}\n{text:?}");
    }
}

/// Returns the sections with their keys and values. An item is null if its value cannot be expanded. The result is null
/// if the parser rejects the file.
fn parsed(text: &str) -> Value {
    let source = Source::new("t.ini", text.into()).expect("UTF-8");
    let Ok(ini) = ini::parse(&source) else { return Value::Null };
    let section = |section| {
        let mut items: Vec<_> =
            ini.items(section, &source).into_iter().map(|item| item.ok().map(|item| (item.key, item.value))).collect();
        items.sort();
        json!([section.name, items])
    };
    ini.sections.iter().map(section).collect()
}

const PYTHON: &str = r#"
import configparser, io, json, sys
def items(parser, section):
    def item(key):
        try:
            return [key, parser.get(section, key)]
        except configparser.InterpolationError:
            return None
    keys = [item(key) for key in parser.options(section)]
    return [section, sorted(keys, key=lambda item: item or [])]
def read(text):
    parser = configparser.ConfigParser()
    try:
        parser.read_file(io.TextIOWrapper(io.BytesIO(text.encode()), encoding='utf-8'))
    except configparser.Error:
        return None
    return [items(parser, section) for section in parser.sections()]
json.dump([read(text) for text in json.load(sys.stdin)], sys.stdout)
"#;

fn python(files: &[String]) -> Vec<Value> {
    let mut python = Command::new("python3")
        .args(["-I", "-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs python3: apt-get install python3");
    let input = serde_json::to_vec(files).expect("strings");
    let mut stdin = python.stdin.take().expect("piped");
    // Python reads all of its input before it writes any output, so this cannot block.
    stdin.write_all(&input).expect("python3 reads");
    drop(stdin);
    let output = python.wait_with_output().expect("python3 ends");
    assert!(output.status.success(), "python3: {}", output.status);
    serde_json::from_slice(&output.stdout).expect("JSON from python3")
}
