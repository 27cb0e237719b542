# Sourced by ./apus and ./check: finds Swift, and installs what the build needs with the system's package manager.
# It says what it installs, and never asks.

# One row a need: what it is for; a file that shows it is there (several, separated by spaces; one is enough); its
# package for apt, dnf and brew ("-" where the system always has it).
needs=(
    "oneDNN (dense algebra)|dnnl.h oneapi/dnnl/dnnl.h|libdnnl-dev|onednn-devel|onednn"
    "libarchive (compressed data)|archive.h|libarchive-dev|libarchive-devel|libarchive"
    "cairo (pictures)|cairo/cairo.h|libcairo2-dev|cairo-devel|cairo"
    "libjpeg (JPEG images)|jpeglib.h|libjpeg-dev|libjpeg-turbo-devel|jpeg-turbo"
    "OpenSSL (checksums)|openssl/evp.h|libssl-dev|openssl-devel|openssl@3"
    "a font (text in pictures)|FONT|fonts-dejavu-core|dejavu-sans-fonts|-"
    "pkg-config (tells Swift where libraries are)|COMMAND pkg-config|pkg-config|pkgconf-pkg-config|pkgconf"
)

# The program that speaks; each that sources this file says its own.
speaker=${speaker:-apus set-up}
say() { printf '%s: %s\n' "$speaker" "$*" >&2; }
fail() {
    say "$@"
    exit 1
}

# Sets `swift` to a compiler of version 6 or newer.
find_swift() {
    local candidate found="" version
    for candidate in "$(command -v swift || true)" "$HOME/.local/share/swiftly/bin/swift" /opt/swift/usr/bin/swift \
        /usr/libexec/swift/bin/swift /usr/lib/swift/bin/swift; do
        [ -n "$candidate" ] && [ -x "$candidate" ] || continue
        version=$("$candidate" --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9.]*\).*/\1/p' | head -n 1)
        if [ -n "$version" ] && [ "${version%%.*}" -ge 6 ]; then
            swift=$candidate
            return
        fi
        found="${found:+$found, }$candidate is version ${version:-unknown}"
    done
    say "Swift 6.0 or newer is needed${found:+ ($found)}, and the system's package manager may not have it."
    say "Get it from https://www.swift.org/install (for Linux: the swiftly installer there, then 'swiftly install latest'),"
    fail "open a new shell so that 'swift' is found, and start this command again."
}

# Whether a need of the table is met; $1 is its second column.
is_met() {
    local file folder
    case $1 in
    FONT)
        [ "$(uname)" = Darwin ] && return 0
        for folder in /usr/share/fonts /usr/local/share/fonts "$HOME/.fonts" "$HOME/.local/share/fonts"; do
            [ -d "$folder" ] && [ -n "$(find -L "$folder" \( -name '*.ttf' -o -name '*.otf' \) -print 2>/dev/null |
                head -n 1)" ] && return 0
        done
        return 1
        ;;
    COMMAND\ *)
        command -v "${1#COMMAND }" >/dev/null
        return
        ;;
    esac
    for file in $1; do
        for folder in /usr/include /usr/local/include /opt/homebrew/include /usr/include/"$(uname -m)"-linux-gnu \
            ${CPATH:+${CPATH//:/ }} ${C_INCLUDE_PATH:+${C_INCLUDE_PATH//:/ }}; do
            [ -e "$folder/$file" ] && return 0
        done
    done
    # Homebrew keeps OpenSSL and libarchive out of the common folder.
    if command -v brew >/dev/null; then
        for folder in "$(brew --prefix)"/opt/*/include; do
            for file in $1; do [ -e "$folder/$file" ] && return 0; done
        done
    fi
    return 1
}

# Runs a command of the package manager with the rights it needs, and fails with what is to be done by hand.
as_administrator() {
    local command=("$@")
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            fail "this needs an administrator: run '$*' as root, then start this command again."
        fi
        # Without a terminal nobody can type a password.
        if [ -t 0 ]; then command=(sudo "$@"); else command=(sudo -n "$@"); fi
    fi
    say "running: ${command[*]}"
    "${command[@]}" >&2 || fail "that failed. Run it by hand, see what it says, then start this command again."
}

# Installs those of the table that are missing.
install_needs() {
    local row purpose probe apt dnf brew purposes="" missing_apt=() missing_dnf=() missing_brew=()
    for row in "${needs[@]}"; do
        IFS='|' read -r purpose probe apt dnf brew <<<"$row"
        is_met "$probe" && continue
        purposes="${purposes:+$purposes, }$purpose"
        missing_apt+=("$apt")
        missing_dnf+=("$dnf")
        [ "$brew" = - ] || missing_brew+=("$brew")
    done
    [ -n "$purposes" ] || return 0
    say "missing: $purposes."
    if command -v apt-get >/dev/null; then
        say "installing with apt-get: ${missing_apt[*]}"
        # A fresh machine or image has no package lists.
        if ! apt-cache show "${missing_apt[@]}" >/dev/null 2>&1; then as_administrator apt-get update -q; fi
        as_administrator env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
            "${missing_apt[@]}"
    elif command -v dnf >/dev/null; then
        say "installing with dnf: ${missing_dnf[*]}"
        as_administrator dnf install -q -y "${missing_dnf[@]}"
    elif command -v brew >/dev/null; then
        say "installing with brew: ${missing_brew[*]}"
        say "running: brew install ${missing_brew[*]}"
        brew install "${missing_brew[@]}" >&2 || fail "that failed. Run it by hand, then start this command again."
    else
        fail "no apt-get, dnf or brew here: install the development packages of these by hand, then start this again."
    fi
    for row in "${needs[@]}"; do
        IFS='|' read -r purpose probe apt dnf brew <<<"$row"
        is_met "$probe" || fail "$purpose is still missing after the installation. Install it by hand."
    done
}

set_up() {
    find_swift
    install_needs
}
