# shellcheck shell=bash
# The scenes: each records one or a few captures. Sourced by record.sh after office.sh.
# A scene is a function scene_NAME; SCENES gives the order. Those of a family of protocols stand in
# scenes-FAMILY.sh and add themselves to SCENES. `dhcp` always runs first, as the devices
# get their addresses there.

SCENES="dhcp telnet ftp http tls dtls dns multicast ipv6 egress mirrors partial rotated containers"

run_scenes() {
    local scene
    scene_dhcp
    for scene in ${*:-$SCENES}; do
        [ "$scene" != dhcp ] || continue
        [[ " $SCENES " == *" $scene "* ]] || { echo "no scene $scene, but: $SCENES" >&2; return 1; }
        echo "record.sh: scene $scene" >&2
        forget_neighbours
        "scene_$scene"
        stop_services
    done
}

# ---- servers ----------------------------------------------------------------------------------

# web HOST BANNER [LINE OF CONFIGURATION...]: lighttpd on port 80.
web() {
    local host=$1 banner=$2 root=$WORK/hosts/$1/www conf=$WORK/hosts/$1/lighttpd.conf
    shift 2
    mkdir -p "$root/img"
    printf '<html><head><title>%s</title></head><body>%s, status ready</body></html>\n' "$banner" "$host" >"$root/index.html"
    seq 1 4000 >"$root/img/snapshot.txt" # 18,893 bytes
    {
        printf 'server.document-root = "%s"\nserver.tag = "%s"\nindex-file.names = ("index.html")\n' "$root" "$banner"
        printf 'mimetype.assign = (".html" => "text/html", ".txt" => "text/plain")\n'
        printf 'server.modules = ("mod_auth", "mod_authn_file", "mod_openssl", "mod_setenv")\n'
        printf 'server.port = 80\nserver.bind = "0.0.0.0"\n'
        printf '%s\n' "$@"
    } >"$conf"
    serve "$host" lighttpd -D -f "$conf"
    listening "$host" 80
}

# Basic authentication with one invented account.
basic_auth() {
    echo "viewer:Sample-Cam-3" >"$WORK/conf/htpasswd"
    echo 'auth.backend = "plain"'
    echo "auth.backend.plain.userfile = \"$WORK/conf/htpasswd\""
    echo 'auth.require = ("/" => ("method" => "basic", "realm" => "'"$1"'", "require" => "valid-user"))'
}

tls_port() {
    echo "\$SERVER[\"socket\"] == \"$1\" { ssl.engine = \"enable\" ssl.pemfile = \"$CERTIFICATE.both\" }"
}

telnet_server() {
    serve "$1" "$RECORD/inetd.py" 23 telnetd -h -E "$RECORD/printer-login"
    listening "$1" 23
}

# ftp_server HOST [v6]
ftp_server() {
    mkdir -p "$WORK/hosts/$1/ftp"
    serve "$1" "$RECORD/ftpd.py" "$WORK/hosts/$1/ftp" ${2:+"$2"}
    listening "$1" 21
}

# openssl_server HOST PORT OPTION...
openssl_server() {
    local host=$1 port=$2
    shift 2
    serve "$host" openssl s_server -quiet -www -accept "$port" -cert "$CERTIFICATE" -key "$CERTIFICATE.key" "$@"
    listening "$host" "$port"
}

# ask_tls HOST NAME:PORT OPTION...: one request by openssl s_client.
ask_tls() {
    local host=$1 target=$2
    shift 2
    printf 'GET / HTTP/1.0\r\n\r\n' |
        at "$host" timeout 5 openssl s_client -connect "$target" -ign_eof "$@" >"$WORK/log/s_client" 2>&1 || true
}

# fetch HOST CURL-ARGUMENT...
fetch() {
    local host=$1
    shift
    at "$host" curl -sS -m 8 "$@" >/dev/null || true
}

# dtls_server HOST OPTION...
dtls_server() {
    local host=$1
    shift
    serve "$host" sh -c 'sleep 60 | exec openssl s_server -4 "$@"' sh "$@"
}

# ask_dtls HOST NAME:PORT OPTION...: a line of text over DTLS, and the end.
ask_dtls() {
    local host=$1 target=$2
    shift 2
    { sleep 0.6; echo status; sleep 0.4; } |
        at "$host" timeout 5 openssl s_client -connect "$target" "$@" >"$WORK/log/s_client" 2>&1 || true
}

# ---- scenes -----------------------------------------------------------------------------------

scene_dhcp() {
    local name net mac part client host vendor
    record dhcp-staff br40
    record dhcp-building br50
    # A vendor class of "-" becomes an empty one, with which udhcpc sends none.
    # Descriptor 3: the clients must not read from the list.
    while read -r name net mac part client host vendor <&3; do
        [ -n "$name" ] || continue
        vendor=${vendor//_/ }
        case $client in
            udhcpc)
                at "$name" busybox udhcpc -q -n -f -t 3 -T 2 -i eth0 -s "$RECORD/dhcp-event" \
                    -x "hostname:$host" ${vendor:+-V "${vendor#-}"} >"$WORK/log/dhcp-$name" 2>&1
                ;;
            dhclient)
                cat >"$WORK/hosts/$name/dhclient.conf" <<CONF
option classless-routes code 121 = string;
option ms-classless-routes code 249 = string;
option wpad code 252 = string;
send host-name "$host";
send vendor-class-identifier "$vendor";
request subnet-mask, routers, domain-name-servers, domain-name, router-discovery, static-routes,
    vendor-encapsulated-options, netbios-name-servers, netbios-node-type, netbios-scope,
    domain-search, classless-routes, ms-classless-routes, wpad;
CONF
                serve "$name" dhclient -d -1 -cf "$WORK/hosts/$name/dhclient.conf" -sf "$RECORD/dhcp-event" \
                    -lf "$WORK/hosts/$name/leases" -pf "$WORK/hosts/$name/dhclient.pid" eth0
                has_address "$name"
                ;;
        esac
    done 3<<<"$DEVICES"
    stop_recording
    stop_services
    keep dhcp-staff
    keep dhcp-building
}

scene_telnet() {
    telnet_server printer
    record telnet-printer br50
    at facility "$RECORD/typist.py" telnet 192.168.50.21 >/dev/null <<'SCRIPT'
login: 	operator
Password: 	wrong-Guess-0
login: 	operator
Password: 	Sample-Printer-1
> 	status
> 	quit
SCRIPT
    stop_recording
    keep telnet-printer
}

scene_ftp() {
    local dir=$WORK/ftp
    mkdir -p "$dir"
    seq 1 1800 >"$dir/job-0001.txt"
    ftp_server printer
    # Passive mode: a refused login, then an upload.
    record ftp-upload-passive br50
    at facility curl -sS -m 8 --disable-epsv -u scanuser:wrong-Guess-0 ftp://192.168.50.21/ -o /dev/null 2>/dev/null || true
    at facility curl -sS -m 8 --disable-epsv -u scanuser:Sample-Scan-2 -T "$dir/job-0001.txt" ftp://192.168.50.21/queue-job-0001.txt
    stop_recording
    keep ftp-upload-passive
    # Active mode and the commands that a person types.
    record ftp-active br50
    at facility tnftp -A -n -v 192.168.50.21 >"$WORK/log/tnftp" 2>&1 <<SCRIPT || true
user scanuser Sample-Scan-2
binary
dir
put $dir/job-0001.txt active-job.txt
get active-job.txt /dev/null
quit
SCRIPT
    stop_recording
    keep ftp-active
}

scene_http() {
    mapfile -t lines < <(basic_auth "AXIS_SAMPLE0C9131")
    web camera "Sample-Cam/9.80" "${lines[@]}"
    record http-basic-camera br50
    fetch facility http://camera.office.example/index.html
    fetch facility -u viewer:wrong-Guess-0 http://camera.office.example/index.html
    fetch facility -u viewer:Sample-Cam-3 http://camera.office.example/index.html http://camera.office.example/img/snapshot.txt
    stop_recording
    keep http-basic-camera
}

scene_tls() {
    local weak=(-cipher ALL:COMPLEMENTOFALL:@SECLEVEL=0) name=printer3.office.example
    openssl_server printer3 443 -min_protocol TLSv1 "${weak[@]}"
    openssl_server printer3 8443 -tls1_2 -no_ticket
    openssl_server printer3 9443 -tls1 "${weak[@]}"

    record tls-versions br50
    ask_tls facility $name:443 -servername $name -tls1 -cipher DEFAULT:@SECLEVEL=0
    ask_tls facility $name:443 -servername $name -tls1_1 -cipher DEFAULT:@SECLEVEL=0
    ask_tls facility $name:443 -servername $name -tls1_2
    ask_tls facility $name:443 -servername $name -tls1_3
    # Other client software, other fingerprints: curl (with ALPN), GnuTLS.
    fetch facility -k --tls-max 1.2 https://$name/
    fetch facility -k https://$name/
    printf 'GET / HTTP/1.0\r\n\r\n' | at facility timeout 5 gnutls-cli --insecure -p 443 $name >/dev/null 2>&1 || true
    # By address: no server name.
    fetch facility -k https://192.168.50.23/
    # Too new for the server: refused with an alert.
    ask_tls facility $name:9443 -servername $name -tls1_3
    stop_recording
    keep tls-versions

    record tls-resumed br50
    local session=$WORK/conf/session
    ask_tls facility $name:443 -servername $name -tls1_2 -sess_out "$session.12"
    ask_tls facility $name:443 -servername $name -tls1_2 -sess_in "$session.12"
    ask_tls facility $name:8443 -servername $name -tls1_2 -sess_out "$session.id"
    ask_tls facility $name:8443 -servername $name -tls1_2 -sess_in "$session.id"
    ask_tls facility $name:443 -servername $name -tls1_3 -sess_out "$session.13"
    ask_tls facility $name:443 -servername $name -tls1_3 -sess_in "$session.13"
    stop_recording
    keep tls-resumed

    # GnuTLS still speaks what OpenSSL of Debian has no code for any more.
    local old='NORMAL:+VERS-TLS1.0:+VERS-TLS1.1:+3DES-CBC:+ARCFOUR-128:+NULL:+RSA:+MD5:+SHA1:%ALLOW_SMALL_RECORDS'
    serve printer3 gnutls-serv --quiet --http --disable-client-cert -p 10443 --priority "$old" \
        --x509keyfile "$CERTIFICATE.key" --x509certfile "$CERTIFICATE"
    listening printer3 10443
    record tls-weak-ciphers br50
    local suite
    for suite in -VERS-ALL:+VERS-TLS1.0:-CIPHER-ALL:+ARCFOUR-128 -VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+3DES-CBC \
        -VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+NULL; do
        printf 'GET / HTTP/1.0\r\n\r\n' | at facility timeout 5 gnutls-cli --insecure -p 10443 \
            --priority "NORMAL:+RSA:+SHA1:$suite" $name >"$WORK/log/gnutls-cli" 2>&1 || true
    done
    # Nobody is authenticated at all.
    ask_tls facility $name:443 -servername $name -tls1_2 -cipher ADH-AES128-SHA256:@SECLEVEL=0
    # A cipher without encryption, chosen by OpenSSL.
    ask_tls facility $name:443 -servername $name -tls1_2 -cipher NULL-SHA256:@SECLEVEL=0
    stop_recording
    keep tls-weak-ciphers
}

scene_dtls() {
    local at=192.168.50.71 name=door.office.example
    # A server ends with its input. The first with cookies, in datagrams of 500 bytes: the certificate comes in fragments.
    dtls_server door -dtls1_2 -listen -mtu 500 -accept 5684 -cert "$CERTIFICATE" -key "$CERTIFICATE.key"
    dtls_server door -dtls1_2 -accept 5685 -nocert -psk 2b7e151628aed2a6 -cipher PSK-AES128-CCM8
    dtls_server door -dtls1 -accept 5686 -cert "$CERTIFICATE" -key "$CERTIFICATE.key" \
        -cipher ALL:@SECLEVEL=0
    sleep 1
    record dtls-door br50
    ask_dtls facility $at:5684 -servername $name -dtls1_2 -mtu 500
    ask_dtls facility $at:5685 -dtls1_2 -psk 2b7e151628aed2a6 -cipher PSK-AES128-CCM8
    ask_dtls facility $at:5686 -servername $name -dtls1 -cipher ALL:@SECLEVEL=0
    # Another version than the server's: refused with an alert.
    ask_dtls facility $at:5685 -dtls1 -psk 2b7e151628aed2a6 -cipher ALL:@SECLEVEL=0
    stop_recording
    keep dtls-door
}

scene_dns() {
    local d="dig +tries=1 +time=2"
    record dns-office br40
    {
        at laptop $d nas.office.example A
        at laptop $d nas.office.example AAAA
        at laptop $d scan.office.example A
        at laptop $d no-such-host.office.example A
        at laptop $d office.example MX
        at laptop $d _ldap._tcp.office.example SRV
        at laptop $d -x 192.168.40.61
        at laptop $d +noedns printer.office.example A
        # Over TCP, and by UDP with an answer that does not fit, so that dig asks again over TCP.
        at laptop $d +tcp +keepopen calendar.example A fw.printer-update.example A
        at laptop $d +noedns policy.office.example TXT
        # As a program does it: A and AAAA from one port.
        at laptop2 getent ahosts news.example
    } >"$WORK/log/dig" 2>&1 || true
    stop_recording
    keep dns-office

    # A camera that asks a resolver outside, past the one that it was given by DHCP.
    cat >"$WORK/conf/foreign.conf" <<CONF
keep-in-foreground
user=root
pid-file=
no-resolv
no-hosts
local=/#/
listen-address=$FOREIGN_RESOLVER
bind-interfaces
host-record=p2p.cam-cloud.example,$CLOUD_SERVER
host-record=time.cam-cloud.example,$CLOUD_SERVER
CONF
    serve outside dnsmasq -C "$WORK/conf/foreign.conf"
    listening outside 53
    web outside "cloud/1.0"
    echo "nameserver $FOREIGN_RESOLVER" >"$WORK/hosts/camera2/resolv.conf"
    record dns-foreign-resolver br50
    at camera2 $d "@$FOREIGN_RESOLVER" time.cam-cloud.example A >"$WORK/log/dig" 2>&1
    fetch camera2 -4 -A "CamAgent/2.1" http://p2p.cam-cloud.example/register
    # Another device does as it was told.
    fetch door -4 http://printer.office.example/ 2>/dev/null
    stop_recording
    echo "nameserver 192.168.50.1" >"$WORK/hosts/camera2/resolv.conf"
    keep dns-foreign-resolver
}

# responder HOST HOST-NAME: avahi, with the services given as lines `type port name txt...`.
responder() {
    local host=$1 name=$2 dir=$WORK/hosts/$1/avahi type port label texts text
    mkdir -p "$dir/services"
    cat >"$dir/avahi-daemon.conf" <<CONF
[server]
host-name=$name
use-ipv4=yes
use-ipv6=no
allow-interfaces=eth0
enable-dbus=no
[publish]
publish-workstation=no
publish-hinfo=no
[reflector]
[rlimits]
CONF
    {
        echo '<?xml version="1.0"?><!DOCTYPE service-group SYSTEM "avahi-service.dtd"><service-group>'
        while read -r type port label texts; do
            [ "$label" != - ] || label=$name
            [ "$type" != name ] || { echo "<name>${texts}</name>"; continue; }
            echo "<service><type>$type</type><port>$port</port>"
            for text in $texts; do echo "<txt-record>${text//_/ }</txt-record>"; done
            echo "</service>"
        done
        echo '</service-group>'
    } >"$dir/services/device.service"
    serve "$host" avahi-daemon --no-drop-root --no-chroot --no-rlimits -f "$dir/avahi-daemon.conf"
}

scene_multicast() {
    record mdns-office br50
    responder printer HPF80DAC3A1B21 <<'SERVICES'
name - - Sample LaserJet 400 [3A1B21]
_ipp._tcp 631 - txtvers=1 ty=Sample_LaserJet_400 product=(Sample_LaserJet_400) usb_MFG=Hewlett-Packard usb_MDL=Sample_LaserJet_400 pdl=application/postscript,application/vnd.hp-PCL adminurl=http://HPF80DAC3A1B21.local.
_pdl-datastream._tcp 9100 - txtvers=1 ty=Sample_LaserJet_400
_http._tcp 80 - -
SERVICES
    responder camera axis-b8a44f0c9131 <<'SERVICES'
name - - AXIS Sample - B8A44F0C9131
_axis-video._tcp 80 - macaddress=B8A44F0C9131
_rtsp._tcp 554 - path=axis-media/media.amp
SERVICES
    sleep 3.5
    at facility "$RECORD/mdns.py" 192.168.50.12 _services._dns-sd._udp.local:PTR _ipp._tcp.local:PTR \
        _axis-video._tcp.local:PTR axis-b8a44f0c9131.local:A nobody-here.local:A
    # A printer that looks for the camera: avahi asks in its own way.
    printf 'RESOLVE-HOSTNAME-IPV4 axis-b8a44f0c9131.local\n' >"$WORK/conf/ask"
    at printer /usr/bin/python3 -c 'import socket,sys
s = socket.socket(socket.AF_UNIX); s.settimeout(3); s.connect("/run/avahi-daemon/socket")
s.sendall(open(sys.argv[1], "rb").read()); print(s.recv(500))' "$WORK/conf/ask" >"$WORK/log/avahi-ask"
    stop_services
    stop_recording
    keep mdns-office

    record llmnr-office br40
    serve laptop2 llmnrd -H LT-ROSSI -i eth0
    sleep 0.5
    at laptop llmnr-query -I eth0 -T A -t 400 LT-ROSSI >"$WORK/log/llmnr" 2>&1 || true
    at laptop llmnr-query -I eth0 -T AAAA -t 400 LT-ROSSI >>"$WORK/log/llmnr" 2>&1 || true
    at laptop llmnr-query -I eth0 -T A -t 300 wpad >>"$WORK/log/llmnr" 2>&1 || true
    stop_recording
    keep llmnr-office
}

ipv6_on() {
    local host=$1
    at "$host" sysctl -qw "net.ipv6.conf.${2:-eth0}.disable_ipv6=0"
}

# The staff network with IPv6, routed to the outside.
ipv6_start() {
    # The router may speak from its address at once, as one that has been up for long.
    at router sysctl -qw net.ipv6.conf.r40.accept_dad=0
    ipv6_on outside
    ipv6_on outside lo
    ipv6_on router wan
    ipv6_on router r40
    at router sysctl -qw net.ipv6.conf.all.forwarding=1
    ip -n router addr add "$STAFF_V6::1/64" dev r40 nodad
    ip -n router addr add 2001:db8:ff::fe/64 dev wan nodad
    ip -n outside addr add "$OUTSIDE_V6/64" dev eth0 nodad
    ip -n outside route add "$STAFF_V6::/64" via 2001:db8:ff::fe
    cat >"$WORK/conf/ra.conf" <<CONF
keep-in-foreground
user=root
pid-file=
port=0
interface=r40
enable-ra
ra-param=r40,10,600
dhcp-leasefile=$WORK/conf/leases6
dhcp-range=$STAFF_V6::,ra-only,64,1h
dhcp-option=option6:dns-server,[$STAFF_V6::1]
CONF
    serve router dnsmasq -C "$WORK/conf/ra.conf"
    ipv6_on nas
    ipv6_on laptop
    sleep 4
}

ipv6_stop() {
    local host
    for host in nas laptop; do at $host sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1; done
    at router sysctl -qw net.ipv6.conf.all.forwarding=0 net.ipv6.conf.r40.disable_ipv6=1 net.ipv6.conf.wan.disable_ipv6=1
    at outside sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1
}

scene_ipv6() {
    record ipv6-host br40
    ipv6_start
    web nas "nginx" '$SERVER["socket"] == "[::]:80" { }' "$(tls_port '[::]:443')"
    web outside "cloud/1.0" '$SERVER["socket"] == "[::]:80" { }'
    fetch laptop -6 http://nas.office.example/
    fetch laptop -6 -k https://nas.office.example/
    fetch laptop -6 http://news.example/
    at laptop ping -6 -c 2 -i 0.2 "$STAFF_V6::1" >/dev/null
    # Nobody takes this port: the answer is a reset, and for UDP an ICMPv6 error.
    fetch laptop -6 "http://[$NAS_V6]:8080/" 2>/dev/null
    at laptop dig +tries=1 +time=1 "@$NAS_V6" anything.example >/dev/null || true
    stop_recording
    keep ipv6-host
    stop_services

    # Datagrams that do not fit: IPv4 and IPv6 fragments. The addresses are still valid.
    forget_neighbours
    record fragments br40
    {
        at laptop dig +tries=1 +time=2 +bufsize=4096 policy.office.example TXT
        at laptop dig +tries=1 +time=2 +bufsize=4096 "@$STAFF_V6::1" policy.office.example TXT
        at laptop ping -c 2 -i 0.3 -s 3000 192.168.40.61
        at laptop ping -6 -c 2 -i 0.3 -s 3000 "$NAS_V6"
    } >"$WORK/log/fragments"
    stop_recording
    keep fragments
    ipv6_stop
}

scene_egress() {
    web outside "update/3.1" "$(tls_port 0.0.0.0:443)"
    mkdir -p "$WORK/hosts/outside/www/firmware"
    echo '{"model":"LJ400","latest":"52.06.1","url":"http://fw.printer-update.example/firmware/52061.bin"}' \
        >"$WORK/hosts/outside/www/firmware/check"
    record printer-calls-home br50
    # Looked up first: the vendor's update server in clear, then its telemetry with TLS.
    fetch printer -4 -A "LJ400-FwAgent/2.3" "http://fw.printer-update.example/firmware/check?model=LJ400&serial=0SAMPLE0"
    fetch printer -4 -k --tls-max 1.2 https://telemetry.printer-update.example/
    # Nobody looked this one up, and it is called again and again.
    local call
    for call in 1 2 3 4; do
        fetch printer -k -A "" "https://$UNKNOWN_SERVER/?n=$call"
        sleep 1.5
    done
    # A port that is closed, and an address where nobody answers.
    fetch printer -m 1 "http://$UNKNOWN_SERVER:4444/" 2>/dev/null
    fetch printer -m 1 "http://203.0.113.99/" 2>/dev/null
    stop_recording
    keep printer-calls-home
}

mirror() { "$RECORD/mirror.py" "$@"; }

scene_mirrors() {
    mapfile -t lines < <(basic_auth "Sample Printer 3")
    web printer3 "KM-MFP-http/V0.0.1" "${lines[@]}"
    # One conversation between two VLANs: a mirror of both shows each packet before and after the
    # router.
    record vlan40 br40
    record vlan50 br50
    fetch laptop -4 -u viewer:Sample-Cam-3 http://printer3.office.example/ http://printer3.office.example/img/snapshot.txt
    at laptop ping -c 2 -i 0.2 192.168.50.23 >/dev/null
    stop_recording
    mirror vlan "$OUT/mirror-two-vlans.pcap" "40:$(raw vlan40)" "50:$(raw vlan50)"

    telnet_server printer2
    record vxlan br50
    fetch facility -u viewer:Sample-Cam-3 http://printer3.office.example/img/snapshot.txt
    at facility "$RECORD/typist.py" telnet 192.168.50.22 >/dev/null <<'SCRIPT'
login: 	operator
Password: 	Sample-Printer-1
> 	quit
SCRIPT
    stop_recording
    mirror vxlan "$OUT/mirror-vxlan.pcap" "$(raw vxlan)"

    record gre br50
    fetch facility -u viewer:Sample-Cam-3 http://printer3.office.example/
    stop_recording
    mirror gre "$OUT/mirror-gre.pcap" "$(raw gre)"

    openssl_server printer3 443
    record erspan2 br50
    fetch facility -k https://printer3.office.example/
    stop_recording
    mirror erspan2 "$OUT/mirror-erspan2.pcap" "$(raw erspan2)"

    ftp_server printer
    record erspan3 br50
    at facility curl -sS -m 8 -u scanuser:Sample-Scan-2 ftp://192.168.50.21/ -o /dev/null
    stop_recording
    mirror erspan3 "$OUT/mirror-erspan3.pcap" "$(raw erspan3)"
}

# packets NAME FILTER: the numbers of the packets of a capture of the work folder that match.
packets() { tshark -n -r "$(raw "$1")" -Y "$2" -T fields -e frame.number 2>/dev/null; }

scene_partial() {
    web camera2 "App-webs/"
    # Cut off in the middle of the first answer; three more requests follow on the connection.
    record midstream-whole br50 "tcp port 80"
    local u=http://192.168.50.32
    fetch facility $u/img/snapshot.txt $u/index.html $u/missing.html $u/index.html
    stop_recording
    local cut
    cut=$(packets midstream-whole 'tcp.srcport==80 && tcp.len>1000' | sed -n 5p)
    editcap -F pcap "$(raw midstream-whole)" "$OUT/midstream.pcap" "1-$cut"

    # Only what the client says, and only what the server says.
    ftp_server printer
    record one-way-client br50 "src host 192.168.50.12"
    at facility curl -sS -m 8 --disable-epsv -u scanuser:Sample-Scan-2 -T "$WORK/conf/dhcp-hosts" ftp://192.168.50.21/one-way.txt
    stop_recording
    keep one-way-client
    record one-way-server br50 "src host 192.168.50.32"
    fetch facility $u/img/snapshot.txt $u/index.html
    stop_recording
    keep one-way-server

    # Lost on the way to the capture: three segments of an answer and one of the questions' answers.
    record lossy-whole br50
    fetch facility http://camera.office.example/ 2>/dev/null
    fetch facility $u/img/snapshot.txt $u/index.html
    stop_recording
    cut="$(packets lossy-whole 'tcp.srcport==80 && tcp.len>1000' | sed -n '3p;4p;9p') $(packets lossy-whole 'dns.flags.response==1' | head -n 1)"
    # Nanosecond resolution, for the sake of having one such file.
    # shellcheck disable=SC2086
    editcap -F nsecpcap "$(raw lossy-whole)" "$OUT/lossy.pcap" $cut
}

scene_rotated() {
    # A scan to the file server, in two files as a capture that rotates leaves them: the cut is in
    # the middle of the transfer.
    seq 1 12000 >"$WORK/ftp/scan-0002.txt"
    ftp_server nas
    record rotated br50
    at printer2 curl -sS -m 8 --disable-epsv -u scanuser:Sample-Scan-2 -T "$WORK/ftp/scan-0002.txt" ftp://192.168.40.61/scan-0002.txt
    stop_recording
    local middle
    middle=$(packets rotated 'tcp.len>1000' | sed -n 20p)
    editcap -F pcap -r "$(raw rotated)" "$OUT/rotated-00001.pcap" "1-$middle"
    editcap -F pcap "$(raw rotated)" "$OUT/rotated-00002.pcap" "1-$middle"
}

scene_containers() {
    web outside "cloud/1.0" "$(tls_port 0.0.0.0:443)"
    record web br40
    fetch laptop2 -4 http://news.example/
    stop_recording
    gzip -9nc "$(raw web)" >"$OUT/web.pcap.gz"

    record calendar br40
    fetch panel -4 -k https://calendar.example/
    stop_recording
    zstd -q -f -19 "$(raw calendar)" -o "$OUT/calendar.pcap.zst"

    # One pcapng with two interfaces of different link types, as dumpcap writes it on a host: the
    # cooked `any` device sees the look-ups, the Ethernet port the rest.
    capture_by two-links.pcapng '^File:' facility dumpcap -q -w "$WORK/raw/two-links.pcapng" \
        -i any -y LINUX_SLL2 -f 'port 53' -i eth0 -f 'tcp port 80'
    web printer3 "KM-MFP-http/V0.0.1"
    fetch facility http://printer3.office.example/
    sleep 1
    stop_recording
    "$RECORD/scrub.py" "$WORK/raw/two-links.pcapng" "$OUT/two-links.pcapng"
}
