# shellcheck shell=bash
# The office: who is there, how they are cabled, and how a scene talks about them.
# Sourced by record.sh inside its private namespaces. Wants OUT (where captures go) and WORK.
#
#   staff network 192.168.40.0/24 (bridge br40) --+
#                                                router --- "outside": 203.0.113.0/24, 198.51.100.0/24,
#   building network 192.168.50.0/24 (br50) ------+                    2001:db8:ff::/64
#
# The bridges stand in one namespace, `switch`, where the captures are taken: a bridge in
# promiscuous mode shows each frame that it forwards once, as a SPAN port of one VLAN does.

RECORD=$here/record
CERTIFICATE=/run/device.pem # in the private /run
DOMAIN=office.example

# name | network | MAC (OUI of a real vendor) | host part | DHCP client | DHCP host name | vendor class
DEVICES='
laptop      40 98:e7:43:5c:0a:11 101 dhclient LT-MUELLER          MSFT_5.0
laptop2     40 c8:f7:50:21:7e:02 102 dhclient LT-ROSSI            MSFT_5.0
phone       40 80:5e:c0:1f:30:41  41 udhcpc   SIP-T46S            yealink
phone2      40 c0:74:ad:0b:77:42  42 udhcpc   gxp2170             Grandstream_GXP2170
panel       40 00:10:7f:5a:0c:51  51 udhcpc   TSW-1060-00107F5A0C51 Crestron
panel2      40 cc:d3:9d:1a:42:52  52 udhcpc   evoko-liso-1a4252   -
meeting     40 c0:28:8d:66:10:53  53 udhcpc   RallyBar-661053     android-dhcp-10
nas         40 00:11:32:9d:4e:61  61 udhcpc   DiskStation         synology
facility    50 98:e7:43:77:b0:12  12 dhclient LT-FACILITY         MSFT_5.0
printer     50 f8:0d:ac:3a:1b:21  21 udhcpc   HPF80DAC3A1B21      Hewlett-Packard_JetDirect
printer2    50 00:1b:a9:e2:c7:22  22 udhcpc   BRN001BA9E2C722     -
printer3    50 00:17:c8:5c:8d:23  23 udhcpc   KM5C8D23            Kyocera_Printer
camera      50 b8:a4:4f:0c:91:31  31 udhcpc   axis-b8a44f0c9131   -
camera2     50 44:47:cc:d1:05:32  32 udhcpc   HIKVISION-DS2CD     udhcp_1.24.1
door        50 7c:1e:b3:04:2f:71  71 udhcpc   2NAccessUnit-042f71 2N_Access_Unit
door2       50 70:b3:d5:1a:b1:72  72 udhcpc   acs-ctl-72          -
'
ROUTER_MAC_40=00:a0:57:10:40:01 ROUTER_MAC_50=00:a0:57:10:50:01 ROUTER_MAC_OUT=00:a0:57:10:99:01
OUTSIDE_MAC=00:00:5e:00:53:01

# Servers outside (documentation networks, RFC 5737 and RFC 3849).
UPDATE_SERVER=203.0.113.10 TELEMETRY_SERVER=203.0.113.11 UNKNOWN_SERVER=203.0.113.77
CLOUD_SERVER=203.0.113.30 FOREIGN_RESOLVER=198.51.100.53
OUTSIDE_V6=2001:db8:ff::10 STAFF_V6=fd5a:1040:40
NAS_V6=$STAFF_V6:0:211:32ff:fe9d:4e61 # what SLAAC makes of its MAC

# ---- running things ------------------------------------------------------------------------

SERVICES=() CAPTURES=() CAPTURE_FILES=()

# at HOST COMMAND...: runs a command as this host: its network, its resolver, nothing else of the
# environment.
at() { local host=$1; shift; "$RECORD/enter" "$WORK" "$host" "$@"; }

# serve HOST COMMAND...: the same in the background, until the scene ends.
serve() {
    local host=$1
    shift
    "$RECORD/enter" "$WORK" "$host" "$@" </dev/null >>"$WORK/log/$host-$(basename "$1")" 2>&1 &
    SERVICES+=($!)
}

stop_services() {
    local pid
    for pid in ${SERVICES[@]+"${SERVICES[@]}"}; do kill "$pid" 2>/dev/null || true; done
    for pid in ${SERVICES[@]+"${SERVICES[@]}"}; do wait "$pid" 2>/dev/null || true; done
    SERVICES=()
}

# listening HOST PORT: waits (at most 5 s) until something on this host takes connections there.
listening() {
    local try
    for try in $(seq 50); do
        at "$1" ss -Hltn "sport = :$2" | grep -q . && return
        sleep 0.1
    done
    echo "nothing listens on $1 port $2 after $try tries" >&2
    return 1
}

# has_address HOST: waits (at most 5 s) until the host has an IPv4 address.
has_address() {
    local try
    for try in $(seq 50); do
        ! ip -n "$1" -4 addr show dev eth0 | grep -q inet || return 0
        sleep 0.1
    done
    echo "$1 got no address after $try tries" >&2
    return 1
}

# record NAME PORT-OF-SWITCH [FILTER]: starts a capture into NAME.pcap of the work folder.
record() {
    # Immediate mode: a ring with blocks would hand over the last packets late or, at the end, never.
    # Its slots are as large as the snap length, so that is kept near the MTU.
    capture_by "$1.pcap" 'listening on' switch \
        tcpdump -n -U --immediate-mode -Z root -s 2048 -B 16384 -i "$2" -w "$WORK/raw/$1.pcap" ${3:+"$3"}
}

# capture_by FILE SIGN HOST COMMAND...: starts this capture program and waits until it says SIGN.
capture_by() {
    local file=$1 sign=$2 log="$WORK/log/capture-$1" try
    shift 2
    rm -f "$log"
    at "$@" </dev/null >"$log" 2>&1 &
    CAPTURES+=($!)
    CAPTURE_FILES+=("$WORK/raw/$file")
    for try in $(seq 50); do
        ! grep -q "$sign" "$log" || return 0
        sleep 0.1
    done
    echo "no capture after $try tries: $(cat "$log")" >&2
    return 1
}

# Ends all running captures, once their files hold something and grow no more (at most 6 s).
stop_recording() {
    local pid try now file before= quiet=0
    for try in $(seq 60); do
        sleep 0.1
        now=$(stat -c %s "${CAPTURE_FILES[@]}")
        if [ "$now" = "$before" ] && ! grep -qx 24 <<<"$now"; then quiet=$((quiet + 1)); else quiet=0; fi
        [ $quiet -lt 5 ] || break
        before=$now
    done
    [ $quiet -ge 5 ] || echo "record.sh: an empty capture among ${CAPTURE_FILES[*]##*/} after $try tries" >&2
    for pid in "${CAPTURES[@]}"; do kill -TERM "$pid"; done
    for pid in "${CAPTURES[@]}"; do wait "$pid" || true; done
    CAPTURES=() CAPTURE_FILES=()
    # A capture with holes that nobody made on purpose is no sample.
    for file in "$WORK"/log/capture-*; do
        if grep -qE '^[1-9][0-9]* packets? dropped' "$file"; then
            echo "${file##*/}: $(grep dropped "$file")" >&2
            return 1
        fi
    done
}

raw() { echo "$WORK/raw/$1.pcap"; }

# keep NAME [AS]: takes a capture of the work folder over as it is.
keep() { cp "$(raw "$1")" "$OUT/${2:-$1.pcap}"; }

# Each scene begins with empty neighbour tables, so that it shows who asks for whom.
forget_neighbours() {
    local host
    for host in $HOSTS router; do ip -n "$host" neigh flush all; done
}

# ---- cabling --------------------------------------------------------------------------------

# plug HOST BRIDGE MAC [NAME OF THE HOST'S PORT]
plug() {
    local host=$1 bridge=$2 mac=$3 port=${4:-eth0}
    ip -n switch link add "$host-$bridge" type veth peer name "$port" netns "$host"
    ip -n switch link set "$host-$bridge" master "$bridge" up
    ip -n "$host" link set "$port" address "$mac" up
    # Without this the capture would hold 64 KiB "packets" and unfinished checksums.
    at "$host" ethtool -K "$port" tx off rx off tso off gso off gro off >/dev/null 2>&1
}

new_host() {
    ip netns add "$1"
    mkdir -p "$WORK/hosts/$1/run"
    # No IPv6 (and none of its chatter) but where a scene turns it on.
    at "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
    ip -n "$1" link set lo up
}

build_office() {
    umask 022
    # The private mount namespace gets its own /run and resolver files.
    local resolv
    resolv=$(readlink -f /etc/resolv.conf || echo /etc/resolv.conf)
    mount -t tmpfs tmpfs /run
    mkdir -p /run/netns "$WORK"/{log,raw,conf,hosts,home,ftp}
    [ -e "$resolv" ] || { mkdir -p "$(dirname "$resolv")" && touch "$resolv"; }
    echo 'hosts: files dns' >"$WORK/conf/nsswitch.conf"
    echo '127.0.0.1 localhost' >"$WORK/conf/hosts"
    mount --bind "$WORK/conf/nsswitch.conf" /etc/nsswitch.conf
    mount --bind "$WORK/conf/hosts" /etc/hosts

    local name net mac part client host vendor
    HOSTS=$(awk 'NF { print $1 }' <<<"$DEVICES" | tr '\n' ' ')
    new_host switch
    ip -n switch link add br40 type bridge stp_state 0 forward_delay 0
    ip -n switch link add br50 type bridge stp_state 0 forward_delay 0
    # A switch that takes part in no multicast protocol of its own.
    ip -n switch link set br40 type bridge mcast_snooping 0
    ip -n switch link set br50 type bridge mcast_snooping 0
    ip -n switch link set br40 up
    ip -n switch link set br50 up

    new_host router
    plug router br40 $ROUTER_MAC_40 r40
    plug router br50 $ROUTER_MAC_50 r50
    ip -n router addr add 192.168.40.1/24 dev r40
    ip -n router addr add 192.168.50.1/24 dev r50
    at router sysctl -qw net.ipv4.ip_forward=1

    new_host outside
    ip -n router link add wan type veth peer name eth0 netns outside
    ip -n router link set wan address $ROUTER_MAC_OUT up
    ip -n outside link set eth0 address $OUTSIDE_MAC up
    at router ethtool -K wan tx off tso off gso off gro off >/dev/null 2>&1
    at outside ethtool -K eth0 tx off tso off gso off gro off >/dev/null 2>&1
    ip -n router addr add 203.0.113.254/24 dev wan
    ip -n router route add 198.51.100.0/24 via 203.0.113.1
    ip -n outside addr add 203.0.113.1/24 dev eth0
    for part in $UPDATE_SERVER $TELEMETRY_SERVER $UNKNOWN_SERVER $CLOUD_SERVER $FOREIGN_RESOLVER; do
        ip -n outside addr add "$part/32" dev lo
        ip -n router route replace "$part/32" via 203.0.113.1
    done
    ip -n outside route add 192.168.0.0/16 via 203.0.113.254

    : >"$WORK/conf/dhcp-hosts"
    while read -r name net mac part client host vendor; do
        [ -n "$name" ] || continue
        check_oui "$mac"
        new_host "$name"
        plug "$name" "br$net" "$mac"
        echo "nameserver 192.168.$net.1" >"$WORK/hosts/$name/resolv.conf"
        echo "$host" >"$WORK/hosts/$name/hostname"
        echo "dhcp-host=$mac,192.168.$net.$part" >>"$WORK/conf/dhcp-hosts"
    done <<<"$DEVICES"
    start_resolver
    make_certificate
}

# A MAC whose prefix stands in no registry would make the sample worthless.
check_oui() {
    local hex=${1//:/}
    hex=${hex^^}
    grep -qhE "^MA-[LMS],(${hex:0:6}|${hex:0:7}|${hex:0:9})," /usr/share/ieee-data/{oui,mam,oui36}.csv ||
        { echo "no registered vendor for $1" >&2; return 1; }
}

# The office's DHCP server and resolver, for the whole recording. It asks nobody: what it does not
# know does not exist.
start_resolver() {
    local i
    {
        cat <<CONF
keep-in-foreground
user=root
pid-file=
log-facility=-
no-resolv
no-hosts
local=/#/
edns-packet-max=4096
dhcp-authoritative
no-ping
dhcp-leasefile=$WORK/conf/leases
dhcp-script=/bin/true
domain=$DOMAIN
interface=r40,r50
dhcp-range=set:staff,192.168.40.200,192.168.40.220,12h
dhcp-range=set:building,192.168.50.200,192.168.50.220,12h
host-record=gateway.$DOMAIN,192.168.40.1
host-record=nas.$DOMAIN,192.168.40.61,$NAS_V6
host-record=printer.$DOMAIN,192.168.50.21
host-record=printer3.$DOMAIN,192.168.50.23
host-record=camera.$DOMAIN,192.168.50.31
cname=scan.$DOMAIN,nas.$DOMAIN
mx-host=$DOMAIN,nas.$DOMAIN,10
srv-host=_ldap._tcp.$DOMAIN,nas.$DOMAIN,389,5,50
host-record=fw.printer-update.example,$UPDATE_SERVER
host-record=telemetry.printer-update.example,$TELEMETRY_SERVER
host-record=news.example,$UPDATE_SERVER,$OUTSIDE_V6
host-record=calendar.example,$CLOUD_SERVER
CONF
        # An answer too large for 512 bytes, and with all that, for one packet.
        for i in $(seq 24); do
            echo "txt-record=policy.$DOMAIN,part-$i-of-a-long-text-that-does-not-fit-into-one-datagram-of-five-hundred-bytes"
        done
        cat "$WORK/conf/dhcp-hosts"
    } >"$WORK/conf/dnsmasq.conf"
    "$RECORD/enter" "$WORK" router dnsmasq -C "$WORK/conf/dnsmasq.conf" </dev/null >"$WORK/log/dnsmasq" 2>&1 &
    listening router 53
}

# One throw-away certificate, made anew by each recording. No key of it is kept.
make_certificate() {
    OPENSSL_CONF=/dev/null openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -sha256 \
        -subj "/O=Sample Office/CN=printer3.$DOMAIN" -addext "subjectAltName=DNS:printer3.$DOMAIN" \
        -config <(printf '[req]\ndistinguished_name=dn\n[dn]\n') \
        -keyout "$CERTIFICATE.key" -out "$CERTIFICATE" 2>/dev/null
    cat "$CERTIFICATE.key" "$CERTIFICATE" >"$CERTIFICATE.both"
}
