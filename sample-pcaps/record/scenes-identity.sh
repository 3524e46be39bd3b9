# shellcheck shell=bash
# Who is who: a floor of its own (192.168.60.0/24, fd5a:1040:60::/64, voice VLAN 65), on which addresses, MACs
# and devices do not go one by one. What is there stands in ../identities.tsv. Sourced by record.sh after scenes.sh.

SCENES+=" identities"

FLOOR_V6=fd5a:1040:60
# name | MAC | fixed address, where it has one
FLOOR='
gw-a      d4:ca:6d:60:00:02 192.168.60.2
gw-b      d4:ca:6d:60:00:03 192.168.60.3
files     00:11:32:60:00:20 192.168.60.20
balancer  8c:ec:4b:60:00:30 192.168.60.30
lab       c4:ad:34:60:00:09 192.168.60.9
printer4  3c:d9:2b:60:10:50
phone3    00:0b:82:60:20:50
deskphone 80:5e:c0:60:41:00
dual      54:bf:64:60:43:00
handset   da:a1:19:60:44:01
handset2  9a:0c:3f:60:45:01
'
DESK_PC_MAC=98:e7:43:60:42:00
# What the handset is known by, whatever its MAC (RFC 4361: identity association, then a DUID with a UUID).
HANDSET_ID=ff:00:00:00:01:00:04:5a:3c:1e:00:60:44:41:00:80:00:00:00:00:00:60:44

build_floor() {
    local name mac ip bridge n
    for bridge in br60 br65; do
        ip -n switch link add $bridge type bridge stp_state 0 forward_delay 0
        ip -n switch link set $bridge type bridge mcast_snooping 0
        ip -n switch link set $bridge up
    done
    while read -r name mac ip; do
        [ -n "$name" ] || continue
        new_host "$name"
        plug "$name" br60 "$mac"
        [ -z "$ip" ] || ip -n "$name" addr add "$ip/24" dev eth0
    done <<<"$FLOOR"
    for n in 31 32 33; do ip -n balancer addr add 192.168.60.$n/24 dev eth0; done
    # The voice VLAN is a bridge of its own here; its frames are tagged afterwards.
    plug gw-a br65 d4:ca:6d:60:00:02 voice
    ip -n gw-a addr add 192.168.65.1/24 dev voice
    plug deskphone br65 80:5e:c0:60:41:00 voice
    # The telephone is a switch with two ports: its own, and that of the PC behind it.
    new_host desk-pc
    ip -n deskphone link add pc type veth peer name eth0 netns desk-pc
    ip -n desk-pc link set eth0 address $DESK_PC_MAC up
    at desk-pc ethtool -K eth0 tx off tso off gso off gro off >/dev/null 2>&1
    ip -n deskphone link add lan type bridge stp_state 0 forward_delay 0
    ip -n deskphone link set lan type bridge mcast_snooping 0
    ip -n deskphone link set eth0 master lan
    ip -n deskphone link set pc master lan up
    ip -n deskphone link set lan up
    # Twelve hosts behind a router without address translation.
    new_host behind
    ip -n lab link add inner type veth peer name eth0 netns behind
    ip -n lab link set inner up
    ip -n behind link set eth0 up
    at behind ethtool -K eth0 tx off tso off gso off gro off >/dev/null 2>&1
    ip -n lab addr add 172.16.60.1/24 dev inner
    at lab sysctl -qw net.ipv4.ip_forward=1
    for n in $(seq 20 31); do ip -n behind addr add 172.16.60.$n/24 dev eth0; done
    ip -n behind route add default via 172.16.60.1
    ip -n files route add 172.16.60.0/24 via 192.168.60.9
}

floor_services() {
    local host priority
    for host in gw-a gw-b; do
        priority=100
        [ $host = gw-b ] || priority=150
        cat >"$WORK/conf/vrrp-$host" <<CONF
global_defs {
    vrrp_garp_master_refresh 0
}
vrrp_instance floor {
    state BACKUP
    interface eth0
    virtual_router_id 60
    priority $priority
    advert_int 1
    use_vmac vrrp60
    virtual_ipaddress {
        192.168.60.1/32
    }
}
CONF
    done
    printf '%s\n' keep-in-foreground user=root pid-file= port=0 interface=eth0,voice no-ping dhcp-authoritative \
        "dhcp-leasefile=$WORK/conf/leases60" dhcp-option=tag:data,3,192.168.60.1 \
        dhcp-range=set:data,tag:reused,192.168.60.50,192.168.60.50,2m \
        dhcp-range=set:data,tag:!reused,192.168.60.100,192.168.60.150,1h \
        dhcp-range=192.168.65.41,192.168.65.49,1h "dhcp-range=$FLOOR_V6::100,$FLOOR_V6::1ff,64,1h" \
        dhcp-host=3c:d9:2b:60:10:50,set:reused dhcp-host=00:0b:82:60:20:50,set:reused \
        "dhcp-host=$DESK_PC_MAC,192.168.60.142" dhcp-host=80:5e:c0:60:41:00,192.168.65.41 \
        "dhcp-host=54:bf:64:60:43:00,192.168.60.143,[$FLOOR_V6::143]" \
        "dhcp-host=id:$HANDSET_ID,192.168.60.144" dhcp-host=9a:0c:3f:60:45:01,192.168.60.145 >"$WORK/conf/dhcp60"
    printf 'interface eth0 {\nAdvSendAdvert on;\nMinRtrAdvInterval 3;\nMaxRtrAdvInterval 4;\nAdvManagedFlag on;\nprefix %s::/64 {};\n};\n' \
        "$FLOOR_V6" >"$WORK/conf/radvd"
    ipv6_on gw-a
    at gw-a sysctl -qw net.ipv6.conf.all.forwarding=1
    ip -n gw-a addr add "$FLOOR_V6::2/64" dev eth0 nodad
    sleep 2
    serve gw-a dnsmasq -C "$WORK/conf/dhcp60"
    serve gw-a radvd -n -C "$WORK/conf/radvd" -p "$WORK/hosts/gw-a/radvd.pid" -m stderr
    for host in gw-b gw-a; do
        serve $host keepalived -n -l -P -f "$WORK/conf/vrrp-$host" -p "$WORK/hosts/$host/pid" -r "$WORK/hosts/$host/vrrp"
        MASTER=$!
    done
    web files "nginx"
}

# lease HOST NAME CLASS [PORT]: an address by busybox, which is not renewed.
lease() {
    at "$1" busybox udhcpc -q -n -f -t 3 -T 2 -i "${4:-eth0}" -s "$RECORD/dhcp-event" -x "hostname:$2" -V "$3" \
        >"$WORK/log/dhcp-$1" 2>&1
}

# roam MAC: the handset comes in with this MAC.
roam() {
    local dir=$WORK/hosts/handset client
    ip -n handset addr flush dev eth0
    ip -n handset link set eth0 down
    ip -n handset link set eth0 address "$1" up
    printf 'send host-name "Pixel-8";\nsend dhcp-client-identifier %s;\n' "$HANDSET_ID" >"$dir/dhclient.conf"
    rm -f "$dir/leases"
    "$RECORD/enter" "$WORK" handset dhclient -d -1 -cf "$dir/dhclient.conf" -lf "$dir/leases" -pf "$dir/dhclient.pid" -sf "$RECORD/dhcp-event" \
        eth0 </dev/null >>"$WORK/log/dhcp-handset" 2>&1 &
    client=$!
    has_address handset
    at handset curl -sS -m 5 -o /dev/null -A 'Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UQ1A.240105.004)' http://192.168.60.20/
    kill $client
    wait $client || true
}

scene_identities() {
    local n client
    build_floor
    record floor br60
    record voice br65
    floor_services
    sleep 4

    # The PC behind the telephone, and the telephone.
    at deskphone "$RECORD/discovery.py" lldp 192.168.65.41 SIP-T54W 65
    lease desk-pc LT-BIANCHI 'MSFT 5.0'
    lease deskphone SIP-T54W yealink voice
    web deskphone 'embed httpd'
    at gw-a curl -sS -m 5 -o /dev/null http://192.168.65.41/
    at desk-pc ping -q -c 2 -i 0.3 192.168.60.1 >/dev/null

    # An address that a printer has, gives back, and a telephone gets.
    "$RECORD/enter" "$WORK" printer4 busybox udhcpc -f -R -n -t 3 -T 2 -i eth0 -s "$RECORD/dhcp-event" -x hostname:NPI601050 \
        -V 'Hewlett-Packard JetDirect' </dev/null >"$WORK/log/dhcp-printer4" 2>&1 &
    client=$!
    has_address printer4
    mapfile -t lines < <(basic_auth printer)
    web printer4 'HP HTTP Server; HP LaserJet M507; Serial Number: SAMPLE0001' "${lines[@]}"
    fetch desk-pc -u viewer:Sample-Cam-3 http://192.168.60.50/
    sleep 0.5
    kill -USR2 $client
    sleep 0.5
    kill $client
    wait $client || true
    ip -n printer4 link set eth0 down
    sleep 1
    ip -n desk-pc neigh flush all
    lease phone3 gxp1625 'Grandstream GXP1625'
    mapfile -t lines < <(basic_auth phone)
    web phone3 'Grandstream GXP1625 1.0.7.13' "${lines[@]}"
    fetch desk-pc -u viewer:Sample-Cam-3 http://192.168.60.50/

    # One host with addresses of both families: SLAAC, DHCPv6, DHCP.
    ipv6_on dual
    sleep 2.5
    lease dual LT-KAYA 'MSFT 5.0'
    printf 'send fqdn.fqdn "LT-KAYA";\n' >"$WORK/conf/dhclient60"
    at dual timeout 8 dhclient -6 -1 -d -D LL -cf "$WORK/conf/dhclient60" -lf "$WORK/conf/dhclient60.leases" \
        -pf "$WORK/conf/dhclient60.pid" -sf /bin/true eth0 >"$WORK/log/dhclient60" 2>&1 || true
    ip -n dual addr add "$FLOOR_V6::143/128" dev eth0 nodad
    at dual ping -q -c 1 -I "$FLOOR_V6::143" "$FLOOR_V6::2" >/dev/null
    at dual ping -q -c 1 -I "$FLOOR_V6:0:56bf:64ff:fe60:4300" "$FLOOR_V6::2" >/dev/null
    fetch dual http://192.168.60.20/

    # A handset that comes back with another MAC, and one that only has the same name.
    roam da:a1:19:60:44:01
    sleep 1
    roam 6e:2b:90:60:44:02
    lease handset2 Pixel-8 android-dhcp-14
    fetch handset2 -A 'Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UQ1A.240105.004)' http://192.168.60.20/

    # Hosts behind a router, and one host with four addresses.
    for n in $(seq 20 31); do
        fetch behind --interface 172.16.60.$n -A "Sample/1.$n" http://192.168.60.20/
    done
    web balancer haproxy
    for n in 30 31 32 33; do fetch desk-pc http://192.168.60.$n/; done

    # The second router takes over.
    kill "$MASTER"
    sleep 4
    ip -n desk-pc neigh flush all
    at desk-pc ping -q -c 2 -i 0.3 192.168.60.1 >/dev/null
    stop_recording
    stop_services
    mirror vlan "$(raw identities)" "-:$(raw floor)" "65:$(raw voice)"
    keep identities
}
