# shellcheck shell=bash
# Scenes of shares, directories and logins of office networks. Sourced by record.sh.

SCENES+=" shares directory tickets portmap"

# The file station: smbd and nmbd with one account, a share for it and one for guests. The account is
# one that every Debian has.
scene_shares() {
    local home=$WORK/hosts/nas/samba conf=$WORK/hosts/nas/smb.conf
    mkdir -p "$home"/{private,lock,state,cache,run,files,public}
    chmod 755 "$WORK" "$WORK/hosts" "$WORK/hosts/nas" "$home"
    chmod 777 "$home/files" "$home/public"
    echo "quarterly figures" >"$home/files/figures.txt"
    cat >"$conf" <<CONF
[global]
    workgroup = OFFICE
    netbios name = DISKSTATION
    server string = File station
    private dir = $home/private
    lock directory = $home/lock
    state directory = $home/state
    cache directory = $home/cache
    pid directory = $home/run
    ncalrpc dir = $home/run/ncalrpc
    log file = $WORK/log/samba
    server min protocol = NT1
    ntlm auth = ntlmv1-permitted
    map to guest = Bad User
    load printers = no
    disable spoolss = yes
[files]
    path = $home/files
    valid users = backup
    read only = no
[public]
    path = $home/public
    guest ok = yes
CONF
    printf 'Sample-Share-5\nSample-Share-5\n' | at nas smbpasswd -c "$conf" -s -a backup >"$WORK/log/smbpasswd" 2>&1
    record shares br40 "host 192.168.40.61 and not arp"
    serve nas nmbd -F --no-process-group -s "$conf"
    serve nas smbd -F --no-process-group -s "$conf"
    listening nas 445
    smb_client laptop -m SMB3 -U "backup%wrong-Guess-0" //192.168.40.61/files -c "ls"
    smb_client laptop -m SMB3 -U "backup%Sample-Share-5" //192.168.40.61/files -c "get figures.txt $WORK/figures.txt"
    smb_client laptop2 -m NT1 --option="client min protocol=NT1" --option="client ntlmv2 auth=no" \
        --option="client use spnego=no" -U "backup%Sample-Share-5" //192.168.40.61/files -c "ls"
    smb_client laptop2 -N -L 192.168.40.61
    at laptop nmblookup -s /dev/null -B 192.168.40.255 DISKSTATION >>"$WORK/log/smbclient" 2>&1 || true
    at laptop nmblookup -s /dev/null -A 192.168.40.61 >>"$WORK/log/smbclient" 2>&1 || true
    stop_recording
    keep shares smb-shares.pcap
}

# smb_client HOST ARGUMENT...: what it says goes to the log; logins that fail are meant to.
smb_client() {
    local host=$1
    shift
    at "$host" timeout 10 smbclient -s /dev/null "$@" >>"$WORK/log/smbclient" 2>&1 || true
}

# A directory that printers look addresses up in: a wrong and a right simple bind, nobody, and TLS.
scene_directory() {
    local home=$WORK/hosts/nas/ldap
    local base=dc=office,dc=example
    mkdir -p "$home/data"
    cat >"$home/slapd.conf" <<CONF
include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile $home/pid
TLSCertificateFile $CERTIFICATE
TLSCertificateKeyFile $CERTIFICATE.key
database mdb
suffix "$base"
rootdn "cn=admin,$base"
rootpw Sample-Directory-6
directory $home/data
CONF
    printf 'dn: %s\nobjectClass: organization\nobjectClass: dcObject\no: Office\ndc: office\n\n' "$base" >"$home/base.ldif"
    printf 'dn: cn=Ana Example,%s\nobjectClass: person\ncn: Ana Example\nsn: Example\ntelephoneNumber: 41\n' "$base" >>"$home/base.ldif"
    at nas slapadd -f "$home/slapd.conf" -l "$home/base.ldif" >"$WORK/log/slapadd" 2>&1
    serve nas slapd -d 0 -h "ldap://0.0.0.0:389/" -f "$home/slapd.conf"
    listening nas 389
    record directory br40 "tcp port 389"
    directory_query printer -D "cn=admin,$base" -w wrong-Guess-0 "(cn=Ana*)"
    directory_query printer -D "cn=admin,$base" -w Sample-Directory-6 "(cn=Ana*)" telephoneNumber
    directory_query phone "(&(objectClass=person)(sn=Example))" cn telephoneNumber
    directory_query laptop -ZZ -D "cn=admin,$base" -w Sample-Directory-6 "(sn=Example)"
    stop_recording
    keep directory ldap-directory.pcap
}

# directory_query HOST ARGUMENT...
directory_query() {
    local host=$1
    shift
    at "$host" env LDAPTLS_REQCERT=never timeout 10 ldapsearch -x -H ldap://192.168.40.61 -b dc=office,dc=example "$@" \
        >>"$WORK/log/ldapsearch" 2>&1 || true
}

# A key distribution centre: a wrong and a right password, a ticket for a service, one for an old
# service that only has an RC4 key, and an account that needs to prove nothing.
scene_tickets() {
    local home=$WORK/hosts/nas/krb5 realm=OFFICE.EXAMPLE
    mkdir -p "$home"
    cat >"$home/krb5.conf" <<CONF
[libdefaults]
    default_realm = $realm
    dns_lookup_kdc = false
    rdns = false
    permitted_enctypes = aes256-cts-hmac-sha1-96 aes128-cts-hmac-sha1-96 rc4-hmac
    allow_weak_crypto = true
[realms]
    $realm = {
        kdc = 192.168.40.61
        database_name = $home/principal
        key_stash_file = $home/stash
        acl_file = $home/acl
        kdc_ports = 88
        kdc_tcp_ports = 88
        supported_enctypes = aes256-cts-hmac-sha1-96:normal
        default_principal_flags = +preauth
    }
[logging]
    kdc = FILE:$WORK/log/kdc
CONF
    {
        kerberos nas kdb5_util create -s -r $realm -P Sample-Master-7
        kerberos nas kadmin.local -q "addprinc -pw Sample-Ticket-7 ana"
        kerberos nas kadmin.local -q "addprinc -pw Sample-Ticket-8 -requires_preauth scanner"
        kerberos nas kadmin.local -q "addprinc -randkey host/diskstation.office.example"
        kerberos nas kadmin.local -q "addprinc -randkey -e rc4-hmac:normal HTTP/old.office.example"
    } >"$WORK/log/kadmin" 2>&1
    serve nas env KRB5_CONFIG="$home/krb5.conf" KRB5_KDC_PROFILE="$home/krb5.conf" krb5kdc -n
    listening nas 88
    record tickets br40 "port 88"
    {
        echo wrong-Guess-0 | kerberos laptop kinit ana || true
        echo Sample-Ticket-7 | kerberos laptop kinit ana
        kerberos laptop kvno host/diskstation.office.example HTTP/old.office.example
        echo Sample-Ticket-8 | kerberos laptop2 kinit scanner
    } >"$WORK/log/kinit" 2>&1 || true
    stop_recording
    keep tickets kerberos-logins.pcap
}

kerberos() {
    local host=$1 home=$WORK/hosts/nas/krb5
    shift
    at "$host" env KRB5_CONFIG="$home/krb5.conf" KRB5_KDC_PROFILE="$home/krb5.conf" KRB5CCNAME="FILE:$WORK/cache-$host" "$@"
}

# The port mapper, asked over both transports.
scene_portmap() {
    serve nas rpcbind -f -w
    listening nas 111
    record portmap br40 "port 111"
    {
        at laptop rpcinfo -p 192.168.40.61
        at laptop rpcinfo -T udp 192.168.40.61 100000 3
    } >"$WORK/log/rpcinfo" 2>&1 || true
    stop_recording
    keep portmap portmap.pcap
}
