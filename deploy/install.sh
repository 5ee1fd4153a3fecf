#!/usr/bin/env bash
# Installs what building and running Seatlock needs on Debian and Ubuntu, says
# what it installs, and starts no system service: the packages bring services
# of their own, and those are for other people. `--check` only says what is
# missing (exit 1) and the line that installs it. `--tests` adds what only
# `./seatlock test` needs: a browser to look at the page with. `--bench` adds
# what only `./seatlock bench` needs: a web server to be measured beside.
# `--chaos` adds what only faults on lines, disks and clocks need.
set -euo pipefail

# Servers are in folders that are not on the path of an ordinary user.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

check=
tests=
bench=
chaos=
for argument in "$@"; do
  case $argument in
    --check) check=1 ;;
    --tests) tests=1 ;;
    --bench) bench=1 ;;
    --chaos) chaos=1 ;;
    *)
      echo "seatlock: install.sh knows --check, --tests, --bench and --chaos, not $argument" >&2
      exit 2
      ;;
  esac
done

have() { command -v "$1" >/dev/null 2>&1; }

# Prints the missing packages, one a line; the names of one package in other
# releases stand behind it, separated by |.
missing() {
  have etcd || echo 'etcd-server|etcd'
  { have mariadbd || have mysqld; } && { have mariadb-install-db || have mysql_install_db; } ||
    echo mariadb-server
  # Of the server's own dependencies on Debian; `backup` and `restore` run them.
  { have mariadb || have mysql; } && { have mariadb-dump || have mysqldump; } ||
    echo mariadb-client
  have redis-server || echo redis-server
  have haproxy || echo haproxy
  have prometheus || echo prometheus
  have prometheus-mysqld-exporter || have mysqld_exporter || echo prometheus-mysqld-exporter
  have prometheus-redis-exporter || have redis_exporter || echo prometheus-redis-exporter
  have prometheus-alertmanager || have alertmanager || echo prometheus-alertmanager
  have protoc || echo protobuf-compiler
  # Recommended by protobuf-compiler, not required by it; the build needs it.
  [ -e /usr/include/google/protobuf/descriptor.proto ] ||
    [ -e /usr/local/include/google/protobuf/descriptor.proto ] || echo libprotobuf-dev
  have cc || echo gcc
  [ -e /usr/include/stdlib.h ] || echo libc6-dev
  have setsid || echo util-linux
  # A performance's date is its venue's.
  [ -e /usr/share/zoneinfo/Europe/Berlin ] || echo tzdata
  [ -z "$tests" ] || missing_browser
  # `test` runs the benchmarks, too, tiny.
  [ -z "$tests$bench" ] || have nginx || echo 'nginx-light|nginx'
  [ -z "$chaos" ] || missing_harm
}

# Lines are cut with rules, disks slowed down and clocks moved from outside.
missing_harm() {
  have nft || echo nftables
  have ip || echo iproute2
  have iptables-legacy || echo iptables
  have strace || echo strace
  compgen -G '/usr/lib*/*/faketime/libfaketime.so.1' >/dev/null ||
    [ -e /usr/lib/faketime/libfaketime.so.1 ] || echo libfaketime
}

# A browser without the letters of a page draws boxes.
missing_browser() {
  have chromium || echo chromium
  have chromedriver || echo chromium-driver
  compgen -G '/usr/share/fonts/truetype/*/*.ttf' >/dev/null || echo fonts-dejavu-core
}

# The first of some names that this release knows.
known() {
  local name names
  IFS='|' read -ra names <<<"$1"
  for name in "${names[@]}"; do
    # "Candidate: (none)" is printed for names that other packages only mention.
    if apt-cache policy "$name" 2>/dev/null | grep -q 'Candidate: [^(]'; then
      echo "$name"
      return
    fi
  done
  echo "${names[0]}"
}

wanted=$(missing)
if [ -z "$wanted" ]; then
  [ -z "$check" ] || echo 'everything is installed'
  exit 0
fi
plain=$(sed 's/|.*//' <<<"$wanted" | tr '\n' ' ')
if [ -n "$check" ]; then
  echo "missing: $plain"
  echo "install with: apt-get install $plain"
  exit 1
fi
if ! have apt-get; then
  echo "seatlock: missing: $plain" >&2
  echo 'seatlock: there is no apt-get here; install these programs another way, then try again' >&2
  exit 1
fi
if have mysqld && ! have mariadbd && ! mysqld --version 2>/dev/null | grep -qi mariadb; then
  echo 'seatlock: this machine has MySQL, and MariaDB would replace it; local clusters need MariaDB' >&2
  exit 1
fi

as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! have sudo; then
    echo "seatlock: as root, please: apt-get install --no-install-recommends $plain" >&2
    exit 1
  fi
  # Without a terminal nobody can type a password: fail at once and say so.
  if [ -t 0 ]; then as_root=(sudo); else as_root=(sudo -n); fi
fi
# The array may be empty, which old bash takes for unset.
root() { ${as_root[@]+"${as_root[@]}"} "$@"; }

echo "seatlock: installing $plain" >&2
if ! root true; then
  echo "seatlock: as root, please: apt-get install --no-install-recommends $plain" >&2
  exit 1
fi

# invoke-rc.d asks this file before it starts anything. A policy that is there
# already is the machine's own and stays as it is.
policy=/usr/sbin/policy-rc.d
mark='# made by seatlock while it installs packages'
if [ -e "$policy" ] && grep -qxF "$mark" "$policy"; then
  # Left behind by an installation that was killed.
  root rm -f "$policy"
fi
if [ ! -e "$policy" ]; then
  trap 'root rm -f "$policy"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  printf '#!/bin/sh\n%s\nexit 101\n' "$mark" | root tee "$policy" >/dev/null
  root chmod 755 "$policy"
fi

# needrestart would restart services that run; --no-remove: an installation
# that had to remove something is not ours to make.
quiet=(env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 SYSTEMD_OFFLINE=1
  NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=1)
options=(-y -q --no-install-recommends --no-remove -o DPkg::Lock::Timeout=300)
root "${quiet[@]}" apt-get update -q -o DPkg::Lock::Timeout=300 >&2 </dev/null ||
  echo 'seatlock: apt-get update had faults; trying with what is known' >&2
packages=()
while read -r line; do packages+=("$(known "$line")"); done <<<"$wanted"
root "${quiet[@]}" apt-get install "${options[@]}" "${packages[@]}" >&2 </dev/null

# Nor at the next boot: only units of packages that were installed just now.
if have systemctl; then
  units=$(dpkg -L "${packages[@]}" 2>/dev/null |
    sed -n 's|.*/systemd/system/\([^/@]*\.service\)$|\1|p' | sort -u)
  for unit in $units; do
    root env SYSTEMD_OFFLINE=1 systemctl disable "$unit" >/dev/null 2>&1 </dev/null || true
  done
fi

still=$(missing | sed 's/|.*//' | tr '\n' ' ')
if [ -n "$still" ]; then
  echo "seatlock: still missing after the installation: $still" >&2
  exit 1
fi
echo 'seatlock: installed; no system service was started' >&2
