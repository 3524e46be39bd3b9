# shellcheck shell=bash
# Cryptography: servers with one weakness each, and sessions whose keys were logged.

SCENES+=" weaktls weakcerts keys"

CAMERA=camera.office.example

# ask PORT OPTION...: one request over TLS to the camera by a client that accepts any certificate.
ask() {
    local port=$1
    shift
    printf 'GET / HTTP/1.0\r\n\r\n' | at facility timeout 5 openssl s_client -connect "$CAMERA:$port" \
        -servername "$CAMERA" -ign_eof "$@" >"$WORK/log/ask-$port" 2>&1 || true
}

# with CERTIFICATE PORT OPTION...: a server of OpenSSL with one of the certificates.
with() {
    local pem=$CERTS/$1.pem port=$2
    shift 2
    serve camera openssl s_server -quiet -www -accept "$port" -cert "$pem" -key "$pem" -cert_chain "$pem" "$@"
    listening camera "$port"
}

make_certs() {
    CERTS=$WORK/conf/certs
    [ -d "$CERTS" ] || { mkdir -p "$CERTS" && /usr/bin/python3 -W ignore "$RECORD/certs.py" "$CERTS"; }
}

# Each port has another weakness; what is expected of each stands in tests/matrix.rs.
scene_weaktls() {
    make_certs
    local old=(-cipher ALL:COMPLEMENTOFALL:@SECLEVEL=0) any=(-cipher DEFAULT:@SECLEVEL=0) pem=$CERTS/sound.pem
    openssl dhparam -2 -out "$WORK/conf/dh1024.pem" 1024 2>/dev/null
    with sound 8001
    with sound-ec 8002
    with sound 8003 -tls1 "${old[@]}"
    with sound 8004 -tls1_1 "${old[@]}"
    with sound 8005 -tls1_2 "${old[@]}"
    with sound 8006 -tls1_2 -dhparam "$WORK/conf/dh1024.pem" "${old[@]}"
    with sound 8007 -tls1_2 -named_curve prime192v1 "${old[@]}"
    with sound 8008 -tls1_2 "${old[@]}" -sigalgs RSA+SHA1
    serve camera gnutls-serv --quiet --http --disable-client-cert -p 8009 --x509keyfile "$pem" --x509certfile "$pem" \
        --priority 'NORMAL:+VERS-TLS1.0:+VERS-TLS1.1:+3DES-CBC:+ARCFOUR-128:+RSA:+MD5:+SHA1:%ALLOW_SMALL_RECORDS'
    listening camera 8009
    serve camera gnutls-serv --quiet --http --disable-client-cert -p 8010 --x509keyfile "$pem" --x509certfile "$pem" \
        --priority 'NORMAL:-VERS-ALL:+VERS-TLS1.2:%DISABLE_SAFE_RENEGOTIATION'
    listening camera 8010
    record weak-tls br50
    ask 8001 -tls1_3
    ask 8001 -tls1_2
    ask 8002 -tls1_2
    ask 8003 "${any[@]}"
    ask 8004 "${any[@]}"
    ask 8005 -cipher NULL-SHA256:@SECLEVEL=0
    ask 8006 -cipher DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0
    ask 8007 -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0 -curves prime192v1
    ask 8008 -cipher ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0 -sigalgs RSA+SHA1
    printf 'GET / HTTP/1.0\r\n\r\n' | at facility timeout 5 gnutls-cli --insecure -p 8009 \
        --priority 'NORMAL:+RSA:+SHA1:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+3DES-CBC' $CAMERA >"$WORK/log/gnutls-cli-3des" 2>&1 || true
    printf 'GET / HTTP/1.0\r\n\r\n' | at facility timeout 5 gnutls-cli --insecure -p 8010 $CAMERA >"$WORK/log/gnutls-cli" 2>&1 || true
    # Nobody is authenticated; the same without forward secrecy.
    ask 8005 -cipher ADH-AES128-SHA256:@SECLEVEL=0
    ask 8005 -cipher AES128-GCM-SHA256:@SECLEVEL=0
    stop_recording
    keep weak-tls
}

scene_weakcerts() {
    make_certs
    local name port=8100 tls12=(-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256:@SECLEVEL=0)
    local names=(sound sound-ec expired future ending self-signed other-name sha1 as-ca wildcard factory short-key
        weak-curve batch-1 prime-1 prime-2 serial-1 serial-2)
    for name in "${names[@]}"; do
        port=$((port + 1))
        with "$name" $port "${tls12[@]}"
    done
    serve camera2 openssl s_server -quiet -www -accept 8114 -cert "$CERTS/batch-2.pem" -key "$CERTS/batch-2.pem" \
        -cert_chain "$CERTS/batch-2.pem" "${tls12[@]}"
    listening camera2 8114
    record weak-certificates br50
    port=8100
    for name in "${names[@]}"; do
        port=$((port + 1))
        # This client checks nothing, as the firmware of many devices does.
        ask $port -cipher DEFAULT:@SECLEVEL=0 -curves X25519:prime256v1:prime192v1
    done
    printf 'GET / HTTP/1.0\r\n\r\n' | at facility timeout 5 openssl s_client -connect 192.168.50.32:8114 \
        -servername camera2.office.example -ign_eof >"$WORK/log/ask-camera2" 2>&1 || true
    # A client that looks, and turns away.
    at facility curl -sS -m 8 --cacert "$CERTS/ca.pem" --resolve "$CAMERA:8103:192.168.50.31" \
        --ciphers DEFAULT:@SECLEVEL=0 "https://$CAMERA:8103/" >"$WORK/log/curl-refuses" 2>&1 || true
    stop_recording
    keep weak-certificates
}

# Logins within TLS 1.2 and 1.3 whose keys the client logged; the log goes into the capture.
scene_keys() {
    make_certs
    local log=$WORK/conf/keys.log
    mapfile -t lines < <(basic_auth "AXIS_SAMPLE0C9131")
    web camera "Sample-Cam/9.80" "\$SERVER[\"socket\"] == \":443\" { ssl.engine = \"enable\" ssl.pemfile = \"$CERTS/sound.pem\" }" \
        "${lines[@]}"
    listening camera 443
    record keys br50
    : >"$log"
    local version
    for version in 1.2 1.3; do
        at facility env "SSLKEYLOGFILE=$log" curl -sS -m 8 --cacert "$CERTS/ca.pem" --tlsv1.2 --tls-max "$version" --http1.1 \
            -u "viewer:wrong-Guess-$version" "https://$CAMERA/index.html" >/dev/null || true
        at facility env "SSLKEYLOGFILE=$log" curl -sS -m 8 --cacert "$CERTS/ca.pem" --tlsv1.2 --tls-max "$version" --http1.1 \
            -u viewer:Sample-Cam-3 "https://$CAMERA/index.html" "https://$CAMERA/img/snapshot.txt" >/dev/null || true
    done
    stop_recording
    editcap -F pcapng "$(raw keys)" "$WORK/raw/keys-plain.pcapng"
    "$RECORD/scrub.py" "$WORK/raw/keys-plain.pcapng" "$WORK/raw/keys-scrubbed.pcapng"
    editcap --inject-secrets "tls,$log" "$WORK/raw/keys-scrubbed.pcapng" "$OUT/tls-keys.pcapng"
}
