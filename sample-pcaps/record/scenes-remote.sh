# shellcheck shell=bash
# Remote access: screens, shells, debuggers. Sourced by record.sh after scenes.sh.

SCENES+=" remote"

# screen HOST DISPLAY PORT OPTION...: a small X server that shows itself over VNC.
screen() {
    local host=$1 display=$2 port=$3
    shift 3
    serve "$host" Xtigervnc ":$display" -rfbport "$port" -geometry 64x48 -depth 16 -desktop "Room panel $display" "$@"
    listening "$host" "$port"
}

# look_at HOST ADDRESS::PORT OPTION...
look_at() {
    local host=$1 target=$2
    shift 2
    at "$host" timeout 10 vncsnapshot -quiet -nocursor "$@" "$target" "$WORK/snapshot.jpg" \
        >>"$WORK/log/vncsnapshot" 2>&1 </dev/null || true
}

scene_remote() {
    local kind
    # Eight characters count, and both programs keep them in a file of their own form.
    echo Sample-Vnc-1 | tigervncpasswd -f >"$WORK/conf/screen" 2>/dev/null
    echo wrong-Guess-0 | tigervncpasswd -f >"$WORK/conf/guess" 2>/dev/null
    screen panel 1 5900 -SecurityTypes None
    screen panel 2 5901 -SecurityTypes VncAuth -PasswordFile "$WORK/conf/screen"
    for kind in rlogin rsh rexec; do serve nas "$RECORD/rcmdd.py" $kind; done
    for kind in 512 513 514; do listening nas $kind; done
    serve meeting "$RECORD/adbd.py" 5555 open
    serve meeting "$RECORD/adbd.py" 5556 key
    listening meeting 5555
    listening meeting 5556
    record remote-office br40
    look_at laptop 192.168.40.51::5900
    look_at laptop 192.168.40.51::5901 -passwd "$WORK/conf/guess"
    look_at laptop 192.168.40.51::5901 -passwd "$WORK/conf/screen"
    at laptop timeout 10 rsh-redone-rsh -l backup 192.168.40.61 uptime --token=Sample-Rcmd-2 >/dev/null || true
    at laptop timeout 10 rsh-redone-rsh -l root 192.168.40.61 uptime >/dev/null 2>&1 || true
    at laptop "$RECORD/typist.py" rsh-redone-rlogin -l service 192.168.40.61 >/dev/null <<'SCRIPT'
Password:	wrong-Guess-0
login:	service
Password:	Sample-Rcmd-1
nas#	uptime
nas#	exit
SCRIPT
    at laptop2 python3 - >/dev/null <<'PYTHON'
import socket
with socket.create_connection(("192.168.40.61", 512), timeout=5) as connection:
    connection.sendall(b"0\0service\0Sample-Rcmd-1\0uptime\0")
    while connection.recv(4096):
        pass
PYTHON
    # The key that it makes says whose it is.
    at laptop2 env HOME="$WORK/hosts/laptop2" LOGNAME=rossi HOSTNAME=LT-ROSSI "$RECORD/debug.sh" \
        192.168.40.53:5555 192.168.40.53:5556 >"$WORK/log/adb" 2>&1 || true
    keep remote-office
}
