# shellcheck shell=bash
# Encryption of former times: SSL 3.0 and what went with it, SSH, and IPsec. What is expected of each port stands in
# tests/matrix.rs. OLD_OPENSSL is OpenSSL 1.1.1, built with what current builds leave out (record.sh, fetch_openssl).

SCENES+=" oldtls dtlskeys weakssh weakike"

# old_with PORT OPTION...: a server of the old OpenSSL with the sound certificate.
old_with() {
    local port=$1 pem=$CERTS/sound.pem
    shift
    serve camera "$OLD_OPENSSL" s_server -quiet -www -accept "$port" -cert "$pem" -key "$pem" -cert_chain "$pem" "$@"
    listening camera "$port"
}

# old_ask PORT OPTION...: one request by the old client.
old_ask() {
    local port=$1
    shift
    printf 'GET / HTTP/1.0\r\n\r\n' | at facility timeout 5 "$OLD_OPENSSL" s_client -connect "$CAMERA:$port" \
        -servername "$CAMERA" -ign_eof "$@" >"$WORK/log/old-ask-$port" 2>&1 || true
}

# Datagrams: a server, which answers one line, and a client that says it.
datagrams() {
    local port=$1 pem=$CERTS/sound.pem
    shift
    serve door "$OLD_OPENSSL" s_server -quiet -listen -accept "$port" -cert "$pem" -key "$pem" "$@"
    sleep 0.3
    (echo open; sleep 0.5) | at facility timeout 3 "$OLD_OPENSSL" s_client -connect "192.168.50.71:$port" "$@" \
        >"$WORK/log/datagrams-$port" 2>&1 || true
}

scene_oldtls() {
    make_certs
    local all=(-cipher ALL:COMPLEMENTOFALL:@SECLEVEL=0)
    old_with 8201 "${all[@]}"
    old_with 8202 -tls1_2 "${all[@]}"
    old_with 8203 -tls1_2 "${all[@]}"
    old_with 8204 -tls1_2 "${all[@]}"
    old_with 8205 -tls1_2 -comp
    record weak-tls-old br50
    old_ask 8201 -ssl3 -cipher ECDHE-RSA-AES128-SHA:DHE-RSA-AES128-SHA:AES128-SHA
    old_ask 8202 -tls1_2 -cipher ECDHE-RSA-RC4-SHA:@SECLEVEL=0
    old_ask 8202 -tls1_2 -cipher RC4-MD5:@SECLEVEL=0
    old_ask 8203 -tls1_2 -cipher AECDH-AES128-SHA:@SECLEVEL=0
    old_ask 8204 -tls1_2 -cipher ECDHE-RSA-NULL-SHA:@SECLEVEL=0
    old_ask 8205 -tls1_2 -comp -cipher ECDHE-RSA-AES128-GCM-SHA256
    datagrams 8206 -dtls1 "${all[@]}"
    datagrams 8207 -dtls1_2 -cipher ECDHE-RSA-AES256-GCM-SHA384
    datagrams 8208 -dtls1_2 -cipher ECDHE-RSA-NULL-SHA:@SECLEVEL=0
    stop_recording
    keep weak-tls-old
}

# CoAP within DTLS 1.2 (GCM, CCM, ChaCha20, CBC) and 1.0, whose keys the client logged; the log goes into the capture.
scene_dtlskeys() {
    make_certs
    local log=$WORK/conf/dtls-keys.log port=5700 pem=$CERTS/sound.pem suite version
    : >"$log"
    record dtls-keys br50
    for suite in ECDHE-RSA-AES128-GCM-SHA256 DHE-RSA-AES256-CCM8 ECDHE-RSA-CHACHA20-POLY1305 ECDHE-RSA-AES256-SHA384 ECDHE-RSA-AES128-SHA; do
        port=$((port + 1)) version=-dtls1_2
        [ "$suite" != ECDHE-RSA-AES128-SHA ] || version=-dtls1
        # A server whose input ends takes its leave at once.
        serve door sh -c "sleep 5 | openssl s_server -quiet -listen -accept $port -cert $pem -key $pem $version -cipher $suite:@SECLEVEL=0"
        sleep 0.3
        # GET coap://.../door, number 0x1234.
        (printf '\100\001\022\064\264door'; sleep 0.5) | at facility timeout 3 openssl s_client -quiet -connect "192.168.50.71:$port" \
            -keylogfile "$log" $version -cipher "$suite:@SECLEVEL=0" >"$WORK/log/dtls-keys-$port" 2>&1 || true
    done
    stop_recording
    editcap -F pcapng "$(raw dtls-keys)" "$WORK/raw/dtls-keys-plain.pcapng"
    "$RECORD/scrub.py" "$WORK/raw/dtls-keys-plain.pcapng" "$WORK/raw/dtls-keys-scrubbed.pcapng"
    editcap --inject-secrets "tls,$log" "$WORK/raw/dtls-keys-scrubbed.pcapng" "$OUT/dtls-keys.pcapng"
}

# ssh_with PORT TYPE BITS OPTION...: a server of OpenSSH with one key, and nothing but these options.
ssh_with() {
    local port=$1 kind=$2 bits=$3 key=$WORK/conf/ssh-$1 option options=()
    shift 3
    rm -f "$key"
    ssh-keygen -q -t "$kind" ${bits:+-b "$bits"} -N '' -C '' -f "$key" </dev/null
    for option in "$@"; do options+=(-o "$option"); done
    serve camera /usr/sbin/sshd -D -e -f /dev/null -p "$port" -h "$key" -o UsePAM=no -o PidFile=none \
        -o PasswordAuthentication=no "${options[@]}"
    listening camera "$port"
}

# ssh_ask PORT OPTION...: a client that gets as far as being refused.
ssh_ask() {
    local port=$1 option options=()
    shift
    for option in "$@"; do options+=(-o "$option"); done
    at facility timeout 5 ssh -F none -p "$port" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
        -o IdentityFile=none -o RequiredRSASize=1024 "${options[@]}" "viewer@$CAMERA" true >"$WORK/log/ssh-$port" 2>&1 || true
}

scene_weakssh() {
    mkdir -p /run/sshd
    # All else is what nothing is known against.
    local kex=KexAlgorithms=curve25519-sha256 mac=MACs=hmac-sha2-256-etm@openssh.com cipher=Ciphers=aes256-gcm@openssh.com
    local key=HostKeyAlgorithms=ssh-ed25519 ctr=Ciphers=aes128-ctr
    ssh_with 2201 ed25519 '' $kex $mac $cipher $key
    ssh_with 2202 ed25519 '' KexAlgorithms=diffie-hellman-group1-sha1 $mac $cipher $key
    ssh_with 2203 ed25519 '' $kex MACs=hmac-sha2-256 Ciphers=3des-cbc $key
    ssh_with 2204 ed25519 '' $kex MACs=hmac-md5 $ctr $key
    ssh_with 2205 dsa 1024 $kex $mac $cipher HostKeyAlgorithms=ssh-dss
    ssh_with 2206 rsa 1024 $kex $mac $cipher HostKeyAlgorithms=rsa-sha2-256 RequiredRSASize=1024
    ssh_with 2207 rsa 2048 $kex $mac $cipher HostKeyAlgorithms=ssh-rsa
    serve camera /usr/bin/python3 "$RECORD/arcfour.py" 2208 "$WORK/conf/ssh-2201"
    listening camera 2208
    record weak-ssh br50
    ssh_ask 2201 $kex $mac $cipher $key
    ssh_ask 2202 KexAlgorithms=diffie-hellman-group1-sha1 $mac $cipher $key
    ssh_ask 2203 $kex MACs=hmac-sha2-256 Ciphers=3des-cbc $key
    ssh_ask 2204 $kex MACs=hmac-md5 $ctr $key
    ssh_ask 2205 $kex $mac $cipher HostKeyAlgorithms=ssh-dss
    ssh_ask 2206 $kex $mac $cipher HostKeyAlgorithms=rsa-sha2-256
    ssh_ask 2207 $kex $mac $cipher HostKeyAlgorithms=ssh-rsa
    at facility timeout 8 /usr/bin/python3 "$RECORD/arcfour.py" 2208 "$CAMERA" connect >"$WORK/log/arcfour" 2>&1 || true
    stop_recording
    keep weak-ssh
}

# tunnel HOST: strongSwan's charon with the connections that stand in ipsec.conf.
tunnel() {
    local host=$1 dir=$WORK/hosts/$1/ipsec try
    cat >"$dir/strongswan.conf" <<CONF
charon {
    load = random nonce aes des md5 sha1 sha2 hmac gmp curve25519 openssl kdf gcm pem pkcs1 x509 pubkey kernel-netlink socket-default stroke
    i_dont_care_about_security_and_use_aggressive_mode_psk = yes
    install_routes = no
    dos_protection = no
    filelog { stderr { default = 1 } }
}
CONF
    echo ': PSK "Sample-Tunnel-5"' >"$dir/ipsec.secrets"
    serve "$host" sh -c "mount -t tmpfs tmpfs /run; mount --bind $dir/ipsec.conf /etc/ipsec.conf; mount --bind $dir/ipsec.secrets /etc/ipsec.secrets;
        exec env STRONGSWAN_CONF=$dir/strongswan.conf ipsec start --nofork"
    for try in $(seq 50); do
        ! at "$host" ss -Hlun 'sport = :500' | grep -q . || return 0
        sleep 0.1
    done
    echo "no IKE on $host after $try tries" >&2
    return 1
}

scene_weakike() {
    mkdir -p "$WORK"/hosts/{door,facility}/ipsec
    cat >"$WORK/hosts/door/ipsec/ipsec.conf" <<CONF
conn %default
    left=192.168.50.71
    leftid=gate.office.example
    right=%any
    authby=secret
    auto=add
    ike=aes128-sha256-modp2048,3des-md5-modp1024,aes128-sha1-modp1536!
conn aggressive
    keyexchange=ikev1
    aggressive=yes
conn main
    keyexchange=ikev1
conn new
    keyexchange=ikev2
    ike=aes256gcm16-prfsha256-x25519,3des-md5-modp1024!
CONF
    cat >"$WORK/hosts/facility/ipsec/ipsec.conf" <<CONF
conn sound
    keyexchange=ikev2
    right=192.168.50.71
    rightid=gate.office.example
    authby=secret
    auto=start
    ike=aes256gcm16-prfsha256-x25519!
CONF
    tunnel door
    sleep 1
    record weak-ike br50
    local scan=(at facility ike-scan --nodns --retry=1 --sport=0) it=192.168.50.71
    # Transforms: cipher, hash, authentication, group (RFC 2409, appendix A).
    "${scan[@]}" --trans=5,1,1,2 $it >"$WORK/log/ike-main" 2>&1 || true
    "${scan[@]}" --trans=7/128,2,1,5 $it >>"$WORK/log/ike-main" 2>&1 || true
    "${scan[@]}" --aggressive --id=office --dhgroup=14 --trans=7/128,4,1,14 $it >"$WORK/log/ike-aggressive" 2>&1 || true
    "${scan[@]}" --ikev2 $it >"$WORK/log/ike-2" 2>&1 || true
    # Sound algorithms, by a gateway of its own.
    tunnel facility
    sleep 1
    stop_recording
    keep weak-ike
}
