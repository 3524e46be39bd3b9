# shellcheck shell=bash
# The web: logins, printing, proxies.

SCENES+=" weblogins webprint webproxy"

scene_weblogins() {
    local at=http://192.168.50.32 port=http://192.168.50.32:8080 mapping
    printf 'admin:AXIS_SAMPLE:%s\n' "$(printf 'admin:AXIS_SAMPLE:Sample-Digest-4' | md5sum | cut -d' ' -f1)" >"$WORK/conf/htdigest"
    web camera2 "Sample-Cam/9.80" 'auth.backend = "htdigest"' "auth.backend.htdigest.userfile = \"$WORK/conf/htdigest\"" \
        'auth.require = ("/" => ("method" => "digest", "realm" => "AXIS_SAMPLE", "require" => "valid-user"))'
    serve camera2 "$RECORD/webapp.py" 8080
    listening camera2 8080
    record web-logins br50
    fetch facility --digest -u admin:wrong-Guess-0 $at/index.html
    fetch facility --digest -u admin:Sample-Digest-4 $at/index.html
    fetch facility $port/
    fetch facility -d username=admin -d password=wrong-Guess-0 $port/login.cgi
    fetch facility -d username=admin -d password=Sample-Form-5 $port/login.cgi
    fetch facility --json '{"jsonrpc":"2.0","id":1,"method":"call","params":["0","session","login",{"username":"root","password":"wrong-Guess-0"}]}' $port/ubus
    fetch facility --ntlm -u 'OFFICE\admin:Sample-Ntlm-7' $port/ntlm
    fetch facility -H 'X-API-Key: Sample-Key-8' $port/api/state
    fetch facility $port/description.xml
    at facility "$RECORD/onvif.py" $port/onvif/device_service admin Sample-Onvif-6
    at facility "$RECORD/onvif.py" $port/onvif/device_service admin Sample-Onvif-6 text
    mapping='<s:Envelope><s:Body><u:AddPortMapping xmlns:u="urn:schemas-upnp-org:service:WANIPConnection:1"><NewRemoteHost></NewRemoteHost>'
    mapping+='<NewExternalPort>8443</NewExternalPort><NewProtocol>TCP</NewProtocol><NewInternalPort>443</NewInternalPort>'
    mapping+='<NewInternalClient>192.168.50.12</NewInternalClient><NewEnabled>1</NewEnabled>'
    mapping+='<NewPortMappingDescription>remote view</NewPortMappingDescription></u:AddPortMapping></s:Body></s:Envelope>'
    fetch facility -H 'Content-Type: text/xml' -d "$mapping" $port/ctl/IPConn
    fetch facility -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \
        -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' $port/live
    stop_recording
    keep web-logins
}

scene_webprint() {
    local queue=ipp://192.168.50.22:631/printers/hallb root=$WORK/hosts/printer2/cups
    mkdir -p "$root/spool/tmp" "$root/cache" "$root/state"
    printf '<Printer hallb>\nInfo LaserLine Hall B\nLocation Hall B, room 3\nMakeModel Sample Works LaserLine 300\nDeviceURI file:///dev/null\nState Idle\nAccepting Yes\n</Printer>\n' >"$root/printers.conf"
    printf 'Listen 0.0.0.0:631\nBrowsing Off\nLogLevel error\nServerAlias *\n<Location />\nAllow all\n</Location>\n' >"$root/cupsd.conf"
    printf 'FileDevice Yes\nSystemGroup root\nServerRoot %s\nRequestRoot %s\nTempDir %s\nCacheDir %s\nStateDir %s\nErrorLog stderr\nAccessLog %s\nPageLog %s\n' \
        "$root" "$root/spool" "$root/spool/tmp" "$root/cache" "$root/state" "$root/access" "$root/pages" >"$root/cups-files.conf"
    serve printer2 cupsd -f -c "$root/cupsd.conf" -s "$root/cups-files.conf"
    listening printer2 631
    printf 'Leave request, room 3\n' >"$WORK/conf/leave.txt"
    record web-print br50
    at facility ipptool $queue get-printer-attributes.test >/dev/null 2>&1 || true
    at facility ipptool -f "$WORK/conf/leave.txt" $queue print-job.test >/dev/null 2>&1 || true
    stop_recording
    keep web-print
}

scene_webproxy() {
    web camera "Sample-Cam/9.80"
    openssl_server camera 443
    printf 'Port 8888\nListen 0.0.0.0\nTimeout 10\nMaxClients 5\nLogLevel Critical\nBasicAuth surf Sample-Proxy-9\nConnectPort 443\n' \
        >"$WORK/conf/tinyproxy"
    serve door tinyproxy -d -c "$WORK/conf/tinyproxy"
    serve door microsocks -p 1080 -u surf -P Sample-Socks-10
    serve door nghttpd --no-tls -d "$WORK/hosts/camera/www" 8090
    listening door 8888
    listening door 1080
    listening door 8090
    record web-proxies br50
    fetch facility -x http://surf:wrong-Guess-0@192.168.50.71:8888 http://camera.office.example/index.html
    fetch facility -x http://surf:Sample-Proxy-9@192.168.50.71:8888 http://camera.office.example/index.html
    fetch facility -k -x http://surf:Sample-Proxy-9@192.168.50.71:8888 https://camera.office.example/
    fetch facility -x socks5h://surf:Sample-Socks-10@192.168.50.71:1080 http://camera.office.example/index.html
    fetch facility -x socks5://surf:wrong-Guess-0@192.168.50.71:1080 http://camera.office.example/index.html
    fetch facility --http2-prior-knowledge -u viewer:Sample-Cam-3 http://192.168.50.71:8090/index.html
    stop_recording
    keep web-proxies
}
