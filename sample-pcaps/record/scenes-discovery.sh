# shellcheck shell=bash
# How devices find each other, what they tell their switch, and how they get into the network. Sourced
# by record.sh after scenes.sh.

SCENES+=" discovery link dhcpv6"

scene_discovery() {
    record discovery-building br50 'not tcp'
    serve printer2 "$RECORD/discovery.py" agent
    serve router "$RECORD/discovery.py" map
    serve camera2 "$RECORD/discovery.py" camera 192.168.50.32
    serve facility wsdd -i eth0 -4 -n LT-FACILITY -w OFFICE
    sleep 1
    at facility "$RECORD/discovery.py" probe
    at facility "$RECORD/discovery.py" slp
    at camera natpmpc -g 192.168.50.1 -a 40554 554 tcp 3600 >"$WORK/log/natpmpc" 2>&1 || true
    at door "$RECORD/discovery.py" pcp 192.168.50.1
    stop_services
    stop_recording
    keep discovery-building

    record ssdp-staff br40 'udp port 1900'
    serve meeting "$RECORD/discovery.py" announce 192.168.40.53
    sleep 0.5
    at laptop "$RECORD/discovery.py" ssdp
    stop_services
    stop_recording
    keep ssdp-staff
}

scene_link() {
    # The bridge hands on what is meant for the next switch only: LLDP, and 802.1X.
    ip -n switch link set br40 type bridge group_fwd_mask 0x4008
    record link-staff br40 'ether proto 0x88cc or ether proto 0x888e or (ether[12:2] <= 1500 and ether[20:2] = 0x2000)'
    at phone "$RECORD/discovery.py" lldp
    at switch "$RECORD/discovery.py" cdp br40
    # The panel is let in with EAP-MD5, then turned away with a wrong password.
    printf '"panel-1" MD5 "Sample-Eap-1"\n' >"$WORK/conf/eap-users"
    printf 'driver=wired\ninterface=eth0\nieee8021x=1\neapol_version=2\neap_server=1\neap_user_file=%s\nuse_pae_group_addr=1\n' \
        "$WORK/conf/eap-users" >"$WORK/conf/hostapd.conf"
    serve meeting hostapd "$WORK/conf/hostapd.conf"
    sleep 0.7
    local secret
    for secret in Sample-Eap-1 wrong-Guess-0; do
        printf 'ap_scan=0\nnetwork={\nkey_mgmt=IEEE8021X\neap=MD5\nidentity="panel-1"\npassword="%s"\neapol_flags=0\n}\n' \
            "$secret" >"$WORK/conf/supplicant.conf"
        at panel timeout 3 wpa_supplicant -D wired -i eth0 -c "$WORK/conf/supplicant.conf" >"$WORK/log/supplicant" 2>&1 || true
    done
    stop_services
    stop_recording
    keep link-staff
}

scene_dhcpv6() {
    record dhcpv6-staff br40 'udp portrange 546-547'
    ipv6_on router r40
    at router sysctl -qw net.ipv6.conf.r40.accept_dad=0
    ip -n router addr add "$STAFF_V6::1/64" dev r40 nodad
    printf '%s\n' keep-in-foreground user=root pid-file= port=0 interface=r40 enable-ra "dhcp-leasefile=$WORK/conf/leases6s" \
        "dhcp-range=$STAFF_V6::100,$STAFF_V6::1ff,64,1h" "dhcp-option=option6:dns-server,[$STAFF_V6::1]" \
        "dhcp-option=option6:domain-search,$DOMAIN" >"$WORK/conf/dhcp6.conf"
    serve router dnsmasq -C "$WORK/conf/dhcp6.conf"
    ipv6_on laptop2
    sleep 2.5
    printf 'send fqdn.fqdn "LT-ROSSI";\nsend dhcp6.vendor-class 0:0:1:37:0:8:4d:53:46:54:20:35:2e:30;\nrequest dhcp6.name-servers, dhcp6.domain-search;\n' \
        >"$WORK/conf/dhclient6.conf"
    at laptop2 timeout 8 dhclient -6 -1 -d -D LL -cf "$WORK/conf/dhclient6.conf" -lf "$WORK/conf/dhclient6.leases" \
        -pf "$WORK/conf/dhclient6.pid" -sf /bin/true eth0 >"$WORK/log/dhclient6" 2>&1 || true
    at laptop2 sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1
    at router sysctl -qw net.ipv6.conf.r40.disable_ipv6=1
    stop_services
    stop_recording
    keep dhcpv6-staff
}
