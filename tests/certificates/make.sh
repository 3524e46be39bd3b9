#!/bin/sh
# Makes the certificates that tests read, with OpenSSL 3. Keys and signatures differ each time, and the tests
# that name hashes with them: run it only to change what is in the certificates.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
: > index
cat > ca.cnf <<'END'
[ca]
default_ca = any
[any]
dir = .
serial = serial
database = index
new_certs_dir = .
default_md = sha256
policy = all
unique_subject = no
[all]
countryName = optional
organizationName = optional
organizationalUnitName = optional
commonName = optional
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyAgreement
extendedKeyUsage = serverAuth, clientAuth, 1.3.6.1.5.2.3.5
subjectAltName = DNS:printer.office.example, DNS:*.Print.example, IP:192.168.7.2, IP:fe80::2, email:it@office.example, URI:https://office.example/p, RID:1.2.3.4, dirName:directory
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
certificatePolicies = 2.23.140.1.2.2
[directory]
CN = other
[authority]
basicConstraints = critical, CA:TRUE, pathlen:1
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
END
# name, serial, first day, last day, arguments of openssl ca
issue() {
    name=$1 first=$3 last=$4
    echo "$2" > serial
    shift 4
    openssl ca -batch -notext -config ca.cnf -startdate "$first" -enddate "$last" -in "$name.csr" \
        -out "$name.pem" -preserveDN "$@" 2> log || { cat log; exit 1; }
    openssl x509 -in "$name.pem" -outform DER -out "$here/$name.der"
}
ec="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
openssl req -new $ec -keyout ca.key -out ca.csr -subj "/C=DE/O=Sample Office/CN=Sample Office CA" 2> log
issue ca 01 20260101000000Z 20360101000000Z -selfsign -keyfile ca.key -extensions authority
openssl req -new $ec -utf8 -keyout leaf.key -out leaf.csr -multivalue-rdn \
    -subj "/C=DE/O=Sample, Office+OU=Übung/CN=printer.office.example" 2> log
issue leaf 02 20260601120000Z 20270601120000Z -cert ca.pem -keyfile ca.key -extensions leaf
openssl req -new -newkey rsa:1024 -nodes -keyout old.key -out old.csr -subj "/CN=old" 2> log
issue old 03 990101000000Z 491231235959Z -selfsign -keyfile old.key -md md5
openssl req -new -newkey ed25519 -nodes -keyout future.key -out future.csr -subj "/" 2> log
issue future 04 20500101000000Z 99991231235959Z -selfsign -keyfile future.key -md default
