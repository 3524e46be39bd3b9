# shellcheck shell=bash
# QUIC. Sourced by record.sh after scenes.sh.

SCENES+=" quic"

# ask_quic PORT NAME ALPN [WORD...]
ask_quic() {
    at facility timeout 10 "$RECORD/quic.py" "$WORK/aioquic" ask 192.168.50.23 "$@" >>"$WORK/log/quic-client" 2>&1 || true
}

scene_quic() {
    local name=printer3.office.example try
    serve printer3 "$RECORD/quic.py" "$WORK/aioquic" serve "$CERTIFICATE" 443 h3
    serve printer3 "$RECORD/quic.py" "$WORK/aioquic" serve "$CERTIFICATE" 853 doq retry
    for try in $(seq 50); do
        [ "$(at printer3 ss -Hlun 'sport = :443 or sport = :853' | wc -l)" -lt 2 ] || break
        sleep 0.1
    done
    record quic br50
    ask_quic 443 $name h3
    ask_quic 443 $name h3 v2
    ask_quic 443 $name h3 reserved
    ask_quic 853 $name doq
    ask_quic 443 $name h3 resume
    # Not what is served there: refused.
    ask_quic 443 $name smb
    stop_recording
    keep quic
}
