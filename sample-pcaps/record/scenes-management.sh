# shellcheck shell=bash
# Management: SNMP, syslog, NTP, RADIUS; and the files that devices fetch. Sourced by record.sh.

SCENES+=" snmp logs radius tacacs provisioning"

# waiting HOST PORT: waits (at most 5 s) until something on this host takes datagrams there.
waiting() {
    local try
    for try in $(seq 50); do
        at "$1" ss -Hlun "sport = :$2" | grep -q . && return
        sleep 0.1
    done
    echo "nothing waits on $1 port $2 after $try tries" >&2
    return 1
}

scene_snmp() {
    local conf=$WORK/conf/snmpd.conf agent=192.168.50.23
    cat >"$conf" <<'CONF'
agentaddress udp:161
rocommunity Sample-Snmp-4
rwcommunity Sample-Snmp-5
sysdescr Sample MFP 400ci, firmware 2.1.7
sysobjectid 1.3.6.1.4.1.1347.41
syscontact facility@office.example
syslocation floor 2, room 204
engineIDType 3
createUser ops SHA Sample-Snmp-6 AES Sample-Snmp-7
createUser reader MD5 Sample-Snmp-6
rouser ops priv
rouser reader auth
CONF
    serve printer3 snmpd -f -LF 6 "$WORK/log/snmpd-own" -C -c "$conf" -I system_mib,snmpEngine,usmUser,vacm_conf,usmConf,snmpv3mibs -p "$WORK/hosts/printer3/snmpd.pid"
    waiting printer3 161
    # Traps go to somebody who only listens.
    serve facility python3 -c "import socket, time; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('', 162)); time.sleep(60)"
    waiting facility 162
    record snmp-printer br50
    at facility snmpget -v2c -c Sample-Snmp-4 -On -t 1 -r 0 $agent 1.3.6.1.2.1.1.1.0 1.3.6.1.2.1.1.5.0 >/dev/null
    at facility snmpbulkwalk -v2c -c Sample-Snmp-4 -On -Cr8 -t 1 -r 0 $agent 1.3.6.1.2.1.1 >/dev/null
    at facility snmpget -v1 -c wrong-Guess-0 -On -t 1 -r 0 $agent 1.3.6.1.2.1.1.1.0 >/dev/null 2>&1 || true
    at facility snmpset -v2c -c Sample-Snmp-5 -On -t 1 -r 0 $agent 1.3.6.1.2.1.1.6.0 s "floor 3" >/dev/null 2>&1 || true
    at facility snmpget -v3 -l authPriv -u ops -a SHA -A Sample-Snmp-6 -x AES -X Sample-Snmp-7 -t 1 -r 0 $agent 1.3.6.1.2.1.1.5.0 >/dev/null
    at facility snmpget -v3 -l authNoPriv -u reader -a MD5 -A Sample-Snmp-6 -t 1 -r 0 $agent 1.3.6.1.2.1.1.1.0 >/dev/null
    at facility snmpget -v3 -l authNoPriv -u reader -a MD5 -A wrong-Guess-0 -t 1 -r 0 $agent 1.3.6.1.2.1.1.1.0 >/dev/null 2>&1 || true
    at printer3 snmptrap -v2c -c Sample-Snmp-4 192.168.50.12 '' 1.3.6.1.6.3.1.1.5.1
    at printer3 snmptrap -v1 -c Sample-Snmp-4 192.168.50.12 1.3.6.1.4.1.1347 192.168.50.23 6 42 ''
    stop_recording
    keep snmp-printer
}

scene_logs() {
    local server=192.168.50.12
    printf 'module(load="imudp")\nmodule(load="imtcp")\ninput(type="imudp" port="514")\ninput(type="imtcp" port="601")\n*.* %s\n' \
        "$WORK/log/collected" >"$WORK/conf/rsyslog.conf"
    serve facility rsyslogd -n -f "$WORK/conf/rsyslog.conf" -i "$WORK/hosts/facility/rsyslog.pid"
    printf 'server 127.127.1.0 minpoll 4\nfudge 127.127.1.0 stratum 5\nrestrict default\ndriftfile %s\n' \
        "$WORK/hosts/facility/drift" >"$WORK/conf/ntp.conf"
    serve facility ntpd -n -g -c "$WORK/conf/ntp.conf"
    waiting facility 514
    listening facility 601
    waiting facility 123
    record logs-and-time br50
    at camera logger -n $server -P 514 -d --rfc3164 -t camd -p daemon.warning 'stream 1 restarted'
    at camera logger -n $server -P 514 -d --rfc5424 -t camd -p authpriv.notice 'user viewer set, password=Sample-Log-8 role=view'
    at door logger -n $server -P 601 -T --octet-count --rfc5424 -t doord -p local4.info 'door opened by card 17'
    at door logger -n $server -P 601 -T --rfc3164 -t doord -p local4.err 'reader lost'
    at camera ntpdig -t 1 $server >/dev/null 2>&1 || true
    at door ntpq -n -c rv $server >"$WORK/log/ntpq" 2>&1 || true
    stop_recording
    keep logs-and-time
}

scene_radius() {
    local dir=$WORK/conf/raddb dictionary=/usr/share/freeradius
    mkdir -p "$dir" "$WORK/log/radius"
    echo 'badge Cleartext-Password := "Sample-Door-9"' >"$dir/users"
    cat >"$dir/radiusd.conf" <<CONF
name = freeradius
libdir = /usr/lib/freeradius
logdir = $WORK/log/radius
raddbdir = $dir
run_dir = $WORK/log/radius
pidfile = $WORK/log/radius/pid
log { destination = stdout }
security { reject_delay = 0
status_server = yes }
client building { ipaddr = 192.168.0.0/16
secret = Sample-Radius-3
}
modules {
pap { }
chap { }
mschap { }
files { usersfile = $dir/users
}
}
server default {
listen { type = auth
ipaddr = *
port = 1812
}
authorize { chap
mschap
files
pap
}
authenticate { 
Auth-Type PAP { pap
}
Auth-Type CHAP { chap
}
Auth-Type MS-CHAP { mschap
}
}
}
CONF
    serve facility freeradius -f -l stdout -d "$dir" -D $dictionary
    waiting facility 1812
    record radius-door br50
    for how in pap chap mschap; do
        at door radtest -t $how badge Sample-Door-9 192.168.50.12 7 Sample-Radius-3 >/dev/null 2>&1 || true
    done
    at door radtest -t pap badge wrong-Guess-0 192.168.50.12 7 Sample-Radius-3 >/dev/null 2>&1 || true
    # As old devices ask: without a Message-Authenticator, and naming themselves.
    printf 'User-Name = badge\nUser-Password = Sample-Door-9\nNAS-Identifier = door-042f71\nCalling-Station-Id = 7C-1E-B3-04-2F-71\n' |
        at door radclient -x 192.168.50.12:1812 auth Sample-Radius-3 >/dev/null 2>&1 || true
    stop_recording
    keep radius-door
}

scene_tacacs() {
    serve facility "$RECORD/tacacs.py" serve Sample-Tacacs-5 Sample-Switch-4
    listening facility 49
    record tacacs-door br50
    at door2 "$RECORD/tacacs.py" ask 192.168.50.12 Sample-Tacacs-5 netadmin wrong-Guess-0 clear
    at door2 "$RECORD/tacacs.py" ask 192.168.50.12 Sample-Tacacs-5 netadmin Sample-Switch-4 clear
    at door2 "$RECORD/tacacs.py" ask 192.168.50.12 Sample-Tacacs-5 netadmin Sample-Switch-4 hidden
    stop_recording
    keep tacacs-door
}

scene_provisioning() {
    local dir=$WORK/tftp ftp=$WORK/hosts/nas/ftp
    mkdir -p "$dir" "$ftp"
    cat >"$dir/805ec01f3041.cfg" <<'CONF'
#!version:1.0.0.1
account.1.enable = 1
account.1.label = Reception
account.1.user_name = 2041
account.1.auth_name = 2041
account.1.password = Sample-Phone-1
account.1.sip_server.1.address = sip.office.example
static.security.user_password = admin:Sample-Phone-2
static.firmware.url = tftp://192.168.40.61/T46S-66.86.0.15.rom
CONF
    seq 1 300 >"$dir/T46S-66.86.0.15.rom"
    : >"$dir/switch-confg" && chmod 666 "$dir/switch-confg"
    cat >"$WORK/switch-confg" <<'CONF'
version 15.2
hostname sw-floor2
username netadmin privilege 15 secret 5 $1$Samp$Q5zYxQ0n1mJ0o7c5l3b2k1
username backup password 7 08124D431915005A211C05102923697B
snmp-server community Sample-Snmp-4 RO
end
CONF
    cp "$dir/805ec01f3041.cfg" "$ftp/cfg000b82aabbcc.cfg"
    serve nas in.tftpd -L -s -c -u root "$dir"
    ftp_server nas
    waiting nas 69
    record provisioning-phone br40
    (cd "$WORK/log" && at phone busybox tftp -g -r 805ec01f3041.cfg -l /dev/null 192.168.40.61) || true
    (cd "$WORK/log" && at phone busybox tftp -g -b 1024 -r T46S-66.86.0.15.rom -l /dev/null 192.168.40.61) || true
    (cd "$WORK/log" && at phone busybox tftp -g -r no-such-file.cfg -l /dev/null 192.168.40.61 2>/dev/null) || true
    (cd "$WORK" && at laptop tftp 192.168.40.61 -m octet -c put switch-confg) || true
    at phone2 curl -sS -m 8 -u scanuser:Sample-Scan-2 ftp://192.168.40.61/cfg000b82aabbcc.cfg -o /dev/null || true
    stop_recording
    keep provisioning-phone
}
