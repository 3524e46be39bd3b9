# shellcheck shell=bash
# Voice, video and printing. Sourced by record.sh after scenes.sh.

SCENES+=" voice camera turn printing"

# The exchange: registers whoever gives an answer to its challenge, and takes calls.
sip_scenarios() {
    cat >"$WORK/conf/register-uas.xml" <<'XML'
<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="registrar">
  <recv request="REGISTER"/>
  <send><![CDATA[
SIP/2.0 401 Unauthorized
[last_Via:]
[last_From:]
[last_To:];tag=[pid]SIPpTag01[call_number]
[last_Call-ID:]
[last_CSeq:]
Server: Sample-PBX 18.2
WWW-Authenticate: Digest realm="pbx.office.example", nonce="47f1a1b2c3d4e5f6", algorithm=MD5
Content-Length: 0

]]></send>
  <recv request="REGISTER"/>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[pid]SIPpTag01[call_number]
[last_Call-ID:]
[last_CSeq:]
Server: Sample-PBX 18.2
Contact: <sip:201@[remote_ip]:[remote_port]>
Expires: 3600
Content-Length: 0

]]></send>
</scenario>
XML
    cat >"$WORK/conf/register-uac.xml" <<'XML'
<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="phone registers">
  <send retrans="500"><![CDATA[
REGISTER sip:[remote_ip] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:201@[remote_ip]>;tag=[pid]SIPpTag00[call_number]
To: <sip:201@[remote_ip]>
Call-ID: [call_id]
CSeq: 1 REGISTER
Contact: <sip:201@[local_ip]:[local_port]>
User-Agent: Sample-Phone T46S 66.86.0.15
Expires: 3600
Content-Length: 0

]]></send>
  <recv response="401" auth="true"/>
  <send retrans="500"><![CDATA[
REGISTER sip:[remote_ip] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:201@[remote_ip]>;tag=[pid]SIPpTag00[call_number]
To: <sip:201@[remote_ip]>
Call-ID: [call_id]
CSeq: 2 REGISTER
Contact: <sip:201@[local_ip]:[local_port]>
User-Agent: Sample-Phone T46S 66.86.0.15
[authentication username=201 password=Sample-Phone-6]
Expires: 3600
Content-Length: 0

]]></send>
  <recv response="200"/>
</scenario>
XML
    cat >"$WORK/conf/call-uac.xml" <<XML
<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="phone calls">
  <send retrans="500"><![CDATA[
INVITE sip:202@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "Front desk" <sip:201@[local_ip]>;tag=[pid]SIPpTag00[call_number]
To: <sip:202@[remote_ip]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:201@[local_ip]:[local_port]>
User-Agent: Sample-Phone T46S 66.86.0.15
Content-Type: application/sdp
Content-Length: [len]

v=0
o=201 53655765 2353687637 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [rtpstream_audio_port] RTP/AVP 8
a=rtpmap:8 PCMA/8000

]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="200"/>
  <send><![CDATA[
ACK sip:202@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "Front desk" <sip:201@[local_ip]>;tag=[pid]SIPpTag00[call_number]
To: <sip:202@[remote_ip]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Content-Length: 0

]]></send>
  <nop><action><exec rtp_stream="$WORK/conf/tone.alaw,1,8,PCMA/8000"/></action></nop>
  <pause milliseconds="400"/>
  <send retrans="500"><![CDATA[
BYE sip:202@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "Front desk" <sip:201@[local_ip]>;tag=[pid]SIPpTag00[call_number]
To: <sip:202@[remote_ip]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 BYE
Content-Length: 0

]]></send>
  <recv response="200"/>
</scenario>
XML
    # A tenth of a second of silence in A-law, again and again.
    head -c 4000 /dev/zero | tr '\0' '\325' >"$WORK/conf/tone.alaw"
}

scene_voice() {
    local nas=192.168.40.61 phone=192.168.40.41 phone2=192.168.40.42
    sip_scenarios
    record voice-call br40
    serve nas sipp -sf "$WORK/conf/register-uas.xml" -i $nas -p 5060 -m 1 -nostdin
    sleep 0.5
    at phone sipp -sf "$WORK/conf/register-uac.xml" -i $phone -p 5060 -m 1 -nostdin $nas >"$WORK/log/sipp-register" 2>&1 || true
    serve phone2 sipp -sn uas -i $phone2 -p 5060 -m 1 -nostdin
    sleep 0.5
    at phone sipp -sf "$WORK/conf/call-uac.xml" -i $phone -p 5060 -m 1 -nostdin $phone2 >"$WORK/log/sipp-call" 2>&1 || true
    stop_recording
    keep voice-call
}

# watch URL PROTOCOL: a recorder takes the stream for a moment.
watch() {
    at facility timeout 1 gst-launch-1.0 -q rtspsrc location="$1" protocols="$2" latency=0 "${@:3}" ! fakesink \
        >>"$WORK/log/gst" 2>&1 || true
}

scene_camera() {
    serve camera "$RECORD/rtspd.py" 554 basic
    serve camera "$RECORD/rtspd.py" 8555 open
    serve camera2 "$RECORD/rtspd.py" 8554 digest
    listening camera 554
    listening camera 8555
    listening camera2 8554
    record camera-streams br50
    watch rtsp://192.168.50.31/stream tcp user-id=viewer user-pw=Sample-Stream-7
    watch rtsp://192.168.50.32:8554/stream udp user-id=viewer user-pw=Sample-Stream-7
    watch rtsp://192.168.50.31:8555/stream tcp
    stop_recording
    keep camera-streams
}

scene_turn() {
    serve nas turnserver -n --no-cli --no-tls --no-dtls --lt-cred-mech -r office.example -u meeting:Sample-Relay-8 \
        -L 192.168.40.61 -E 192.168.40.61 --allow-loopback-peers --no-stdout-log -l /dev/null
    sleep 1.5
    record turn-relay br40
    at meeting timeout 8 turnutils_uclient -u meeting -w Sample-Relay-8 -n 2 -c -e 192.168.40.53 -m 1 192.168.40.61 >"$WORK/log/uclient" 2>&1 || true
    at meeting timeout 8 turnutils_uclient -u meeting -w wrong-Guess-0 -n 1 -c -e 192.168.40.53 -m 1 192.168.40.61 >>"$WORK/log/uclient" 2>&1 || true
    stop_recording
    keep turn-relay
}

scene_printing() {
    local job=$WORK/conf/job.ps
    printf '%%!PS-Adobe-3.0\n%%%%Title: (Offer 2026-11)\n%%%%For: mueller\n%%%%Creator: lp\n%%%%EndComments\nshowpage\n' >"$job"
    serve printer "$RECORD/printerd.py"
    mkdir -p /run/lock/p910nd
    serve printer2 p910nd -d -b -f /dev/null 0
    listening printer 9100
    listening printer 515
    listening printer2 9100
    record printing br50
    {
        printf '\033%%-12345X@PJL\r\n@PJL INFO ID\r\n@PJL INFO STATUS\r\n@PJL DINQUIRE PASSWORD\r\n'
        printf '@PJL FSDIRLIST NAME="0:\\" ENTRY=1 COUNT=9\r\n'
        sleep 0.3
        printf '@PJL JOB NAME="Offer 2026-11" PASSWORD=Sample-Pjl-9\r\n@PJL SET USERNAME="mueller"\r\n'
        printf '@PJL ENTER LANGUAGE=POSTSCRIPT\r\n'
        cat "$job"
        printf '\033%%-12345X@PJL EOJ NAME="Offer 2026-11"\r\n\033%%-12345X'
        sleep 0.3
    } | at facility busybox nc -w 2 192.168.50.21 9100 >"$WORK/log/pjl" || true
    at facility busybox nc -w 1 192.168.50.22 9100 <"$job" >/dev/null || true
    # shellcheck disable=SC2016 # the host's own shell knows WORK
    at facility sh -c 'cd "$WORK/conf" && rlpr --no-bind -H 192.168.50.21 -P raw -J "Offer 2026-11" job.ps' \
        >"$WORK/log/rlpr" 2>&1 || true
    stop_recording
    keep printing
}
