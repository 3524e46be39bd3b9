# shellcheck shell=bash
# Databases, brokers and controllers. Sourced by record.sh after scenes.sh.

SCENES+=" mqtt databases controllers"

# A broker that asks for a login on one port and lets anybody in on another.
scene_mqtt() {
    local conf=$WORK/hosts/nas/mosquitto.conf
    mosquitto_passwd -b -c "$WORK/conf/mqtt" panel Sample-Broker-1
    cat >"$conf" <<CONF
user root
per_listener_settings true
listener 1883
allow_anonymous false
password_file $WORK/conf/mqtt
listener 1884
allow_anonymous true
CONF
    serve nas mosquitto -c "$conf"
    listening nas 1884
    record mqtt br40 'tcp port 1883 or tcp port 1884'
    at panel mosquitto_pub -h 192.168.40.61 -V mqttv311 -i panel-51 -u panel -P wrong-Guess-0 -t room/4/light -m on || true
    at panel mosquitto_pub -h 192.168.40.61 -V mqttv311 -i panel-51 -u panel -P Sample-Broker-1 -q 1 \
        --will-topic room/4/panel --will-payload gone -t room/4/light -m on
    serve panel mosquitto_sub -h 192.168.40.61 -V mqttv5 -i panel-51-sub -u panel -P Sample-Broker-1 -t 'room/+/light' -C 2
    sleep 0.5
    at panel2 mosquitto_pub -h 192.168.40.61 -p 1884 -V mqttv5 -i evoko-52 -t room/5/light -m off
    at panel2 mosquitto_pub -h 192.168.40.61 -p 1884 -V mqttv31 -i evoko-52 -r -t room/6/light -m off
    sleep 0.5
    stop_recording
    keep mqtt
}

# Redis with and without a login; PostgreSQL and MariaDB with each of their methods.
scene_databases() {
    local pg=$WORK/hosts/nas/pg my=$WORK/hosts/nas/my sql method bin
    serve nas redis-server --port 6379 --bind 0.0.0.0 --requirepass Sample-Cache-1 --save '' --dir "$WORK/hosts/nas"
    serve nas redis-server --port 6380 --bind 0.0.0.0 --protected-mode no --save '' --dir "$WORK/hosts/nas"

    bin=$(echo /usr/lib/postgresql/*/bin)
    mkdir -p "$pg" && chown postgres "$pg" && chmod 755 "$WORK" "$WORK/hosts" "$WORK/hosts/nas"
    runuser -u postgres -- "$bin/initdb" -D "$pg" -A trust >/dev/null
    cat >"$pg/pg_hba.conf" <<'CONF'
local all all trust
host clear all 0.0.0.0/0 password
host digest all 0.0.0.0/0 md5
host scram all 0.0.0.0/0 scram-sha-256
host open all 0.0.0.0/0 trust
CONF
    serve nas runuser -u postgres -- "$bin/postgres" -D "$pg" -h 0.0.0.0 -k "$pg"
    listening nas 5432
    sql() { at nas runuser -u postgres -- psql -q -h "$pg" "$@"; }
    for method in clear digest scram open; do sql -c "create database $method"; done
    sql -c "create role shop login password 'Sample-Database-1'"
    sql -c "set password_encryption='md5'" -c "create role legacy login password 'Sample-Database-1'"

    mariadb-install-db --user=root --datadir="$my" --auth-root-authentication-method=normal --skip-test-db >/dev/null
    serve nas mariadbd --no-defaults --user=root --datadir="$my" --socket="$my/s" --port=3306 --bind-address=0.0.0.0
    listening nas 3306
    at nas mariadb -S "$my/s" -e "create database shop; create user shop@'%' identified by 'Sample-Database-1'; grant all on shop.* to shop@'%'"

    record databases br40 'tcp port 6379 or tcp port 6380 or tcp port 5432 or tcp port 3306'
    at laptop redis-cli -h 192.168.40.61 --no-auth-warning -a wrong-Guess-0 ping >/dev/null 2>&1 || true
    at laptop redis-cli -h 192.168.40.61 --no-auth-warning --user default -a Sample-Cache-1 set order 7 >/dev/null
    at laptop redis-cli -h 192.168.40.61 -p 6380 get order >/dev/null
    for method in clear:shop digest:legacy scram:shop open:shop; do
        at laptop env PGPASSWORD=Sample-Database-1 PGAPPNAME=till PGSSLMODE=prefer PGGSSENCMODE=disable \
            psql -q -h 192.168.40.61 -U "${method#*:}" -d "${method%:*}" -c 'select 7' >/dev/null
    done
    at laptop mariadb --skip-ssl -h 192.168.40.61 -u shop -pwrong-Guess-0 shop -e 'select 7' >/dev/null 2>&1 || true
    at laptop mariadb --skip-ssl -h 192.168.40.61 -u shop -pSample-Database-1 shop -e 'select 7' >/dev/null
    stop_recording
    keep databases
}

# A controller that is read and written over Modbus and CoAP by real software, and over BACnet/IP by
# messages made from the standard.
scene_controllers() {
    serve door2 "$RECORD/machines.py" modbus-server
    serve door2 coap-server-openssl -A 0.0.0.0 -p 5683
    serve door2 "$RECORD/machines.py" bacnet-server
    listening door2 502
    record controllers br50 'tcp port 502 or udp port 5683 or udp port 47808'
    at facility "$RECORD/machines.py" modbus-client 192.168.50.72
    at facility coap-client-openssl -B 2 -m get coap://192.168.50.72/time >/dev/null 2>&1 || true
    at facility coap-client-openssl -B 2 -m put -e 22 coap://192.168.50.72/example_data >/dev/null 2>&1 || true
    at facility "$RECORD/machines.py" bacnet-client 192.168.50.72 192.168.50.255
    stop_recording
    keep controllers
}
