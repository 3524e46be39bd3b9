# shellcheck shell=bash
# What the other scenes lack of an office: a UPS, a laptop, the web pages of a door controller and a room panel
# that looks for its cloud. Sourced by record.sh after scenes.sh, and uses its servers and those of management.

SCENES+=" office"

# Machines that are plugged in for this scene only, as in office.sh.
LATER='
ups         50 00:c0:b7:6d:5e:81  81 udhcpc   apc6D5E81            APC
macbook     40 a4:83:e7:2b:19:03 103 dhclient Kims-MacBook-Pro     -
'

scene_office() {
    local name net mac part client host vendor conf=$WORK/conf/snmpd-ups
    while read -r name net mac part client host vendor; do
        [ -n "$name" ] || continue
        check_oui "$mac"
        new_host "$name"
        plug "$name" "br$net" "$mac"
        echo "nameserver 192.168.$net.1" >"$WORK/hosts/$name/resolv.conf"
        echo "$host" >"$WORK/hosts/$name/hostname"
    done <<<"$LATER"

    # The UPS: a network card that speaks SNMP, and nothing of it in secret.
    cat >"$conf" <<'CONF'
agentaddress udp:161
rocommunity Sample-Snmp-8
sysdescr APC Web/SNMP Management Card (MB:v4.1.0 PF:v6.8.2 PN:apc_hw05_aos_682.bin AF1:v6.8.0 AN1:apc_hw05_sumx_680.bin MN:AP9630 HR:05 SN: SAMPLE000081 MD:11/25/2026)
sysobjectid 1.3.6.1.4.1.318.1.3.27
sysname apc6D5E81
CONF
    record office-building br50
    record office-staff br40
    at ups busybox udhcpc -q -n -f -t 3 -T 2 -i eth0 -s "$RECORD/dhcp-event" -x hostname:apc6D5E81 -V APC \
        >"$WORK/log/dhcp-ups" 2>&1
    serve ups snmpd -f -LF 6 "$WORK/log/snmpd-ups" -C -c "$conf" -I system_mib,snmpEngine,vacm_conf -p "$WORK/hosts/ups/snmpd.pid"
    waiting ups 161
    UPS_IP=$(ip -n ups -4 -o addr show dev eth0 | sed 's/.*inet \([0-9.]*\).*/\1/')
    at facility snmpget -v2c -c Sample-Snmp-8 -On -t 1 -r 0 "$UPS_IP" 1.3.6.1.2.1.1.1.0 1.3.6.1.2.1.1.2.0 1.3.6.1.2.1.1.5.0 >/dev/null

    # The door controller has a page for its installer.
    web door2 'ACS-72'
    printf '<html><head><title>ACS-72 Door Controller</title></head><body>Doors: 2, closed</body></html>\n' \
        >"$WORK/hosts/door2/www/index.html"
    fetch facility http://192.168.50.72/

    # The laptop: DHCP as macOS asks, its mDNS, its browser.
    printf 'send host-name "Kims-MacBook-Pro";\nrequest subnet-mask, classless-routes, routers, domain-name-servers, domain-name, domain-search, proxy, ldap, netbios-name-servers, netbios-node-type;\n' \
        >"$WORK/hosts/macbook/dhclient.conf"
    sed -i '1i option classless-routes code 121 = string;\noption proxy code 252 = string;\noption ldap code 95 = string;' \
        "$WORK/hosts/macbook/dhclient.conf"
    serve macbook dhclient -d -1 -cf "$WORK/hosts/macbook/dhclient.conf" -sf "$RECORD/dhcp-event" \
        -lf "$WORK/hosts/macbook/leases" -pf "$WORK/hosts/macbook/dhclient.pid" eth0
    has_address macbook
    responder macbook Kims-MacBook-Pro <<'SERVICES'
name - - Kims MacBook Pro
_companion-link._tcp 49200 - rpVr=230.1
_device-info._tcp 0 - model=MacBookPro18,3
SERVICES
    sleep 2.5
    web outside 'nginx'
    fetch macbook -A 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15' \
        http://news.example/

    # The room panel looks for its cloud, and is a browser in a frame.
    at panel dig +short +tries=1 +time=2 fc.crestron.io >/dev/null || true
    at panel dig +short +tries=1 +time=2 api.my.crestron.com >/dev/null || true
    fetch panel -A 'Mozilla/5.0 (Linux; Android 8.1.0; TSW-1060 Build/OPM1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/79.0 Safari/537.36 Crestron' \
        http://calendar.example/
    sleep 0.5
    stop_recording
    stop_services
    mergecap -F pcap -w "$(raw office-day)" "$(raw office-building)" "$(raw office-staff)"
    keep office-day
}
