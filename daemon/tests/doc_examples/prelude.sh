# What the commands of the pages are for the reader of a test.
set -eu

# A command that runs until ^C: after three seconds it still runs, and ^C ends it.
until_interrupted() {
    local status=0
    timeout --signal=INT --kill-after=10 3 "$@" || status=$?
    [ "$status" = 124 ]
}

# $FLAGS has the paths of the reader's configuration, boot directory and state.
proxydhcpd() {
    case "$*" in
        import* | *.toml) "$PROXYDHCPD" "$@" ;;
        # A network for tests has faults, which these report with status 1.
        doctor* | probe*) "$PROXYDHCPD" $FLAGS "$@" || [ $? = 1 ] ;;
        watch*) until_interrupted "$PROXYDHCPD" $FLAGS "$@" ;;
        "web open"* | menu-password*) "$PROXYDHCPD" $FLAGS "$@" <<<"the password of a reader" ;;
        *) "$PROXYDHCPD" $FLAGS "$@" ;;
    esac
}

curl() {
    case "$*" in
        *--no-buffer*) until_interrupted "$(type -P curl)" --fail --silent --show-error "$@" ;;
        *) command curl --fail --silent --show-error --max-time 20 "$@" ;;
    esac
}

tcpdump() { until_interrupted "$(type -P tcpdump)" "$@"; }

# An empty journal: this host has none, or that of other programs.
journalctl() { command journalctl --no-pager --directory="$JOURNAL" "$@"; }

# The tests of e2e run systemd. Here, only the words must be right.
systemctl() {
    case "$*" in
        "enable --now proxydhcpd" | "disable --now proxydhcpd" | "restart proxydhcpd") ;;
        *) return 1 ;;
    esac
}

# The users of this host stay as they are.
useradd() { command useradd --prefix "$PWD/users" "$@"; }
usermod() { command usermod --prefix "$PWD/users" "$@"; }

grub-mkimage() { "$GRUB_TOOLS/grub-mkimage" -d "$GRUB_TOOLS/x86_64-efi" "$@"; }
