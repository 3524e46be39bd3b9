# shellcheck shell=bash
# Mail, news and chat. Sourced by record.sh after scenes.sh.

SCENES+=" mail chat"

# dovecot_server HOST: IMAP and POP3, with STARTTLS offered and not insisted on, and one account.
dovecot_server() {
    # Its own users must be able to read what is theirs, so it does not lie in the work folder.
    local dir=/run/mailboxes
    mkdir -p "$dir"
    echo 'facility@office.example:{PLAIN}Sample-Mail-5' >"$dir/users"
    cat >"$dir/dovecot.conf" <<CONF
protocols = imap pop3
base_dir = /run/dovecot
state_dir = $dir
log_path = $WORK/log/dovecot
ssl = yes
ssl_cert = <$CERTIFICATE
ssl_key = <$CERTIFICATE.key
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5 digest-md5 apop scram-sha-256
auth_realms = office.example
passdb {
  driver = passwd-file
  args = username_format=%u $dir/users
}
userdb {
  driver = static
  args = uid=mail gid=mail home=$dir/mail
}
mail_location = maildir:$dir/mail
first_valid_uid = 1
CONF
    mkdir -p "$dir/mail" && chown mail:mail "$dir/mail"
    serve "$1" dovecot -F -c "$dir/dovecot.conf"
    listening "$1" 143
    listening "$1" 110
}

# mail_from HOST SWAKS-ARGUMENT...
mail_from() {
    local host=$1
    shift
    at "$host" swaks --server 192.168.40.61 --timeout 5 --to facility@office.example --from scanner@office.example \
        --auth-user scanner@office.example --header 'Subject: Scan 0001' --header-X-Mailer 'Sample MFP 4.2' \
        --body 'A page that was scanned.' "$@" >"$WORK/log/swaks" 2>&1 || true
}

scene_mail() {
    serve nas "$RECORD/smtpd.py" 25
    serve nas "$RECORD/smtpd.py" 587 "$CERTIFICATE"
    listening nas 25
    listening nas 587
    dovecot_server nas
    record mail-office br50
    # A printer that mails its scans, first with a wrong password; without TLS, although it is offered; with it.
    mail_from printer2 --ehlo brn001ba9e2c722.office.example --auth LOGIN --auth-password wrong-Guess-0 --quit-after AUTH
    mail_from printer2 --ehlo brn001ba9e2c722.office.example --auth LOGIN --auth-password Sample-Mail-4
    mail_from printer2 --ehlo brn001ba9e2c722.office.example --port 587 --auth PLAIN --auth-password Sample-Mail-4
    mail_from printer2 --ehlo brn001ba9e2c722.office.example --port 587 --tls --auth PLAIN --auth-password Sample-Mail-4
    # A mailbox: by a password, by challenges (curl calls DIGEST-MD5 off), by TLS.
    local user=facility@office.example
    fetch facility -u $user:Sample-Mail-5 --login-options AUTH=PLAIN imap://192.168.40.61/INBOX
    fetch facility -u $user:Sample-Mail-5 --login-options AUTH=CRAM-MD5 imap://192.168.40.61/INBOX
    fetch facility -u $user:Sample-Mail-5 --login-options AUTH=DIGEST-MD5 imap://192.168.40.61/INBOX
    fetch facility -k --ssl-reqd -u $user:Sample-Mail-5 imap://192.168.40.61/INBOX
    fetch facility -u $user:Sample-Mail-5 --login-options AUTH=+APOP pop3://192.168.40.61/
    fetch facility -u $user:wrong-Guess-0 --login-options AUTH=LOGIN pop3://192.168.40.61/
    at facility "$RECORD/say.py" 192.168.40.61 143 <<SCRIPT
OK	a1 ID ("name" "Sample Mail" "version" "3.1" "os" "Linux")\r\n
a1 OK	a2 LOGIN "$user" {13}\r\n
+ OK	Sample-Mail-5\r\n
a2 OK	a3 SELECT INBOX\r\n
a3 OK	a4 LOGOUT\r\n
a4 OK	
SCRIPT
    at facility "$RECORD/say.py" 192.168.40.61 110 <<SCRIPT
+OK	USER $user\r\n
+OK	PASS Sample-Mail-5\r\n
+OK	STAT\r\n
+OK	QUIT\r\n
SCRIPT
    stop_recording
    keep mail-office
}

scene_chat() {
    local dir=$WORK/hosts/nas/chat
    mkdir -p "$dir/data/nas%2eoffice%2eexample/accounts"
    cat >"$dir/ngircd.conf" <<CONF
[Global]
Name = irc.office.example
Info = Sample Office
Password = Sample-Chat-1
ServerUID = root
ServerGID = root
PidFile = $dir/ngircd.pid
[Options]
DNS = no
Ident = no
PAM = no
[Operator]
Name = root
Password = Sample-Oper-1
CONF
    cat >"$dir/prosody.cfg.lua" <<CONF
run_as_root = true
pidfile = "$dir/prosody.pid"
data_path = "$dir/data"
modules_enabled = { "saslauth", "tls", "roster", "version", "legacyauth" }
authentication = "internal_plain"
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
log = { warn = "*stdout" }
certificates = "$dir"
VirtualHost "nas.office.example"
  ssl = { key = "$CERTIFICATE.key", certificate = "$CERTIFICATE" }
CONF
    printf 'return { ["password"] = "Sample-Chat-2" }\n' >"$dir/data/nas%2eoffice%2eexample/accounts/facility.dat"
    serve nas ngircd -n -f "$dir/ngircd.conf"
    serve nas prosody -F --config "$dir/prosody.cfg.lua"
    serve nas "$RECORD/newsd.py" 119
    listening nas 6667
    listening nas 5222
    listening nas 119
    record chat-office br50
    # A door controller that takes its commands from a chat: wrong password, right one, operator.
    at door2 "$RECORD/say.py" 192.168.40.61 6667 <<'SCRIPT' || true
	PASS wrong-Guess-0\r\nNICK door72\r\nUSER acs 0 * :Door controller\r\n
ERROR	
SCRIPT
    at door2 "$RECORD/say.py" 192.168.40.61 6667 <<'SCRIPT'
	PASS Sample-Chat-1\r\nNICK door72\r\nUSER acs 0 * :Door controller\r\n
 376 	JOIN #doors\r\n
 366 	OPER root Sample-Oper-1\r\n
 381 	PRIVMSG NickServ :IDENTIFY Sample-Chat-3\r\n
 401 	PRIVMSG #doors :ready\r\nQUIT\r\n
ERROR	
SCRIPT
    local head="<?xml version='1.0'?><stream:stream to='nas.office.example' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
    # Who leaves the version out gets no features, and logs in as Jabber did before SASL.
    local plain old="<stream:stream to='nas.office.example' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
    plain=$(printf '\0facility\0Sample-Chat-2' | base64)
    at facility "$RECORD/say.py" 192.168.40.61 5222 <<SCRIPT
	$head
</stream:features>	<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>$plain</auth>
<success	$head
</stream:features>	<iq type='get' id='v1' to='nas.office.example'><query xmlns='jabber:iq:version'/></iq></stream:stream>
</stream:stream>	
SCRIPT
    at facility "$RECORD/say.py" 192.168.40.61 5222 <<SCRIPT
	$old
<stream:stream	<iq type='set' id='a1'><query xmlns='jabber:iq:auth'><username>facility</username><password>wrong-Guess-0</password><resource>x</resource></query></iq>
</iq>	</stream:stream>
</stream:stream>	
SCRIPT
    at facility "$RECORD/say.py" 192.168.40.61 119 <<'SCRIPT'
200	CAPABILITIES\r\n
.	GROUP office.test\r\n
480	AUTHINFO USER facility\r\n
381	AUTHINFO PASS Sample-News-1\r\n
281	GROUP office.test\r\n
211	ARTICLE 1\r\n
220	POST\r\n
340	From: facility@office.example\r\nNewsgroups: office.test\r\nSubject: Re: Doors\r\nUser-Agent: Sample Reader/1.0\r\n\r\nThank you.\r\n.\r\n
240	QUIT\r\n
205	
SCRIPT
    stop_recording
    keep chat-office
}
